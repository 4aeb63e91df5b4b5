"""Raw objects: the one private interface below `Store`. Bytes under keys, and nothing about what they mean.

Adapters: `directory`, `s3`, `http` (reads only), `memory` (tests). `retry` decorates any of them. Nothing outside
`swarm.store` uses these; the public door is `open_store`, which verifies what it reads.

Every method raises only errors of `swarm.errors`: `MissingError` (no such key), `CorruptError` (longer than the caller
allows), `UnavailableError` (may succeed later), `PermissionError_`, `NoSpaceError`, or a `SwarmError` that says what is
wrong with the store as a whole (no such bucket, a wrong region).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from swarm.errors import InternalError, PermissionError_, StoreError
from swarm.store._reading import Moved

KEY_BYTES_MAX = 1024
"""S3's own bound on a key, prefix included."""

KEY_PART_BYTES_MAX = 255
"""What file systems take for one name."""

Body = bytes | bytearray
"""A whole object. `bytearray` where an adapter reads straight into one: the caller owns it, nobody else writes it."""


@dataclass(frozen=True, slots=True)
class Stat:
    """An object's length in bytes, and when it was written in Unix seconds by the store's own clock."""

    size: int
    modified_s: float


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a listing."""

    key: str
    size: int
    modified_s: float


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing, ascending by the bytes of the keys. Where `is_last` is false, ask again after the last key."""

    objects: tuple[Listed, ...]
    is_last: bool


class CreateUnsupportedError(StoreError):
    """This back end has no way to create an object only where there is none."""


class BatchUnsupportedError(StoreError):
    """This back end does not delete several objects in one request."""


class Objects(Protocol):
    """A flat space of keys. Keys are relative, `/`-separated, without empty, `.` or `..` parts."""

    @property
    def url(self) -> str:
        """What a user calls this store; never holds a secret."""

    async def get(self, key: str, *, max_bytes: int, moved: Moved | None = None) -> Body:
        """The whole object. A longer one is a `CorruptError` before its body is read."""

    async def put(self, key: str, data: Body) -> None:
        """Writes, durably and whole or not at all, whatever was there before."""

    async def create(self, key: str, data: Body) -> bool:
        """Writes only where there is nothing; False if there is. `CreateUnsupportedError` where this cannot be done."""

    async def stat(self, key: str) -> Stat | None:
        """None if there is no such object."""

    async def list_page(self, prefix: str, *, after: str = "") -> Page:
        """Objects whose key begins with `prefix` (empty, or ending in `/`) and is greater than `after`."""

    async def delete(self, key: str) -> None:
        """No error if there is no such object."""

    @property
    def deletions_max(self) -> int:
        """How many keys `delete_many` takes now; 1 where there is no such request, or the server refused it."""

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Deletes several at once; after an error some may be gone. `BatchUnsupportedError` where the server refuses
        to: from then on `deletions_max` is 1."""

    async def presign(self, key: str, seconds: int) -> str | None:
        """A URL that anybody can GET for so long; None where the back end has none."""

    async def server_time(self) -> float:
        """The store's own clock, in Unix seconds: the one that `modified_s` is told by."""

    async def aclose(self) -> None:
        """Lets go of connections. Other methods must not be called afterwards."""


def check_key(key: str) -> str:
    """The last guard before a key becomes a path or a URL: `layout` makes none that it would refuse."""
    parts = key.split("/")
    is_plain = all(part not in {"", ".", ".."} and "\0" not in part for part in parts)
    is_short = all(len(part.encode()) <= KEY_PART_BYTES_MAX for part in parts) and len(key.encode()) <= KEY_BYTES_MAX
    if not (is_plain and is_short):
        raise InternalError(f"not a key of a store: {key[:80]!r}")
    return key


def read_only(url: str) -> PermissionError_:
    """The error of every writing method of a store that can only be read."""
    return PermissionError_(f"{url} can only be read", hint="publish to the s3:// or file:// URL that it shows")
