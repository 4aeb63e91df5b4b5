"""Cuts a stream by content (docs/cutter.md), as fast as memory allows and however the stream is buffered.

The fast code is pyfastcdc's; what it must find is specified by `reference`, and tests hold the two together. It
releases the GIL while it looks for a cut.
"""

from __future__ import annotations

from pyfastcdc import FastCDC

from swarm.dataset.reference import GEAR_BLAKE3, MASKS, NORMALISATION
from swarm.protocol.manifest import Cutter

ALGORITHM = "fastcdc-2020"
MINIMUM_DIVISOR = 4
MAXIMUM_FACTOR = 4


def cutter_of(average: int) -> Cutter:
    """The cutter with this average block length in bytes: at least a quarter of it, at most four times."""
    bits = average.bit_length() - 1
    return Cutter(
        algorithm=ALGORITHM,
        average=average,
        minimum=average // MINIMUM_DIVISOR,
        maximum=average * MAXIMUM_FACTOR,
        normalisation=NORMALISATION,
        gear=bytes.fromhex(GEAR_BLAKE3),
        masks=(MASKS[bits + NORMALISATION], MASKS[bits - NORMALISATION]),
    )


class StreamCutter:
    """Finds the blocks in windows of one stream. For one thread."""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter
        self._fast = FastCDC(cutter.average, min_size=cutter.minimum, max_size=cutter.maximum)

    def cut(self, window: memoryview, *, is_last: bool) -> list[int]:
        """The ends of the blocks that are certain in `window`, which begins where a block begins.

        A block is certain unless it reaches the end of the window: more bytes could move that end, but no other. With
        `is_last` the stream ends there. What is behind the last end (less than `maximum` bytes) begins the next window.
        """
        ends: list[int] = []
        for block in self._fast.cut_buf(window):
            end = block.offset + block.length
            if end == len(window) and not is_last and block.length < self._cutter.maximum:
                break
            ends.append(end)
        return ends
