"""A bucket's plain objects by boto3: `s3` with other keys, ranges and ETags. Import it in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm.errors import MissingError, UnavailableError
from swarm.store._reading import Reading, read_in_thread
from swarm.store._s3_errors import PreconditionError
from swarm.store._s3_parameters import payer_parameters
from swarm.store.bucket import BucketObject, ChangedError
from swarm.store.options import StoreOptions, StoreUrl
from swarm.store.s3 import LIST_PAGE_OBJECTS, S3Objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3Bucket(S3Objects):
    """Objects that are no store's: any key, read in ranges under the ETag that the listing gave."""

    def __init__(self, url: StoreUrl, options: StoreOptions) -> None:
        super().__init__(url, options)
        self._itself = url.prefix

    async def list_plain(self, after: str) -> tuple[tuple[BucketObject, ...], bool]:
        def work(client: S3Client) -> tuple[tuple[BucketObject, ...], bool]:
            start: Any = {"StartAfter": self._prefix + after} if after else {}
            answer = client.list_objects_v2(
                Bucket=self._bucket,
                Prefix=self._prefix,
                MaxKeys=LIST_PAGE_OBJECTS,
                **start,
                **payer_parameters(self._options),
            )
            return tuple(map(self._plain, answer.get("Contents", ()))), not answer["IsTruncated"]

        return await self._in_thread("", work)

    async def find_plain(self) -> BucketObject | None:
        def work(client: S3Client) -> BucketObject:
            head = client.head_object(Bucket=self._bucket, Key=self._itself, **self._read)
            name = self._itself.rpartition("/")[2]
            return BucketObject(name, head["ContentLength"], head["LastModified"].timestamp(), head["ETag"])

        if not self._itself:
            return None
        try:
            return await self._in_thread(self._itself, work)
        except MissingError:
            return None

    async def read_plain(self, found: BucketObject, offset: int, length: int, *, is_prefix: bool) -> bytearray:
        key = self._itself if is_prefix else self._prefix + found.key

        def work(reading: Reading) -> bytearray:
            part = range(offset, offset + length)
            return self._call(found.key, lambda client: self._get_range(client, key, found, part, reading))

        try:
            return await read_in_thread(work, self._limiter, None)
        except (PreconditionError, MissingError) as error:
            raise ChangedError(self.url, found.key) from error

    def _get_range(self, client: S3Client, key: str, found: BucketObject, part: range, reading: Reading) -> bytearray:
        span, length = f"bytes={part.start}-{part.stop - 1}", len(part)
        answer = client.get_object(Bucket=self._bucket, Key=key, Range=span, IfMatch=found.etag, **self._read)
        body, data = answer["Body"], bytearray()
        try:
            # Not every back end knows If-Match; all of them say whose bytes they give, and of how many.
            of = answer.get("ContentRange", "").rpartition("/")[2]
            if answer["ETag"] != found.etag or of not in {str(found.size), "*"} or answer["ContentLength"] != length:
                raise ChangedError(self.url, found.key)
            data = reading.fill(body.readinto, length)  # type: ignore[arg-type]
        finally:
            if len(data) != length:
                body.close()  # ends the connection; a body that was read to its end has gone back to the pool
        if len(data) != length:
            raise UnavailableError(f"{found.key} in {self.url} ended after {len(data)} of {length} bytes")
        return data

    def _plain(self, item: Any) -> BucketObject:
        key = item["Key"].removeprefix(self._prefix)
        return BucketObject(key, item["Size"], item["LastModified"].timestamp(), item["ETag"])
