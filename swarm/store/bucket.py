"""Objects in S3 that somebody else put there, under whatever keys: listed and read in ranges, never written.

A store's own objects are `store`'s. Here an object is what its listing says of it, ETag and length included; reads name
the ETag, so that one that was replaced meanwhile is a `ChangedError` and not a mixture of two.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import trio

from swarm.errors import StoreError, UsageError
from swarm.store.options import StoreOptions, StoreUrl, options_of, parse_store_url
from swarm.store.retry import Backoff, Retry


class ChangedError(StoreError):
    """The object is no longer the one that was listed. `key` says which."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(f"{key} in {url} has changed")
        self.key = key


@dataclass(frozen=True, slots=True)
class BucketObject:
    """One line of a listing. `key` is relative to the prefix; `etag` is opaque, with its quotes."""

    key: str
    size: int
    modified_s: float
    etag: str


class PlainObjects(Protocol):
    """What an adapter of buckets has. Errors are those of `_objects.Objects`, and ChangedError."""

    @property
    def url(self) -> str:
        """What a user calls it; never holds a secret."""

    async def list_plain(self, after: str) -> tuple[tuple[BucketObject, ...], bool]:
        """Objects below the prefix with keys greater than `after`, ascending; True with the last of them."""

    async def find_plain(self) -> BucketObject | None:
        """The object whose key is the prefix itself, without a `/` behind it; its `key` is the last part."""

    async def read_plain(self, found: BucketObject, offset: int, length: int, *, is_prefix: bool) -> bytearray:
        """`length` bytes from `offset` on. `is_prefix`: it is what `find_plain` found. Raises ChangedError."""

    async def aclose(self) -> None:
        """Lets go of connections."""


class Bucket:
    """A prefix of a bucket, or one object. What is unavailable is tried again, as in a store."""

    def __init__(self, objects: PlainObjects, options: StoreOptions, rng: random.Random) -> None:
        self.url = objects.url
        self.concurrency = options.concurrency
        self._objects = objects
        self._retry = Retry(Backoff(options.attempts), rng)

    async def list_page(self, after: str = "") -> tuple[tuple[BucketObject, ...], bool]:
        """A thousand objects at most, and whether they are the last."""
        return await self._retry(lambda: self._objects.list_plain(after))

    async def find_single(self) -> BucketObject | None:
        """The object that the URL itself names, where it does not name a prefix."""
        return await self._retry(self._objects.find_plain)

    async def read(self, found: BucketObject, offset: int, length: int, *, is_single: bool) -> bytearray:
        """Part of an object. Raises ChangedError, MissingError, UnavailableError, PermissionError_."""
        return await self._retry(lambda: self._objects.read_plain(found, offset, length, is_prefix=is_single))


def parse_bucket_url(text: str) -> StoreUrl:
    """Raises UsageError."""
    url = parse_store_url(text)
    if url.scheme != "s3":
        raise UsageError(f"{text} is no s3:// URL", hint="s3://bucket/prefix")
    return url


@asynccontextmanager
async def open_bucket(
    url: str, options: StoreOptions | None = None, *, rng: random.Random | None = None
) -> AsyncIterator[Bucket]:
    """What lies at `s3://bucket/prefix[?endpoint=…]`: the words of a store's URL hold here too. Raises UsageError."""
    place = parse_bucket_url(url)
    options = options_of(place, options or StoreOptions())
    adapter = await trio.to_thread.run_sync(_import_s3)
    objects = adapter(place, options)
    try:
        yield Bucket(objects, options, rng or random.Random())
    finally:
        with trio.CancelScope(shield=True):  # closing never waits for the network
            await objects.aclose()


def _import_s3() -> Callable[[StoreUrl, StoreOptions], PlainObjects]:
    from swarm.store.s3_bucket import S3Bucket  # noqa: PLC0415  # boto3 takes 0.2 s

    return S3Bucket
