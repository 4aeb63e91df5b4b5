"""Tables of fields: what a decoded CBOR map must hold.

A `Schema` is the table of one object, and the documents' tables are made of the same data. Keys 0 and 1 of every object
are `v` and `required`; unknown keys are ignored unless `required` lists them. Only DecodeError leaves `read`.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from swarm.errors import DecodeError
from swarm.protocol.bounds import REQUIRED_MAX
from swarm.protocol.forms import Form, show

T = TypeVar("T")

V_KEY = 0
REQUIRED_KEY = 1


class _NoDefault:
    def __repr__(self) -> str:
        return "needed"


NEEDED: Final = _NoDefault()


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a table. With a default the key is left out where the value is the default."""

    key: int
    name: str
    kind: Form[Any]
    default: object = NEEDED


class Schema(Generic[T]):
    """The table of one object. With `v` its map carries `v` and `required`; others only a `required` that is needed."""

    def __init__(self, what: str, make: Callable[..., T], fields: tuple[Field, ...], *, v: int | None = None) -> None:
        self.what = what
        self.make = make
        self.fields = fields
        self.v = v
        self.known = frozenset(field.key for field in fields) | {V_KEY, REQUIRED_KEY}
        if len({field.key for field in fields}) != len(fields):
            raise ValueError(f"{what} has a key twice")
        self._lines = tuple((f.key, f.name, f.kind.read, f.default) for f in fields)
        self._writers = tuple((f.key, f.name, f.kind.write, f.default) for f in fields)

    @property
    def bound(self) -> str:
        return f"map *{self.what}*"

    def read(self, value: object) -> T:
        """The object of a decoded map."""
        entries = check_map(value, self.what, self.known, v=self.v)
        values: dict[str, object] = {}
        for key, name, read, default in self._lines:
            if key not in entries:
                if default is NEEDED:
                    raise DecodeError(f"{self.what}: {name} (key {key}) is not there")
                values[name] = default
                continue
            try:
                values[name] = read(entries[key])
            except DecodeError as error:
                raise DecodeError(f"{self.what}: {name}: {error.message}") from error
        return self.make(**values)

    def write(self, value: T) -> dict[int, object]:
        """The map of an object, keys ascending."""
        entries: dict[int, object] = {} if self.v is None else {V_KEY: self.v, REQUIRED_KEY: []}
        for key, name, write, default in self._writers:
            item = getattr(value, name)
            if default is NEEDED or item != default:
                entries[key] = write(item)
        return entries


class Fields:
    """Reads a map field by field, where a table would say less. `known` are the keys the caller understands."""

    def __init__(self, value: object, what: str, *, known: Container[int], v: int | None = 1) -> None:
        self._entries = check_map(value, what, known, v=v)
        self._what = what

    def take(self, key: int, kind: Form[T], default: T | _NoDefault = NEEDED) -> T:
        """The value of `key`. Raises DecodeError where it is not there and has no default, or is of another kind."""
        if key not in self._entries:
            if isinstance(default, _NoDefault):
                raise DecodeError(f"{self._what}: key {key} is not there")
            return default
        try:
            return kind.read(self._entries[key])
        except DecodeError as error:
            raise DecodeError(f"{self._what}: key {key}: {error.message}") from error

    def has(self, key: int) -> bool:
        return key in self._entries


def check_map(value: object, what: str, known: Container[int], *, v: int | None) -> dict[int, object]:
    """A map with unsigned integer keys, of version `v`, that requires nothing unknown. Raises DecodeError."""
    if type(value) is not dict:
        raise DecodeError(f"{what}: {show(value)} is not a map")
    for key in value:
        if type(key) is not int or key < 0:
            raise DecodeError(f"{what}: a key that is not an unsigned integer")
    if v is not None and (type(value.get(V_KEY)) is not int or value[V_KEY] != v or REQUIRED_KEY not in value):
        raise DecodeError(f"{what}: not of version {v}", hint="a newer swarm may have written it")
    if REQUIRED_KEY in value:
        _check_required(value[REQUIRED_KEY], what, known)
    return value


def _check_required(required: object, what: str, known: Container[int]) -> None:
    if type(required) is not list or len(required) > REQUIRED_MAX:
        raise DecodeError(f"{what}: `required` is not an array of at most {REQUIRED_MAX} keys")
    for key in required:
        if type(key) is not int or key not in known:
            raise DecodeError(f"{what}: requires key {show(key)}", hint="a newer swarm wrote it: upgrade this one")
