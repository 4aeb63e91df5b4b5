"""A peer that joins a swarm properly and then does one thing wrong: `python -m tests.e2e.evil_peer`.

    … WORK TRACKER STORE VERSION [origin]

Its transport, hello, join and framing are the real ones; only the last step is not. Says on stdout, a JSON object a
line, that it is there (`ready`, with its agent id) and each time that it has done its work (`did`).
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import trio

from swarm.errors import TransportError
from swarm.protocol import messages as m
from swarm.protocol.frames import PAYLOAD_MAX, Flags, FrameHeader
from swarm.protocol.ids import Index, VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.keys import SigningKey
from swarm.protocol.manifest import decode_root
from swarm.protocol.runs import iterate
from swarm.protocol.version import Version, assemble
from swarm.store import open_store
from swarm.tracker.http.client import find_tracker
from swarm.transport.libp2p_host import TransportConfig, open_transport
from swarm.transport.transport import Connection, Transport
from tests.transport.peers import hello_maker


def say(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


@dataclass
class Evil:
    """What it knows, and how many slots it has offered."""

    work: str
    version: Version
    is_origin: bool
    grants: int = 0

    @property
    def size(self) -> int:
        return self.version.space.size

    async def serve(self, connection: Connection) -> None:
        """One neighbour, until it closes the connection."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_alive, connection)
                while True:
                    await self.answer(connection, await connection.receive())
        except* TransportError:
            pass  # closed, as it should be

    async def answer(self, connection: Connection, message: m.Message) -> None:
        match message:
            case m.Open(handle=handle):
                await GREETINGS.get(self.work, offer_everything)(self, connection, handle)
            case m.Request():
                await WORKS.get(self.work, wrong_bytes)(self, connection, message)
                say(event="did", work=self.work)
                self.offer(connection, message.handle)

    def offer(self, connection: Connection, handle: int) -> None:
        """A free slot, for whatever the neighbour lacks."""
        self.grants += 1
        named = ((0, self.size),) if self.is_origin else None
        connection.send_nowait(m.Ready(self.grants, handle, (), named))

    def length_of(self, index: int) -> int:
        return self.version.length_of(Index(index))


async def keep_alive(connection: Connection) -> None:
    while True:
        await trio.sleep(1)
        connection.send_nowait(m.Alive())


def raw(connection: Connection, data: bytes) -> None:
    """Bytes on the control stream that no codec has made."""
    connection._control._outbox.put(data)  # type: ignore[attr-defined]


# --- greetings: what it says to who opens the version ------------------------------------------------


