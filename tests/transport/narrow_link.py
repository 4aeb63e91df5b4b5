"""A TCP proxy that is a bad line: slow, with short queues, and can be made to stand still."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from swarm.transport.addresses import multiaddr, parse
from swarm.transport.nursery_of_one import nursery_of_one

BUFFER_BYTES = 16 * 1024


class NarrowLink:
    """Passes `bytes_per_s` each way, sharing nothing between the ways or the connections."""

    def __init__(self, bytes_per_s: float) -> None:
        self.bytes_per_s = bytes_per_s
        self.bytes_passed = 0
        self.address = ""
        self._open = trio.Event()
        self._open.set()

    def freeze(self) -> None:
        self._open = trio.Event()

    def thaw(self) -> None:
        self._open.set()

    async def serve(self, target: str, listener: trio.SocketListener) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(self._join, await listener.accept(), target)

    async def _join(self, near: trio.SocketStream, target: str) -> None:
        endpoint = parse(target)
        bare = trio.socket.socket()
        _shorten(bare)
        _shorten(near.socket)
        await bare.connect((endpoint.host, endpoint.port))
        far = trio.SocketStream(bare)
        async with near, far, trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, near, far, nursery.cancel_scope)
            nursery.start_soon(self._pump, far, near, nursery.cancel_scope)

    async def _pump(self, source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope) -> None:
        try:
            while data := await source.receive_some(BUFFER_BYTES):
                await self._open.wait()
                await target.send_all(data)
                self.bytes_passed += len(data)
                await trio.sleep(len(data) / self.bytes_per_s)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


@asynccontextmanager
async def narrow_link(target: str, bytes_per_s: float) -> AsyncIterator[NarrowLink]:
    """A way to the multiaddr `target`; dial its `address`."""
    link = NarrowLink(bytes_per_s)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    _shorten(listener.socket)
    async with nursery_of_one() as nursery:
        link.address = multiaddr(*listener.socket.getsockname()[:2])
        nursery.start_soon(link.serve, target, listener)
        yield link
    await listener.aclose()


def _shorten(sock: trio.socket.SocketType) -> None:
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
