"""Where what a connection carries is told apart: plain data goes straight to its stream's sink, all else to yamux.

py-libp2p's read loop hands each frame to a task of the stream by an event, and that task to a third by a queue: three
turns of the scheduler for a frame, and more work in each than in decrypting it. Here the loop's own read gives a frame
of a stream that has a sink to that sink, in the same turn; yamux itself sees what opens, closes and widens streams.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import trio

from swarm.transport.chunk_buffer import Piece
from swarm.transport.libp2p_parts import TYPE_DATA, YAMUX_HEADER_FORMAT
from swarm.transport.noise_channel import NoiseChannel

Sink = Callable[[Piece], None]
"""Takes what has come on a stream, in order. Whatever it raises ends the connection."""

YIELD_FRAMES = 64
"""Whoever sends small messages without end lets the others run after so many: ten milliseconds' work."""

FRAME_BYTES_MAX = 1024 * 1024
"""What is read as one piece. Ours are a sixteenth of it; longer ones are left to yamux, which has its own bound."""

_HEADER = struct.Struct(YAMUX_HEADER_FORMAT)


class Intake:
    """What yamux reads from and writes to in place of `channel`. `on_fault` hears what a sink could not take."""

    def __init__(self, channel: NoiseChannel) -> None:
        self.on_fault: Callable[[Exception], None] = lambda _: None
        self.write = channel.write
        self.close = channel.close
        self.get_remote_address = channel.get_remote_address
        self._channel = channel
        self._sinks: dict[int, Sink] = {}
        self._begun = 0
        """The stream whose header yamux was given last: its body follows."""
        self._unyielded = 0
        self._is_over = False

    def divert(self, stream: int, sink: Sink) -> None:
        """From now on data of `stream` goes to `sink`."""
        self._sinks[stream] = sink

    async def read(self, n: int) -> Piece:
        """The next header that is yamux's business; nothing at the end. It asks for nothing but headers."""
        try:
            while not self._is_over:
                header = await self._channel.read_piece(n)
                _, kind, flags, stream, length = _HEADER.unpack(header)
                sink = self._sinks.get(stream)
                if sink is None or kind != TYPE_DATA or flags or length > FRAME_BYTES_MAX:
                    self._begun = stream
                    return bytes(header)
                sink(await self._channel.read_piece(length))
                await self._yield()
        except OSError:  # the end, or a message that is not authentic
            self._is_over = True
        except Exception as error:  # a sink's edge: yamux would swallow it and leave no reason
            self._fail(error)
        return b""

    async def read_piece(self, n: int) -> Piece:
        """The body of the frame whose header yamux has. Raises OSError at the end."""
        piece = await self._channel.read_piece(n)
        sink = self._sinks.get(self._begun)
        if sink is None:
            return piece
        try:
            sink(piece)
        except Exception as error:  # as above
            self._fail(error)
            raise ConnectionResetError(str(error)) from error
        return b""

    def _fail(self, error: Exception) -> None:
        self._is_over = True
        self.on_fault(error)

    async def _yield(self) -> None:
        self._unyielded += 1
        if self._unyielded >= YIELD_FRAMES:
            self._unyielded = 0
            await trio.lowlevel.checkpoint()