async def say_everything(evil: Evil, connection: Connection, handle: int) -> None:
    size = evil.size
    have = ((1 << size) - 1 << (-size % 8)).to_bytes((size + 7) // 8, "big")
    connection.send_nowait(m.Bitfield(handle, have, bytes(len(have))))


async def offer_everything(evil: Evil, connection: Connection, handle: int) -> None:
    await say_everything(evil, connection, handle)
    evil.offer(connection, handle)


async def offer_nothing(evil: Evil, connection: Connection, handle: int) -> None:
    """Says that it has everything, and offers nothing of it."""
    await say_everything(evil, connection, handle)
    say(event="did", work=evil.work)


async def bitfield_too_long(evil: Evil, connection: Connection, handle: int) -> None:
    connection.send_nowait(m.Bitfield(handle, b"\xff" * ((evil.size + 7) // 8 + 100), None))
    say(event="did", work=evil.work)


async def haves_outside(evil: Evil, connection: Connection, handle: int) -> None:
    await offer_everything(evil, connection, handle)
    connection.send_nowait(m.Haves(((handle, ((evil.size, 1 << 24),)),)))
    say(event="did", work=evil.work)


async def length_of_4_gib(evil: Evil, connection: Connection, handle: int) -> None:
    raw(connection, struct.pack(">I", 0xFFFFFFFF) + b"x" * 1000)
    say(event="did", work=evil.work)


async def garbage(evil: Evil, connection: Connection, handle: int) -> None:
    raw(connection, struct.pack(">I", 200) + os.urandom(200))
    say(event="did", work=evil.work)


async def cbor_bomb(evil: Evil, connection: Connection, handle: int) -> None:
    """A `Haves` whose list claims a million entries, each a list."""
    body = b"\x82\x18\x42\xa1\x02\x9a\x00\x0f\x42\x40" + b"\x82\x00\x80" * 1000
    raw(connection, struct.pack(">I", len(body)) + body)
    say(event="did", work=evil.work)


async def unknown_version(evil: Evil, connection: Connection, handle: int) -> None:
    """Opens versions without number on somebody else's connection."""
    for number in range(2000):
        connection.send_nowait(m.Open(2 * number + 1, VersionId(os.urandom(32))))
    say(event="did", work=evil.work)


# --- works: what it sends for a request --------------------------------------------------------------


async def send(connection: Connection, request: int, index: int, data: bytes, *, claimed: int | None = None) -> None:
    for offset in range(0, len(data), PAYLOAD_MAX):
        payload = data[offset : offset + PAYLOAD_MAX]
        flags = Flags.LAST if offset + len(payload) == len(data) else Flags.NONE
        header = FrameHeader(request, index, offset, len(payload), claimed or len(data), flags)
        await connection.send_frame(header, payload)


async def wrong_bytes(evil: Evil, connection: Connection, request: m.Request) -> None:
    for index in iterate(request.runs):
        await send(connection, request.request, index, os.urandom(evil.length_of(index)))


async def block_too_long(evil: Evil, connection: Connection, request: m.Request) -> None:
    for index in iterate(request.runs):
        await send(connection, request.request, index, bytes(evil.length_of(index) + 1))


async def block_too_short(evil: Evil, connection: Connection, request: m.Request) -> None:
    for index in iterate(request.runs):
        length = evil.length_of(index)
        await send(connection, request.request, index, bytes(length // 2), claimed=length)


async def another_block(evil: Evil, connection: Connection, request: m.Request) -> None:
    """Blocks that nobody has asked for, on a request that was never made."""
    await send(connection, request.request + 77, 0, bytes(evil.length_of(0)))


async def silence(evil: Evil, connection: Connection, request: m.Request) -> None:
    """Promises, and sends nothing; it is alive all the time."""


Greeting = Callable[[Evil, Connection, int], Awaitable[None]]
Work = Callable[[Evil, Connection, m.Request], Awaitable[None]]

GREETINGS: dict[str, Greeting] = {
    "offer_nothing": offer_nothing,
    "bitfield_too_long": bitfield_too_long,
    "haves_outside": haves_outside,
    "length_of_4_gib": length_of_4_gib,
    "garbage": garbage,
    "cbor_bomb": cbor_bomb,
    "unknown_version": unknown_version,
}
WORKS: dict[str, Work] = {
    "wrong_bytes": wrong_bytes,
    "block_too_long": block_too_long,
    "block_too_short": block_too_short,
    "another_block": another_block,
    "silence": silence,
}


# --- joining -------------------------------------------------------------------------------------------


async def join(transport: Transport, url: str, evil: Evil) -> None:
    """As somebody who has everything and gives it. For ever."""
    found = await find_tracker(url)
    connection = await transport.dial(found.addresses, m.Direction.CONTROL, peer_id=found.peer_id)
    connection.send_nowait(
        m.Join(
            evil.version.id,
            evil.size,
            evil.size,
            lacks=False,
            is_origin=evil.is_origin,
            reads_store=False,
            site="",
            addresses=transport.addresses,
        )
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_alive, connection)
        while True:
            await connection.receive()


async def read_version(store_url: str, version: VersionId) -> Version:
    async with open_store(store_url) as store:
        root = await store.get_root(version)
        refs = IndexSpace(decode_root(root)).page_refs
        pages = {Index(n): await store.get_block(ref.id, max_length=ref.length) for n, ref in enumerate(refs)}
    return assemble(root, pages)


async def main(work: str, url: str, store_url: str, version: str, kind: str = "") -> None:
    is_origin = kind == "origin"
    evil = Evil(work, await read_version(store_url, VersionId(bytes.fromhex(version))), is_origin)
    key = SigningKey.from_seed(os.urandom(32))
    addresses: tuple[str, ...] = ()

    def make_hello(direction: m.Direction, dial_nonce: bytes | None) -> m.Hello:
        return hello_maker(key, addresses=addresses, is_origin=is_origin)(direction, dial_nonce)

    async with open_transport(TransportConfig(key, make_hello, (("127.0.0.1", 0),), None)) as transport:
        addresses = transport.addresses
        async with trio.open_nursery() as nursery:
            nursery.start_soon(join, transport, url, evil)
            say(event="ready", agent=key.agent_id.hex())
            while True:
                nursery.start_soon(evil.serve, await transport.accept())


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
