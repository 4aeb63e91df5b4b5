"""A TCP stream becomes an authenticated, encrypted, multiplexed session, by py-libp2p's handshake and multiplexer.

What is used of the library: the Noise XX handshake with libp2p's identity payload, and yamux. What is not: its host,
swarm, peerstore, connection manager, resource manager, identify and listeners, whose faults (plaintext by default, a
listener that dies of old age, dialling on their own, a handler's exception that ends the host, the root logger) are
thereby out of reach. The private attributes relied on are listed in `PRIVATE`, and a test fails when one of them moves.

Importing this module costs 0.1 s: import it only where a transport is opened.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Final, cast

import trio

from swarm.errors import TransportError
from swarm.protocol.ids import PeerId
from swarm.protocol.keys import SigningKey
from swarm.transport import multistream
from swarm.transport.chunk_buffer import ChunkBuffers
from swarm.transport.intake import Intake
from swarm.transport.libp2p_parts import (
    ID,
    BaseLibp2pError,
    NoiseTransport,
    Yamux,
    create_new_key_pair,
    create_noise_key_pair,
)
from swarm.transport.libp2p_stream import UNREAD_BYTES_MAX, Stream, reason
from swarm.transport.noise_channel import NoiseChannel
from swarm.transport.quick_lock import QuickLock
from swarm.transport.tcp_stream import TcpStream

NOISE: Final = "/noise"
YAMUX: Final = "/yamux/1.0.0"

PRIVATE: Final = {
    "Yamux": (
        "_measure_rtt_loop",
        "_read_data_body",
        "_write_lock",
        "event_shutting_down",
        "secured_conn",
        "stream_buffers",
        "stream_events",
        "streams_lock",
    ),
    "YamuxStream": (
        "closed",
        "conn",
        "recv_closed",
        "recv_window",
        "reset_received",
        "send_closed",
        "send_window",
        "stream_id",
        "window_lock",
    ),
}
"""py-libp2p's attributes that are no promise of it."""


class Upgrader:
    """Makes sessions for one key."""

    def __init__(self, key: SigningKey) -> None:
        # Below CRITICAL the library reports every end of a connection; ours are reported where they are handled.
        logging.getLogger("libp2p").setLevel(logging.CRITICAL)
        self._noise = NoiseTransport(create_new_key_pair(key.seed), create_noise_key_pair().private_key)

    async def outbound(self, tcp: TcpStream, expected: PeerId | None) -> Session:
        """As the dialer. Raises TransportError, also where somebody other than `expected` answers."""
        try:
            await multistream.ask(_Exact(tcp), NOISE)
            # The handshake itself may be told to take whoever answers; only the library's annotation says otherwise.
            peer: Any = ID.from_base58(expected) if expected else None
            secure = await self._noise.secure_outbound(_raw(tcp), peer)
            channel = NoiseChannel(tcp, secure)
            await multistream.ask(_Exact(channel), YAMUX)
        except TransportError:
            raise
        except Exception as error:  # whatever a stranger's bytes make the library raise: it is no closed set
            raise TransportError(f"the encrypted connection failed: {reason(error)}") from error
        return Session(tcp, channel, is_initiator=True)

    async def inbound(self, tcp: TcpStream) -> Session:
        """As the side that was dialled. Raises TransportError."""
        try:
            await multistream.answer(_Exact(tcp), (NOISE,))
            channel = NoiseChannel(tcp, await self._noise.secure_inbound(_raw(tcp)))
            await multistream.answer(_Exact(channel), (YAMUX,))
        except TransportError:
            raise
        except Exception as error:  # as above
            raise TransportError(f"the encrypted connection failed: {reason(error)}") from error
        return Session(tcp, channel, is_initiator=False)


class Session:
    """One multiplexed connection to an authenticated peer. `run` must be running for anything to move."""

    def __init__(self, tcp: TcpStream, channel: NoiseChannel, *, is_initiator: bool) -> None:
        self.peer_id = channel.peer_id
        self.tcp = tcp
        # Untyped from here on: its locks are exchanged, and what it calls a secured connection is ours. It only ever
        # prints the peer's id, into every line of a log that nobody reads: the text is at hand.
        self.intake = Intake(channel)
        self._muxed = cast("Any", Yamux(cast("Any", self.intake), cast("Any", channel.peer_id), is_initiator))
        self._muxed._measure_rtt_loop = _never
        self._muxed._read_data_body = self.intake.read_piece
        self._muxed.stream_buffers = ChunkBuffers(UNREAD_BYTES_MAX)
        self._muxed.streams_lock = QuickLock()
        self._muxed._write_lock = QuickLock()

    async def run(self) -> None:
        """Reads until the connection ends, for whatever reason."""
        try:
            await self._muxed.start()
        finally:
            self.tcp.abort()

    async def open_stream(self, protocol: str) -> Stream:
        """A new stream on which both speak `protocol`. Raises TransportError."""
        try:
            stream = Stream(await self._muxed.open_stream())
        except (BaseLibp2pError, OSError) as error:
            raise TransportError(f"no stream could be opened: {reason(error)}") from error
        try:
            await multistream.ask(stream, protocol)
        except TransportError:
            # Else it would stay open on both sides.
            await self.drop_stream(stream)
            raise
        return stream

    async def accept_stream(self) -> Stream:
        """The next stream that the other side opens, before its protocol is agreed. TransportError at the end."""
        try:
            return Stream(await self._muxed.accept_stream())
        except (BaseLibp2pError, OSError, trio.ClosedResourceError) as error:
            raise TransportError("the connection has ended") from error

    async def drop_stream(self, stream: Stream) -> None:
        """Gives a stream up; the connection goes on."""
        with contextlib.suppress(TransportError):
            await stream.reset()

    def is_flooded(self) -> bool:
        """More has arrived and was not read than an honest peer could have sent."""
        return any(buffer.is_flooded for buffer in self._muxed.stream_buffers.values())


class _Exact:
    """`read_exactly` over something that reads at most n."""

    def __init__(self, source: TcpStream | NoiseChannel) -> None:
        self._source = source
        self.write = source.write

    async def read_exactly(self, n: int) -> bytes:
        gathered = b""
        while len(gathered) < n:
            piece = await self._source.read(n - len(gathered))
            if not piece:
                raise TransportError("the connection has ended")
            gathered += piece
        return gathered


def _raw(tcp: TcpStream) -> Any:
    """Has every method that the handshake calls, and is none of the library's classes."""
    return tcp


async def _never() -> None:
    """Stands in for yamux's ping loop: an answer to a ping is written by the read loop, which must never wait for a
    writer, and the kernel knows the round trip better."""
