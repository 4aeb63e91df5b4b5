"""The cutter's specification as slow code: what docs/cutter.md says, and nothing taken from the fast one.

It makes the vectors that the fast cutter is tested against (`python -m swarm.dataset.reference` prints them) and is
for reading, not for data: about 5 MB/s. Sources: Xia et al., "The Design of Fast Content-Defined Chunking for Data
Deduplication Based Storage Systems", IEEE TPDS 31(9), 2020 (gear hash, cut-point skipping, normalised chunking);
the masks and the table are constants of the format.
"""

from __future__ import annotations

import hashlib
import json
import sys

from blake3 import blake3

WORD = (1 << 64) - 1

GEAR_BLAKE3 = "b8a753f2311fec47b05c45684efb67446afda746e79321a9fda3cb72d850a171"
"""BLAKE3 of the table's 256 words, big-endian, one after the other: the table's name in the format."""

MASKS = {
    7: 0x0000000018035100,
    8: 0x0000001800035300,
    9: 0x0000019000353000,
    10: 0x0000590003530000,
    11: 0x0000D90003530000,
    12: 0x0000D90103530000,
    13: 0x0000D90303530000,
    14: 0x0000D90313530000,
    15: 0x0000D90F03530000,
    16: 0x0000D90303537000,
    17: 0x0000D90703537000,
    18: 0x0000D90707537000,
    19: 0x0000D91707537000,
    20: 0x0000D91747537000,
    21: 0x0000D91767537000,
    22: 0x0000D93767537000,
    23: 0x0000D93777537000,
}
"""By the number of their ones. A format's averages (64 KiB to 4 MiB) use 15 to 23; tests use the smaller ones too."""

NORMALISATION = 1
"""One more one in the mask below the average, one less above it: narrows the spread of lengths."""


def gear_table() -> tuple[int, ...]:
    """The 256 words: word i is the first 8 bytes, big-endian, of the MD5 of 64 bytes of value i."""
    return tuple(
        int.from_bytes(hashlib.md5(bytes([value]) * 64, usedforsecurity=False).digest()[:8], "big")
        for value in range(256)
    )


GEAR = gear_table()


def first_cut(data: bytes, average: int, minimum: int, maximum: int) -> int:
    """The length of the first block of `data`, which reaches to the end of the stream or is `maximum` bytes or more."""
    end = min(len(data), maximum)
    if end <= minimum:
        return end
    bits = average.bit_length() - 1
    small, large = MASKS[bits + NORMALISATION], MASKS[bits - NORMALISATION]
    fingerprint = 0
    for position in range(minimum, end - end % 2):  # the odd last byte of a stream is never a cut point
        fingerprint = ((fingerprint << 1) + GEAR[data[position]]) & WORD
        if not fingerprint & (small if position < average else large):
            return position
    return end


def cut_lengths(data: bytes, average: int, minimum: int, maximum: int) -> list[int]:
    """The lengths of all blocks of the whole stream `data`. `average` is a power of two, `minimum` is even."""
    lengths, start = [], 0
    while start < len(data):
        length = first_cut(data[start : start + maximum], average, minimum, maximum)
        lengths.append(length)
        start += length
    return lengths


def sample(name: str, length: int) -> bytes:
    """Test data that anybody can make: `length` bytes of the extendable output of BLAKE3 of `name`."""
    return blake3(name.encode()).digest(length=length)


def vectors() -> list[dict[str, object]]:
    """For each average that a version may have: the blocks' lengths of twelve averages of sample data."""
    found: list[dict[str, object]] = []
    for bits in range(16, 23):
        average = 1 << bits
        name, length = f"swarm/cutter/{average}", 12 * average + 12345
        lengths = cut_lengths(sample(name, length), average, average // 4, average * 4)
        found.append({"sample": name, "bytes": length, "average": average, "lengths": lengths})
    return found


if __name__ == "__main__":
    json.dump({"gear_blake3": GEAR_BLAKE3, "vectors": vectors()}, sys.stdout, indent=1)
    sys.stdout.write("\n")
