"""Blocks and objects over HTTP(S), reads only and without boto3: presigned URLs, public buckets, any web server.

`HttpBlocks` reads single blocks by the presigned URLs that come with leases. `HttpObjects` is a whole store below a
base URL, for `open_store("https://…")`; a query of the base (as CDNs sign whole prefixes with) goes with every request.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from types import TracebackType
from urllib.parse import quote

import trio

from swarm.errors import MissingError, PermissionError_, SwarmError, UnavailableError
from swarm.protocol.bounds import BLOCK_BYTES_MAX
from swarm.protocol.ids import BlockId
from swarm.store._http_reader import HttpReader, shown
from swarm.store._objects import Body, Page, Stat, check_key, read_only
from swarm.store._reading import Moved, read_in_thread
from swarm.store._s3_errors import EXPIRED, Answer, error_of
from swarm.store.blocks import HEAD_BYTES, check_digest, decode_block
from swarm.store.options import StoreOptions, StoreUrl


class HttpBlocks:
    """Reads blocks by URLs that somebody with credentials has signed. Tries once: the lease decides what comes next."""

    def __init__(self, options: StoreOptions | None = None) -> None:
        options = options or StoreOptions()
        self._reader = HttpReader(options, _refusal)
        self._limiter = trio.CapacityLimiter(options.concurrency)

    async def __aenter__(self) -> HttpBlocks:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def get(
        self, url: str, block: BlockId, *, max_length: int = BLOCK_BYTES_MAX, moved: Moved | None = None
    ) -> bytes:
        """The bytes of `block`, verified. Raises MissingError, CorruptError, UnavailableError (also: the URL has
        expired), PermissionError_ (it is not valid)."""
        body = await read_in_thread(
            lambda reading: self._reader.get(url, HEAD_BYTES + max_length, reading), self._limiter, moved
        )
        data = decode_block(body, key=shown(url), max_length=max_length)
        await check_digest(data, block, shown(url))
        return data

    async def aclose(self) -> None:
        self._reader.close()
        await trio.lowlevel.checkpoint()


def _refusal(answer: Answer) -> SwarmError:
    if answer.status in {401, 403} or answer.code in EXPIRED:
        # Only some servers say which; an agent treats all alike: it gives the lease back.
        message = f"the presigned URL {answer.store_url} has expired or is not valid"
        return PermissionError_(message, hint="ask for a new one")
    return error_of(answer)


class HttpObjects:
    """A store below a base URL. It can be read by key only: nothing lists an HTTP server."""

    def __init__(self, url: StoreUrl, options: StoreOptions) -> None:
        self.url = f"{url.scheme}://{url.place}/{url.prefix}".rstrip("/")
        self._query = f"?{url.query}" if url.query else ""
        self._reader = HttpReader(options)
        self._limiter = trio.CapacityLimiter(options.concurrency)

    async def get(self, key: str, *, max_bytes: int, moved: Moved | None = None) -> Body:
        url = self._url_of(key)
        return await read_in_thread(
            lambda reading: self._reader.get(url, max_bytes, reading, key), self._limiter, moved
        )

    async def put(self, key: str, data: Body) -> None:  # noqa: ARG002
        raise read_only(self.url)

    async def create(self, key: str, data: Body) -> bool:  # noqa: ARG002
        raise read_only(self.url)

    async def stat(self, key: str) -> Stat | None:
        url = self._url_of(key)
        try:
            head = await read_in_thread(lambda reading: self._reader.head(url, reading, key), self._limiter, None)
        except MissingError:
            return None
        try:
            return Stat(int(head["content-length"]), parsedate_to_datetime(head["last-modified"]).timestamp())
        except (KeyError, ValueError) as error:
            raise UnavailableError(f"{key} in {self.url}: the server does not say length and time") from error

    async def list_page(self, prefix: str, *, after: str = "") -> Page:  # noqa: ARG002
        hint = "name what you want, or use the s3:// URL with credentials"
        raise PermissionError_(f"{self.url} cannot be listed: it is plain HTTP", hint=hint)

    async def delete(self, key: str) -> None:  # noqa: ARG002
        raise read_only(self.url)

    @property
    def deletions_max(self) -> int:
        return 1

    async def delete_many(self, keys: Sequence[str]) -> None:  # noqa: ARG002
        raise read_only(self.url)

    async def presign(self, key: str, seconds: int) -> str | None:  # noqa: ARG002
        """The URL itself: whoever may read this store may read it by that."""
        await trio.lowlevel.checkpoint()
        return self._url_of(key)

    async def server_time(self) -> float:
        raise read_only(self.url)

    async def aclose(self) -> None:
        self._reader.close()
        await trio.lowlevel.checkpoint()

    def _url_of(self, key: str) -> str:
        return f"{self.url}/{quote(check_key(key), safe='/@')}{self._query}"
