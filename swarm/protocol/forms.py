"""Forms of values: what one CBOR value must look like, with its bound. Tables of fields are in `fields`.

A form turns one CBOR value into a checked Python value and back. Only DecodeError leaves `read`; `write` trusts its
caller but for lengths of lists, where DecodeError says that nobody could read it. `bound` is what the documents print.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Generic, Protocol, TypeVar

from swarm.errors import DecodeError
from swarm.protocol.bounds import INDEX_COUNT_MAX, RUNS_MAX, UINT_MAX
from swarm.protocol.ids import Run, Runs

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=IntEnum)

# Nothing that moves a terminal's cursor or turns its text around.
_UNSAFE_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_UNSAFE_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Form(Protocol[T]):
    """One kind of value. `bound` describes it in the documents."""

    @property
    def bound(self) -> str: ...
    def read(self, value: object) -> T: ...
    def write(self, value: T) -> object: ...


class _Same(Generic[T]):
    """Kinds whose Python value is its own CBOR value."""

    __slots__ = ()

    def write(self, value: T) -> object:
        return value


@dataclass(frozen=True, slots=True)
class Uint(_Same[int]):
    """An integer from `minimum` (at least 0) to `maximum`."""

    maximum: int = UINT_MAX
    minimum: int = 0

    @property
    def bound(self) -> str:
        return f"uint {self.minimum} to {_number(self.maximum)}" if self.minimum else f"uint to {_number(self.maximum)}"

    def read(self, value: object) -> int:
        if type(value) is not int or not self.minimum <= value <= self.maximum:
            raise DecodeError(f"{show(value)} is not a {self.bound}")
        return value


@dataclass(frozen=True, slots=True)
class Int(_Same[int]):
    """A signed 64-bit integer."""

    @property
    def bound(self) -> str:
        return "int64"

    def read(self, value: object) -> int:
        if type(value) is not int or not -UINT_MAX - 1 <= value <= UINT_MAX:
            raise DecodeError(f"{show(value)} is not an int64")
        return value


@dataclass(frozen=True, slots=True)
class Boolean(_Same[bool]):
    @property
    def bound(self) -> str:
        return "bool"

    def read(self, value: object) -> bool:
        if type(value) is not bool:
            raise DecodeError(f"{show(value)} is not a bool")
        return value


@dataclass(frozen=True, slots=True)
class Bytes(_Same[bytes]):
    """A byte string of `minimum` to `maximum` bytes."""

    maximum: int
    minimum: int = 0

    @property
    def bound(self) -> str:
        if self.minimum == self.maximum:
            return f"bytes {self.maximum}"
        return f"bytes {self.minimum} to {_number(self.maximum)}"

    def read(self, value: object) -> bytes:
        if type(value) is not bytes or not self.minimum <= len(value) <= self.maximum:
            raise DecodeError(f"{show(value)} is not {self.bound}")
        return value


DIGEST: Final = Bytes(32, 32)


@dataclass(frozen=True, slots=True)
class Text(_Same[str]):
    """UTF-8 of at most `maximum` bytes without control characters, matching `pattern` where there is one."""

    maximum: int
    pattern: re.Pattern[str] | None = None
    is_multiline: bool = False

    @property
    def bound(self) -> str:
        lines = "lines of text" if self.is_multiline else "text"
        return f"{lines} to {_number(self.maximum)} bytes" + (f" `{self.pattern.pattern}`" if self.pattern else "")

    def read(self, value: object) -> str:
        if type(value) is not str or len(value) > self.maximum or len(value.encode()) > self.maximum:
            raise DecodeError(f"{show(value)} is not text of at most {self.maximum} bytes")
        if (_UNSAFE_LINES if self.is_multiline else _UNSAFE_TEXT).search(value):
            raise DecodeError(f"{show(value)} has control characters")
        if self.pattern is not None and not self.pattern.fullmatch(value):
            raise DecodeError(f"{show(value)} is not of the form {self.pattern.pattern}")
        return value


@dataclass(frozen=True, slots=True)
class Prose:
    """Words for people. What is written is made to fit: an error's text must not cost the connection."""

    maximum: int

    @property
    def bound(self) -> str:
        return f"text to {_number(self.maximum)} bytes"

    def read(self, value: object) -> str:
        return Text(self.maximum).read(value)

    def write(self, value: str) -> object:
        clean = _UNSAFE_TEXT.sub(" ", value).encode(errors="replace")
        return clean[: self.maximum].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class EnumOf(Generic[E]):
    """One of the numbers of an IntEnum."""

    enum: type[E]

    @property
    def bound(self) -> str:
        return "one of " + ", ".join(f"{item.value} {item.name.lower()}" for item in self.enum)

    def read(self, value: object) -> E:
        if type(value) is not int:
            raise DecodeError(f"{show(value)} is not a number")
        try:
            return self.enum(value)
        except ValueError:
            raise DecodeError(f"{show(value)} is not {self.bound}") from None

    def write(self, value: E) -> object:
        return int(value)


