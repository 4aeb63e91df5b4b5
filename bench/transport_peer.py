"""One end of a throughput measurement: `transport_peer.py KIND send|receive MIB [ADDRESS]`, or `raw serve MIB IP`.

Kinds: `swarm` (Connection.send_frame and receive_frame), `raw` (one stream of a stock py-libp2p host, written in the
65,507-byte pieces that suit it best), `tcp` (no encryption). The sender listens and prints its address; both
print, last, the seconds and CPU seconds of the transfer. `serve` gives to everybody who comes, until it is ended. A
command of `transport_throughput.py` and of the lab, which imports nothing.
"""

# ruff: noqa: PLC0415 - each kind loads only what it measures

from __future__ import annotations

import math
import os
import sys
import time
from functools import partial

import trio

MIB = 1 << 20
PIECE_BYTES = 65_507
READ_BYTES = 256 * 1024


def say(*words: object) -> None:
    print(*words, flush=True)


class Meter:
    """Time and CPU since `start`: on a shared machine the CPU is the steadier of the two."""

    def start(self) -> None:
        self.started_at, self.cpu_at = time.perf_counter(), time.process_time()

    def report(self) -> None:
        """The last line: seconds, CPU seconds."""
        say(time.perf_counter() - self.started_at, time.process_time() - self.cpu_at)


meter = Meter()


# --- swarm ------------------------------------------------------------------------------------------


async def swarm_send(size: int) -> None:
    from swarm.protocol.frames import PAYLOAD_MAX, Flags, FrameHeader
    from swarm.transport.libp2p_host import open_transport

    block = os.urandom(MIB)
    async with open_transport(_config((("127.0.0.1", 0),))) as transport:
        say(transport.addresses[0])
        connection = await transport.accept()
        meter.start()
        for index in range(size // MIB):
            for offset in range(0, MIB, PAYLOAD_MAX):
                payload = memoryview(block)[offset : offset + PAYLOAD_MAX]
                flags = Flags.LAST if offset + len(payload) == MIB else Flags.NONE
                await connection.send_frame(FrameHeader(1, index, offset, len(payload), MIB, flags), payload)
        await connection.aclose("sent", is_graceful=True)
        meter.report()


async def swarm_receive(size: int, address: str) -> None:
    from swarm.protocol.messages import Direction
    from swarm.transport.libp2p_host import open_transport

    async with open_transport(_config(())) as transport:
        connection = await transport.dial((address,), Direction.TO_DIALER, peer_id=None)
        got = 0
        meter.start()
        while got < size:
            _, payload = await connection.receive_frame()
            got += len(payload)
        meter.report()


def _config(listen: tuple[tuple[str, int], ...]) -> object:
    from swarm.protocol.keys import SigningKey
    from swarm.protocol.messages import Direction, Hello
    from swarm.transport.libp2p_host import TransportConfig

    key = SigningKey(os.urandom(32))

    def hello(direction: Direction, _: bytes | None) -> Hello:
        return Hello(None, key.agent_id, None, key.peer_id, "", direction, False, False, False, b"")

    return TransportConfig(key, hello, listen)


# --- a stock py-libp2p host -------------------------------------------------------------------------


def _stock_host(listen: list[object]) -> object:
    from libp2p import new_host
    from libp2p.crypto.ed25519 import create_new_key_pair
    from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
    from libp2p.custom_types import TProtocol
    from libp2p.security.noise.transport import PROTOCOL_ID, Transport
    from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_ID
    from libp2p.stream_muxer.yamux.yamux import Yamux

    pair = create_new_key_pair()
    noise = Transport(pair, noise_privkey=create_noise_key_pair().private_key)
    host = new_host(
        key_pair=pair, listen_addrs=listen, sec_opt={PROTOCOL_ID: noise}, muxer_opt={TProtocol(YAMUX_ID): Yamux}
    )
    host.get_network()._inbound_limiter = trio.CapacityLimiter(math.inf)
    return host


async def raw_send(size: int, ip: str = "127.0.0.1", *, is_for_all: bool = False) -> None:
    from multiaddr import Multiaddr

    listen = [Multiaddr(f"/ip4/{ip}/tcp/0")]
    host, piece, done = _stock_host(listen), os.urandom(PIECE_BYTES), trio.Event()

    async def give(stream: object) -> None:
        sent = 0
        meter.start()
        while sent < size:
            await stream.write(piece)
            sent += len(piece)
        await stream.read(1)
        if not is_for_all:
            meter.report()
            done.set()

    async with host.run(listen_addrs=listen):
        host.set_stream_handler("/throughput/1", give)
        say(host.get_addrs()[0])
        await done.wait()
        os._exit(0)


async def raw_receive(size: int, address: str) -> None:
    from libp2p.peer.peerinfo import info_from_p2p_addr
    from multiaddr import Multiaddr

    host = _stock_host([])
    async with host.run(listen_addrs=[]):
        peer = info_from_p2p_addr(Multiaddr(address))
        await host.connect(peer)
        stream = await host.new_stream(peer.peer_id, ["/throughput/1"])
        got = 0
        say("READY")
        meter.start()
        while got < size:
            got += len(await stream.read(READ_BYTES))
        meter.report()
        await stream.write(b"x")
        os._exit(0)


# --- plain TCP --------------------------------------------------------------------------------------


async def tcp_send(size: int) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    say(listener.socket.getsockname()[1])
    piece = os.urandom(PIECE_BYTES)
    async with await listener.accept() as stream:
        meter.start()
        for _ in range(math.ceil(size / len(piece))):
            await stream.send_all(piece)
        meter.report()
    await listener.aclose()


async def tcp_receive(size: int, address: str) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", int(address)) as stream:
        got = 0
        meter.start()
        while got < size:
            got += len(await stream.receive_some(READ_BYTES))
        meter.report()


def main() -> None:
    kind, role, size = sys.argv[1], sys.argv[2], int(sys.argv[3]) * MIB
    if role == "serve":
        trio.run(partial(raw_send, is_for_all=True), size, sys.argv[4])
    elif role == "send":
        trio.run({"swarm": swarm_send, "raw": raw_send, "tcp": tcp_send}[kind], size)
    else:
        trio.run({"swarm": swarm_receive, "raw": raw_receive, "tcp": tcp_receive}[kind], size, sys.argv[4])


main()
