"""The only module that imports py-libp2p: a TCP stream becomes an authenticated, encrypted, multiplexed session.

What is used of the library: the Noise XX handshake with libp2p's identity payload, and yamux. What is not: its host,
swarm, peerstore, connection manager, resource manager, identify and listeners, whose faults (plaintext by default, a
listener that dies of old age, dialling on their own, a handler's exception that ends the host, the root logger) are
thereby out of reach. The private attributes relied on are listed in `PRIVATE`, and a test fails when one of them moves.

Importing this module costs 0.4 s: import it only where a transport is opened.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Final, cast

import trio
from cryptography.exceptions import InvalidTag
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.exceptions import MuxedStreamEOF
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream

from swarm.errors import TransportError
from swarm.protocol.ids import PeerId
from swarm.protocol.keys import SigningKey
from swarm.transport import multistream
from swarm.transport.quick_lock import QuickLock, QuickReadWriteLock
from swarm.transport.tcp_stream import TcpStream

NOISE: Final = "/noise"
YAMUX: Final = "/yamux/1.0.0"

STREAM_READ_BYTES = 4 * 65_507
"""Four whole block frames: a read that ends where a frame ends needs no copy to join two halves. Every read may send a
window update, so small reads cost more than they carry."""

BUFFERED_BYTES_MAX = 32 * 1024 * 1024
"""yamux does not enforce its windows: a peer that ignores them would fill our memory. Honest ones never pass 16 MiB a
stream, and our block streams are read at once."""

PRIVATE: Final = {
    Yamux: ("_write_lock", "streams_lock", "stream_buffers", "streams", "_measure_rtt_loop"),
    YamuxStream: ("window_lock", "rw_lock", "send_window"),
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
            raise TransportError(f"the encrypted connection failed: {_text(error)}") from error
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
            raise TransportError(f"the encrypted connection failed: {_text(error)}") from error
        return Session(tcp, channel, is_initiator=False)


class NoiseChannel:
    """Noise messages over TCP, with the ciphers of a finished handshake: what yamux calls its secured connection.

    Does what the library's own session does with three copies and one system call fewer for each message.
    """

    def __init__(self, tcp: TcpStream, secure: Any) -> None:
        protocol = secure.conn.noise_state.noise_protocol
        self.is_initiator = tcp.is_initiator
        self.peer_id = PeerId(secure.get_remote_peer().to_base58())
        self.libp2p_id = secure.get_remote_peer()
        self._tcp = tcp
        self._encrypt = protocol.cipher_state_encrypt.encrypt_with_ad
        self._decrypt = protocol.cipher_state_decrypt.decrypt_with_ad
        self._message = b""
        self._position = 0

    async def read(self, n: int | None = None) -> bytes:
        """At most `n` bytes, nothing at the end. Raises OSError where a message is not authentic."""
        while self._position == len(self._message):
            if not await self._next_message():
                return b""
        start, message = self._position, self._message
        self._position = len(message) if n is None else min(start + n, len(message))
        return message[start : self._position]

    async def write(self, data: bytes) -> None:
        """Raises OSError. The caller holds a lock, and does not survive a cancellation in here."""
        for start in range(0, len(data), _PLAIN_BYTES_MAX):
            sealed = self._encrypt(None, data[start : start + _PLAIN_BYTES_MAX])
            await self._tcp.write(len(sealed).to_bytes(2, "big") + sealed)

    async def close(self) -> None:
        await self._tcp.close()

    def get_remote_address(self) -> tuple[str, int] | None:
        return self._tcp.get_remote_address()

    async def _next_message(self) -> bool:
        prefix = await self._tcp.read_whole(2)
        if len(prefix) < 2:
            return False
        length = int.from_bytes(prefix, "big")
        sealed = await self._tcp.read_whole(length)
        if len(sealed) < length:
            return False
        try:
            self._message, self._position = self._decrypt(None, sealed), 0
        except InvalidTag as error:
            raise ConnectionAbortedError("a message that is not authentic") from error
        return True


class Session:
    """One multiplexed connection to an authenticated peer. `run` must be running for anything to move."""

    def __init__(self, tcp: TcpStream, channel: NoiseChannel, *, is_initiator: bool) -> None:
        self.peer_id = channel.peer_id
        self.tcp = tcp
        # Untyped from here on: its locks are exchanged, and what it calls a secured connection is ours.
        self._muxed = cast("Any", Yamux(cast("Any", channel), channel.libp2p_id, is_initiator=is_initiator))
        self._muxed._measure_rtt_loop = _never
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
            raise TransportError(f"no stream could be opened: {_text(error)}") from error
        await multistream.ask(stream, protocol)
        return stream

    async def accept_stream(self) -> Stream:
        """The next stream that the other side opens, before its protocol is agreed. TransportError at the end."""
        try:
            return Stream(await self._muxed.accept_stream())
        except (BaseLibp2pError, OSError, trio.ClosedResourceError) as error:
            raise TransportError("the connection has ended") from error

    async def drop_stream(self, stream: Stream) -> None:
        """Refuses a stream; the connection goes on."""
        with contextlib.suppress(BaseLibp2pError, OSError):
            await stream.muxed.reset()

    def is_flooded(self) -> bool:
        """More has arrived and was not read than an honest peer could have sent."""
        return sum(map(len, self._muxed.stream_buffers.values())) > BUFFERED_BYTES_MAX


class Stream:
    """One yamux stream: ends as empty reads, faults as TransportError.

    Neither `read` nor `write` may be cancelled on a connection that is to live on: a write leaves half a message on the
    wire, a read may have taken bytes and lost them.
    """

    def __init__(self, muxed: Any) -> None:
        self.muxed = muxed
        self._chunk = b""
        self._position = 0
        muxed.window_lock = QuickLock()
        muxed.rw_lock = QuickReadWriteLock()

    async def read(self) -> bytes:
        """What has arrived, at most STREAM_READ_BYTES; empty once the other side has closed its side in order."""
        if self._position < len(self._chunk):
            rest = self._chunk[self._position :]
            self._chunk, self._position = b"", 0
            return rest
        try:
            return bytes(await self.muxed.read(STREAM_READ_BYTES))
        except MuxedStreamEOF:
            return b""
        except (BaseLibp2pError, OSError) as error:
            raise TransportError(f"the connection has ended: {_text(error)}") from error

    async def read_exactly(self, n: int) -> bytes:
        """Exactly `n` bytes; memory grows with what arrives, not with `n`. Raises TransportError at the end."""
        end = self._position + n
        if end <= len(self._chunk):
            piece = self._chunk[self._position : end]
            self._position = end
            return piece
        gathered = bytearray()
        while len(gathered) < n:
            chunk = await self.read()
            if not chunk:
                raise TransportError("the connection has ended")
            gathered += chunk
        self._chunk, self._position = bytes(gathered[n:]), 0
        return bytes(gathered[:n])

    async def write(self, data: bytes) -> None:
        """Returns when the kernel has all of it. Raises TransportError."""
        try:
            await self.muxed.write(data)
        except (BaseLibp2pError, OSError) as error:
            raise TransportError(f"the connection has ended: {_text(error)}") from error

    async def close_write(self) -> None:
        """Says that nothing more follows."""
        try:
            await self.muxed.close()
        except (BaseLibp2pError, OSError) as error:
            raise TransportError(f"the connection has ended: {_text(error)}") from error


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


_PLAIN_BYTES_MAX = 65_535 - 16
"""Noise's bound for a message, less the tag."""


async def _never() -> None:
    """Stands in for yamux's ping loop: an answer to a ping is written by the read loop, which must never wait for a
    writer, and the kernel knows the round trip better."""


def _text(error: BaseException) -> str:
    """The innermost sentence of an exception: the outer ones say 'failed'."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