@dataclass(frozen=True, slots=True)
class Seconds:
    """Seconds here, whole milliseconds in bytes: there are no floats in the formats."""

    maximum_ms: int

    @property
    def bound(self) -> str:
        return f"uint to {_number(self.maximum_ms)}, milliseconds"

    def read(self, value: object) -> float:
        return Uint(self.maximum_ms).read(value) / 1000

    def write(self, value: float) -> object:
        return min(self.maximum_ms, max(0, round(value * 1000)))


@dataclass(frozen=True, slots=True)
class ArrayOf(Generic[T]):
    """An array of at most `maximum` items of one kind; a tuple here."""

    kind: Form[T]
    maximum: int

    @property
    def bound(self) -> str:
        return f"array to {_number(self.maximum)} of {self.kind.bound}"

    def read(self, value: object) -> tuple[T, ...]:
        if type(value) is not list or len(value) > self.maximum:
            raise DecodeError(f"{show(value)} is not an array of at most {self.maximum}")
        read = self.kind.read
        return tuple([read(item) for item in value])

    def write(self, value: tuple[T, ...]) -> object:
        if len(value) > self.maximum:
            raise DecodeError(f"{len(value)} items, where a reader takes {self.maximum}")
        write = self.kind.write
        return [write(item) for item in value]


@dataclass(frozen=True, slots=True)
class PairOf(Generic[T, T_co]):
    """An array of exactly two."""

    left: Form[T]
    right: Form[Any]

    @property
    def bound(self) -> str:
        return f"[{self.left.bound}, {self.right.bound}]"

    def read(self, value: object) -> tuple[T, Any]:
        if type(value) is not list or len(value) != 2:
            raise DecodeError(f"{show(value)} is not a pair")
        return self.left.read(value[0]), self.right.read(value[1])

    def write(self, value: tuple[T, Any]) -> object:
        return [self.left.write(value[0]), self.right.write(value[1])]


@dataclass(frozen=True, slots=True)
class RunsOf:
    """`[[first, count], …]`: ascending, disjoint, not adjacent; at most `blocks` indexes, all below `limit`."""

    maximum: int = RUNS_MAX
    blocks: int = INDEX_COUNT_MAX
    limit: int = INDEX_COUNT_MAX

    @property
    def bound(self) -> str:
        indexes = f", {self.blocks} indexes" if self.blocks < self.limit else ""
        return f"runs to {_number(self.maximum)}{indexes}"

    def read(self, value: object) -> Runs:
        if type(value) is not list or len(value) > self.maximum:
            raise DecodeError(f"{show(value)} is not an array of at most {self.maximum} runs")
        runs = tuple([self._run(item) for item in value])
        end, total = -1, 0
        for first, count in runs:
            if first <= end:
                raise DecodeError("runs that are not ascending, disjoint and apart")
            end = first + count
            total += count
        if end > self.limit or total > self.blocks:
            raise DecodeError(f"runs of {total} indexes to {end}")
        return runs

    def write(self, value: Runs) -> object:
        if len(value) > self.maximum:
            raise DecodeError(f"{len(value)} runs, where a reader takes {self.maximum}")
        return value

    @staticmethod
    def _run(item: object) -> Run:
        if type(item) is not list or len(item) != 2:
            raise DecodeError(f"{show(item)} is not a run")
        first, count = item
        if type(first) is not int or type(count) is not int or first < 0 or count < 1:
            raise DecodeError(f"{show(item)} is not a run")
        return first, count


def show(value: object) -> str:
    """At most 40 characters of a value from outside, for an error."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 1 << 64 else "a huge integer"
    if isinstance(value, (str, bytes)):
        return f"{value[:24]!r}" + ("…" if len(value) > 24 else "")
    return type(value).__name__ if value is not None else "null"


def _number(value: int) -> str:
    for exponent in (63, 48, 32, 31):
        if value == (1 << exponent) - 1:
            return f"2^{exponent} - 1"
    return f"{value:,}"
