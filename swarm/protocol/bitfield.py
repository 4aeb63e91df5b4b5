"""A set of indexes of fixed size, one bit each: what somebody has. Index 0 is the highest bit of the first byte.

Single bits cost O(1); whole-field operations run at the speed of Python's big integers (100,000 bits: microseconds).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from swarm.errors import DecodeError, InternalError
from swarm.protocol.ids import Run, Runs

_NOT_FULL = re.compile(rb"[^\xff]")
_NOT_EMPTY = re.compile(rb"[^\x00]")


class Bitfield:
    """`size` bits, all clear at first. Not thread-safe. Indexes out of range raise IndexError."""

    __slots__ = ("_bits", "_count", "size")

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"size {size}")
        self.size = size
        self._bits = bytearray((size + 7) >> 3)
        self._count = 0

    @classmethod
    def full(cls, size: int) -> Bitfield:
        """All bits set."""
        return cls._of_int((1 << size) - 1, size)

    @classmethod
    def from_bytes(cls, data: bytes, size: int) -> Bitfield:
        """From the wire: exactly as many bytes as `size` needs, spare bits zero, else DecodeError."""
        if len(data) != (size + 7) >> 3:
            raise DecodeError(f"a bitfield of {len(data)} bytes where {size} bits are expected")
        spare = -size & 7
        if spare and data[-1] & ((1 << spare) - 1):
            raise DecodeError("a bitfield with spare bits set")
        field = cls(size)
        field._bits[:] = data
        field._count = int.from_bytes(data, "big").bit_count()
        return field

    @classmethod
    def from_runs(cls, runs: Runs, size: int) -> Bitfield:
        """The indexes of `runs`; IndexError where they reach past `size`."""
        field = cls(size)
        for run in runs:
            field.set_run(run)
        return field

    @classmethod
    def _of_int(cls, value: int, size: int) -> Bitfield:
        field = cls(size)
        field._bits[:] = (value << (-size & 7)).to_bytes((size + 7) >> 3, "big")
        field._count = value.bit_count()
        return field

    @property
    def count(self) -> int:
        """How many are set."""
        return self._count

    @property
    def is_full(self) -> bool:
        return self._count == self.size

    @property
    def is_empty(self) -> bool:
        return self._count == 0

    def get(self, index: int) -> bool:
        """Whether `index` is set."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        return self._bits[index >> 3] & (128 >> (index & 7)) != 0

    def set(self, index: int) -> bool:
        """Sets one bit; True if it was clear."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        mask = 128 >> (index & 7)
        if self._bits[index >> 3] & mask:
            return False
        self._bits[index >> 3] |= mask
        self._count += 1
        return True

    def clear(self, index: int) -> bool:
        """Clears one bit; True if it was set."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        mask = 128 >> (index & 7)
        if not self._bits[index >> 3] & mask:
            return False
        self._bits[index >> 3] ^= mask
        self._count -= 1
        return True

    def set_run(self, run: Run) -> None:
        """Sets `count` bits from `first` on."""
        self._write_run(run, is_set=True)

    def clear_run(self, run: Run) -> None:
        """Clears `count` bits from `first` on."""
        self._write_run(run, is_set=False)

    def _write_run(self, run: Run, *, is_set: bool) -> None:
        first, length = run
        end = first + length
        if first < 0 or length < 0 or end > self.size:
            raise IndexError(f"run {run} in a field of {self.size}")
        if length == 1:
            (self.set if is_set else self.clear)(first)
        elif length > 1:
            self._write_bytes(first, end, is_set=is_set)

    def _write_bytes(self, first: int, end: int, *, is_set: bool) -> None:
        low, high = first >> 3, (end + 7) >> 3
        window = int.from_bytes(self._bits[low:high], "big")
        mask = ((1 << (end - first)) - 1) << ((high << 3) - end)
        changed = window | mask if is_set else window & ~mask
        self._count += changed.bit_count() - window.bit_count()
        self._bits[low:high] = changed.to_bytes(high - low, "big")

    def first_clear(self, start: int = 0) -> int | None:
        """The lowest clear index from `start` on."""
        return self._first(start, _NOT_FULL, is_set=False)

    def first_set(self, start: int = 0) -> int | None:
        """The lowest set index from `start` on."""
        return self._first(start, _NOT_EMPTY, is_set=True)

    def _first(self, start: int, pattern: re.Pattern[bytes], *, is_set: bool) -> int | None:
        index = start
        while index < self.size and index & 7:
            if self.get(index) == is_set:
                return index
            index += 1
        found = pattern.search(self._bits, index >> 3)
        if index >= self.size or found is None:
            return None
        byte = self._bits[found.start()] ^ (0 if is_set else 255)
        index = (found.start() << 3) + 8 - byte.bit_length()
        return index if index < self.size else None

    def runs(self) -> Runs:
        """The set indexes as runs."""
        if not self._count:
            return ()
        digits = f"{self._int():0{self.size}b}"
        result: list[Run] = []
        first = digits.find("1")
        while first >= 0:
            end = digits.find("0", first)
            end = end if end >= 0 else self.size
            result.append((first, end - first))
            first = digits.find("1", end)
        return tuple(result)

    def missing(self) -> Runs:
        """The clear indexes as runs."""
        return (~self).runs()

    def to_bytes(self) -> bytes:
        """For the wire: (size + 7) // 8 bytes, spare bits zero."""
        return bytes(self._bits)

    def copy(self) -> Bitfield:
        """An independent copy."""
        field = Bitfield(self.size)
        field._bits[:] = self._bits
        field._count = self._count
        return field

    def is_subset(self, other: Bitfield) -> bool:
        """Whether all that is set here is set there."""
        return not self._int() & ~self._peer(other)

    def check(self) -> None:
        """Derives the count again. Raises InternalError where it differs."""
        if self._int().bit_count() != self._count or len(self._bits) != (self.size + 7) >> 3:
            raise InternalError(f"a bitfield counts {self._count} of {self.size} wrongly")

    def _int(self) -> int:
        return int.from_bytes(self._bits, "big") >> (-self.size & 7)

    def _peer(self, other: Bitfield) -> int:
        if other.size != self.size:
            raise ValueError(f"bitfields of {self.size} and {other.size}")
        return other._int()

    def __contains__(self, index: int) -> bool:
        return 0 <= index < self.size and self._bits[index >> 3] & (128 >> (index & 7)) != 0

    def __iter__(self) -> Iterator[int]:
        for first, length in self.runs():
            yield from range(first, first + length)

    def __len__(self) -> int:
        return self.size

    def __and__(self, other: Bitfield) -> Bitfield:
        return self._of_int(self._int() & self._peer(other), self.size)

    def __or__(self, other: Bitfield) -> Bitfield:
        return self._of_int(self._int() | self._peer(other), self.size)

    def __sub__(self, other: Bitfield) -> Bitfield:
        """And-not: set here, clear there."""
        return self._of_int(self._int() & ~self._peer(other), self.size)

    def __invert__(self) -> Bitfield:
        return self._of_int(self._int() ^ ((1 << self.size) - 1), self.size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bitfield) and self.size == other.size and self._bits == other._bits

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Bitfield {self._count} of {self.size}>"
