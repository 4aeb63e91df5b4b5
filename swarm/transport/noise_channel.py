"""Noise messages over TCP, with the ciphers of a finished handshake: what yamux calls its secured connection.

Does what py-libp2p's own session does with three copies and one system call fewer for each message.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from swarm.protocol.ids import PeerId
from swarm.transport.chunk_buffer import Piece
from swarm.transport.tcp_stream import TcpStream

PLAIN_BYTES_MAX = 65_535 - 16
"""Noise's bound for a message, less the tag."""

LENGTH_BYTES = 2


class NoiseChannel:
    """Reads may be of any length; each write becomes one message where it fits. Raises OSError where the wire lies."""

    def __init__(self, tcp: TcpStream, secure: Any) -> None:
        """`secure`: py-libp2p's session as its handshake returned it, before anything went through it."""
        protocol = secure.conn.noise_state.noise_protocol
        self.is_initiator = tcp.is_initiator
        self.libp2p_id = secure.get_remote_peer()
        self.peer_id = PeerId(self.libp2p_id.to_base58())
        self._tcp = tcp
        self._out, self._in = _Cipher(protocol.cipher_state_encrypt), _Cipher(protocol.cipher_state_decrypt)
        self._message = b""
        self._position = 0

    async def read(self, n: int | None = None) -> bytes:
        """At least one and at most `n` bytes; nothing at the end."""
        while self._position == len(self._message):
            if not await self._next_message():
                return b""
        start, message = self._position, self._message
        self._position = len(message) if n is None else min(start + n, len(message))
        return message[start : self._position]

    async def read_piece(self, n: int) -> Piece:
        """Exactly `n` bytes, as a view of the message where they lie in one. Raises OSError at the end."""
        while n and self._position == len(self._message):
            if not await self._next_message():
                raise ConnectionResetError("the connection ended in mid-frame")
        end = self._position + n
        if end <= len(self._message):
            start, self._position = self._position, end
            return memoryview(self._message)[start:end]
        gathered = bytearray()
        while len(gathered) < n:
            if not (piece := await self.read(n - len(gathered))):
                raise ConnectionResetError("the connection ended in mid-frame")
            gathered += piece
        return bytes(gathered)

    async def write(self, data: bytes) -> None:
        """The caller holds a lock, and does not survive a cancellation in here."""
        for start in range(0, len(data), PLAIN_BYTES_MAX):
            sealed = self._out.seal(data[start : start + PLAIN_BYTES_MAX])
            await self._tcp.write(len(sealed).to_bytes(LENGTH_BYTES, "big"), sealed)

    async def close(self) -> None:
        await self._tcp.close()

    def get_remote_address(self) -> tuple[str, int] | None:
        return self._tcp.get_remote_address()

    async def _next_message(self) -> bool:
        prefix = await self._tcp.read_whole(LENGTH_BYTES)
        if len(prefix) < LENGTH_BYTES:
            return False
        length = int.from_bytes(prefix, "big")
        sealed = await self._tcp.read_whole(length)
        if len(sealed) < length:
            return False
        try:
            self._message, self._position = self._in.open(sealed), 0
        except InvalidTag as error:
            raise ConnectionAbortedError("a message that is not authentic") from error
        return True


class _Cipher:
    """One direction's key and counter, taken over from the library: its own way to the same call takes longer than the
    call. Noise's nonce for ChaCha20-Poly1305 is four zero bytes and the counter, little-endian."""

    __slots__ = ("_aead", "_count")

    def __init__(self, state: Any) -> None:
        self._aead: ChaCha20Poly1305 = state.cipher.cipher
        self._count: int = state.n

    def seal(self, plain: bytes) -> bytes:
        sealed = self._aead.encrypt(_nonce(self._count), plain, None)
        self._count += 1
        return sealed

    def open(self, sealed: bytes | memoryview) -> bytes:
        """Raises InvalidTag where it is not authentic."""
        plain = self._aead.decrypt(_nonce(self._count), sealed, None)
        self._count += 1
        return plain


def _nonce(count: int) -> bytes:
    return b"\0\0\0\0" + count.to_bytes(8, "little")
