"""Nothing but Noise is spoken. The library's own host also speaks plaintext, and believes whom it hears."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio

from swarm.errors import TransportError
from swarm.protocol.messages import Direction
from swarm.transport import multistream
from swarm.transport.addresses import parse
from tests.transport.peers import Opener, key


class Wire:
    """multistream over a bare TCP stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def read_exactly(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            piece = await self.stream.receive_some(n - len(data))
            if not piece:
                raise TransportError("closed")
            data += piece
        return data

    async def write(self, data: bytes) -> None:
        await self.stream.send_all(data)


@pytest.mark.parametrize("protocol", ["/plaintext/2.0.0", "/plaintext/1.0.0", "/secio/1.0.0", "/tls/1.0.0"])
async def test_plaintext_and_whatever_is_not_noise_is_refused_by_who_is_dialled(protocol: str) -> None:
    async with Opener("libp2p").transport(1) as host:
        endpoint = parse(host.addresses[0])
        async with await trio.open_tcp_stream(endpoint.host, endpoint.port) as stream:
            with pytest.raises(TransportError):
                await multistream.ask(Wire(stream), protocol)


async def test_a_dialer_does_not_fall_back_to_plaintext() -> None:
    """On the way somebody may claim that only plaintext is spoken: multistream is not authenticated."""

    async def only_plaintext(stream: trio.SocketStream) -> None:
        with suppress(TransportError, trio.BrokenResourceError):
            await multistream.answer(Wire(stream), ("/plaintext/2.0.0",))
        await stream.aclose()

    async with Opener("libp2p").transport(1) as dialing, trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, only_plaintext, [listener])
        port = listener.socket.getsockname()[1]
        with pytest.raises(TransportError, match="/noise"):
            await dialing.dial((f"/ip4/127.0.0.1/tcp/{port}",), Direction.CONTROL, peer_id=key(2).peer_id)
        nursery.cancel_scope.cancel()
