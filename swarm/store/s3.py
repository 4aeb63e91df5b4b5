"""Objects in S3 and what speaks like it, by boto3 in threads. Only this module imports boto3: import it in a thread.

Settings that were measured (docs/decisions): checksums only where required and payloads unsigned, because every block
is verified by its BLAKE3 and the rest is TLS's work: 0.49 CPU seconds a GB instead of 1.56. botocore's own retries are
off: `retry` does them, where they can be cancelled and counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import botocore.session
import trio
from botocore import UNSIGNED
from botocore import exceptions as boto
from botocore.config import Config
from botocore.loaders import Loader
from urllib3.exceptions import HTTPError

from swarm.errors import (
    CorruptError,
    MissingError,
    PermissionError_,
    SwarmError,
    UnavailableError,
    UnreachableError,
    UsageError,
)
from swarm.store._http_reader import HttpReader
from swarm.store._objects import BatchUnsupportedError, Body, Listed, Page, Stat, check_key
from swarm.store._reading import Moved, Reading, in_thread, read_in_thread
from swarm.store._s3_deletion import KEYS_MAX, check_keys, refuses_batches
from swarm.store._s3_errors import PRECONDITION_FAILED, Answer, CredentialsExpiredError, error_of
from swarm.store._s3_parameters import is_aws, payer_parameters, read_parameters, write_parameters
from swarm.store.layout import IDENTITY_KEY
from swarm.store.options import StoreOptions, StoreUrl

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

WRITE_TIMEOUT_S = 60.0
"""A write's answer comes only after its last byte, which a thin line may still be sending from the socket's buffer."""

LIST_PAGE_OBJECTS = 1000
_MODELS = Loader()
"""The description of S3, of which each session would read its own: 0.1 s."""

OWN_URL_LIFE_S = 3600
"""Of URLs that nobody else sees: as wrong as a clock may be."""

_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.ProfileNotFound,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.NoAuthTokenError,
)
_CONNECTION = (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError, HTTPError, OSError)


class Clients:
    """boto3's clients for one bucket, made when first needed, and again when their credentials have run out."""

    def __init__(self, options: StoreOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._session: tuple[botocore.session.Session, boto3.Session] | None = None
        self._made: dict[bool, S3Client] = {}
        self.generation = 0

    def client(self, *, is_writing: bool) -> S3Client:
        """Blocking: the first takes 0.1 s, and may ask a credentials service."""
        with self._lock:
            if is_writing not in self._made:
                self._made[is_writing] = self._make(is_writing=is_writing)
            return self._made[is_writing]

    def renew(self, generation: int) -> None:
        """Forgets the clients of `generation`. A new one reads environment, files and services again, which also finds
        a credentials file that somebody else has rewritten."""
        with self._lock:
            if generation == self.generation:
                self.generation += 1
                self._session = None
                self._made.clear()

    def ca_bundle(self) -> str | None:
        """The file of a private CA: as told, of the environment, or of the profile. Blocking."""
        with self._lock:
            core, _ = self._sessions()
            named = self._options.ca_bundle or core.get_config_variable("ca_bundle")
            return str(named) if named else None

    def close(self) -> None:
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()

    def _make(self, *, is_writing: bool) -> S3Client:
        # `virtual`, not `auto`: that one presigns for AWS's global host, which redirects and so breaks the signature.
        # Buckets whose names cannot be in a host are addressed by path all the same.
        client = self._client(self._options.addressing or "virtual", is_writing=is_writing)
        if self._options.addressing is None and not is_aws(client.meta.endpoint_url):
            client.close()
            client = self._client("path", is_writing=is_writing)
        return client

    def _client(self, style: str, *, is_writing: bool) -> S3Client:
        options = self._options
        style_of: Any = {"addressing_style": style, "payload_signing_enabled": False}
        config = Config(
            signature_version=UNSIGNED if options.is_anonymous else "s3v4",
            s3=style_of,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=options.concurrency,
            connect_timeout=options.connect_timeout_s,
            read_timeout=WRITE_TIMEOUT_S if is_writing else options.read_timeout_s,
            tcp_keepalive=True,
        )
        _, session = self._sessions()
        return session.client("s3", endpoint_url=options.endpoint, verify=options.ca_bundle, config=config)

    def _sessions(self) -> tuple[botocore.session.Session, boto3.Session]:
        if self._session is None:
            core = botocore.session.Session(profile=self._options.profile)
            core.register_component("data_loader", _MODELS)
            self._session = core, boto3.Session(botocore_session=core, region_name=self._options.region)
        return self._session


class S3Objects:
    """The objects below `url`'s prefix. Opens nothing before the first call."""

    def __init__(self, url: StoreUrl, options: StoreOptions) -> None:
        self.url = f"s3://{url.place}/{url.prefix}".rstrip("/")
        self._bucket = url.place
        self._prefix = f"{url.prefix}/" if url.prefix else ""
        self._clients = Clients(options)
        self._limiter = trio.CapacityLimiter(options.concurrency)
        self._options = options
        self._reader = HttpReader(options, self._refusal, ca_bundle=self._clients.ca_bundle)
        self._has_read = False
        self._takes_batches = True
        self._takes_urls = options.sse_c_key is None  # that one is a header, which no URL carries
        self._read = read_parameters(options)
        self._write = write_parameters(options)

    async def get(self, key: str, *, max_bytes: int, moved: Moved | None = None) -> Body:
        def work(reading: Reading) -> bytearray:
            return self._call(key, lambda client: self._get(client, key, max_bytes, reading))

        return await read_in_thread(work, self._limiter, moved)

    async def put(self, key: str, data: Body) -> None:
        await self._in_thread(key, lambda client: client.put_object(**self._put(key, data)), is_writing=True)

    async def create(self, key: str, data: Body) -> bool:
        def work(client: S3Client) -> bool:
            try:
                client.put_object(**self._put(key, data), IfNoneMatch="*")
            except boto.ClientError as error:
                if error.response.get("Error", {}).get("Code") in PRECONDITION_FAILED:
                    return False
                raise
            return True

        return await self._in_thread(key, work, is_writing=True)

    async def stat(self, key: str) -> Stat | None:
        def work(client: S3Client) -> Stat:
            head = client.head_object(**self._named(key))
            return Stat(head["ContentLength"], head["LastModified"].timestamp())

        try:
            return await self._in_thread(key, work)
        except MissingError:
            return None

    async def list_page(self, prefix: str, *, after: str = "") -> Page:
        def work(client: S3Client) -> Page:
            start: Any = {"StartAfter": self._prefix + after} if after else {}
            full = self._prefix + prefix
            answer = client.list_objects_v2(
                Bucket=self._bucket, Prefix=full, MaxKeys=LIST_PAGE_OBJECTS, **start, **payer_parameters(self._options)
            )
            found = (self._listed(item) for item in answer.get("Contents", ()))
            # Consoles make an empty object to show a folder: the prefix itself, which is no key of ours.
            return Page(tuple(one for one in found if one.key), is_last=not answer["IsTruncated"])

        return await self._in_thread(prefix, work)

    async def delete(self, key: str) -> None:
        def work(client: S3Client) -> None:
            client.delete_object(Bucket=self._bucket, Key=self._full(key))

        await self._in_thread(key, work, is_writing=True)

    @property
    def deletions_max(self) -> int:
        return KEYS_MAX if self._takes_batches else 1

    async def delete_many(self, keys: Sequence[str]) -> None:
        full: list[Any] = [{"Key": self._full(key)} for key in keys]

        def work(client: S3Client) -> list[Any]:
            try:
                what: Any = {"Objects": full, "Quiet": True}
                answer = client.delete_objects(Bucket=self._bucket, Delete=what, **payer_parameters(self._options))
            except boto.ClientError as error:
                if not refuses_batches(self._answer(error, "")):
                    raise
                self._takes_batches = False
                raise BatchUnsupportedError(f"{self.url} does not delete several objects at once") from error
            return list(answer.get("Errors", ()))

        refused = await self._in_thread("", work, is_writing=True)
        check_keys(refused, Answer("", 0, "", self.url, ""), self._prefix)

    async def presign(self, key: str, seconds: int) -> str | None:
        """None under SSE-C: who reads such an object must send the key itself. Temporary credentials may end sooner."""
        if self._options.sse_c_key is not None:
            return None

        def work(client: S3Client) -> str:
            return client.generate_presigned_url("get_object", Params=self._named(key), ExpiresIn=seconds)

        return await self._in_thread(key, work)

    async def server_time(self) -> float:
        """By the `Date` of any answer, a refusal included."""

        def work(client: S3Client) -> float:
            try:
                answer: Any = client.head_object(**self._named(IDENTITY_KEY))
            except boto.ClientError as error:
                answer = error.response
                if answer["ResponseMetadata"]["HTTPStatusCode"] not in {403, 404}:
                    raise
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()

        return await self._in_thread(IDENTITY_KEY, work)

    async def aclose(self) -> None:
        self._clients.close()
        self._reader.close()
        await trio.lowlevel.checkpoint()

    # --- in threads

    async def _in_thread(self, key: str, work: Callable[[S3Client], T], *, is_writing: bool = False) -> T:
        return await in_thread(lambda: self._call(key, work, is_writing=is_writing), self._limiter)

    def _call(self, key: str, work: Callable[[S3Client], T], *, is_writing: bool = False) -> T:
        """`work` with a client. Where the credentials have expired, once more with new ones."""
        generation = self._clients.generation
        try:
            return self._translating(key, work, is_writing=is_writing)
        except CredentialsExpiredError:
            self._clients.renew(generation)
        return self._translating(key, work, is_writing=is_writing)

    def _translating(self, key: str, work: Callable[[S3Client], T], *, is_writing: bool) -> T:
        try:
            return work(self._clients.client(is_writing=is_writing))
        except (boto.ClientError, boto.BotoCoreError, HTTPError, OSError, ValueError) as error:
            # ValueError is what botocore says of an endpoint that is no URL.
            raise self._translated(error, key) from error

    def _get(self, client: S3Client, key: str, max_bytes: int, reading: Reading) -> bytearray:
        """By boto3 until it has read something, because it finds the region and tells errors best; then by URLs that it
        signs, which takes a third of the CPU time and can be abandoned at once."""
        if not (self._has_read and self._takes_urls):
            return self._get_by_boto(client, key, max_bytes, reading)
        url = client.generate_presigned_url("get_object", Params=self._named(key), ExpiresIn=OWN_URL_LIFE_S)
        try:
            return self._reader.get(url, max_bytes, reading, key)
        except CredentialsExpiredError:
            raise
        except (PermissionError_, UsageError):
            # A policy may forbid signed URLs (`s3:authType`), or boto3 knows better which region it is.
            data = self._get_by_boto(client, key, max_bytes, reading)
            self._takes_urls = False
            return data

    def _get_by_boto(self, client: S3Client, key: str, max_bytes: int, reading: Reading) -> bytearray:
        answer = client.get_object(**self._named(key))
        self._has_read = True
        size, body = answer["ContentLength"], answer["Body"]
        is_whole = False
        try:
            if size > max_bytes:
                raise CorruptError(f"{key} in {self.url} has {size} bytes, more than {max_bytes}")
            data = reading.fill(body.readinto, size)  # type: ignore[arg-type]
            is_whole = len(data) == size
        finally:
            if not is_whole:
                body.close()  # ends the connection; a body that was read to its end has gone back to the pool
        if not is_whole:
            raise UnavailableError(f"{key} in {self.url} ended after {len(data)} of {size} bytes")
        return data

    def _named(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._full(key), **self._read}

    def _put(self, key: str, data: Body) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._full(key), "Body": data, **self._write}

    def _full(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _listed(self, item: Any) -> Listed:
        return Listed(item["Key"].removeprefix(self._prefix), item["Size"], item["LastModified"].timestamp())

    # --- errors

    def _translated(self, error: Exception, key: str) -> SwarmError:
        if isinstance(error, boto.ClientError):
            return error_of(self._answer(error, key))
        text = str(error)
        if isinstance(error, _NO_CREDENTIALS):
            hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile; ?anonymous=1 for a public bucket"
            return PermissionError_(f"no credentials for {self.url}: {text}", hint=hint)
        if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
            hint = "AWS_CA_BUNDLE, or ?ca_bundle=, names the file of a private CA"
            return UnreachableError(f"the endpoint of {self.url} shows a certificate that nobody trusts", hint=hint)
        if isinstance(error, _CONNECTION):
            return UnavailableError(f"cannot reach {self.url}: {text}", hint="check the endpoint and the network")
        return UsageError(f"{self.url}: {text}", hint="correct the store's URL or the AWS configuration")

    def _refusal(self, answer: Answer) -> SwarmError:
        return error_of(replace(answer, store_url=self.url))

    def _answer(self, error: boto.ClientError, key: str) -> Answer:
        said: dict[str, Any] = dict(error.response.get("Error", {}))
        about: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
        region = about.get("HTTPHeaders", {}).get("x-amz-bucket-region") or said.get("Region")
        status = int(about.get("HTTPStatusCode", 0))
        return Answer(said.get("Code") or "", status, said.get("Message") or "", self.url, key, region)
