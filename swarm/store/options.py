"""How to reach a store: the options of `open_store`, and the URLs that name one.

    s3://bucket/prefix?endpoint=…&region=…      file:///path   /path   ./path      https://host/prefix      memory://name

What a URL's query says stands above `StoreOptions`, which stand above the environment (`AWS_*`, profiles), which only
botocore reads. Secrets are never part of a URL.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from swarm.errors import UsageError
from swarm.store.retry import ATTEMPTS

CONCURRENCY = 32
"""Requests at once, threads and pooled connections alike. On loopback eight are enough; S3's first byte takes 30 to
100 ms, and there 32 read twice as much as 16 (docs/store.md)."""

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
"""Between two pieces of an answer, so it bounds how long an abandoned read holds its thread. S3 answers in 0.2 s."""

SSE_C_KEY_BYTES = 32
COUNT_MAX = 256
"""Of attempts and of threads: more is a slip of the finger."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Everything that a URL need not say. None means: as the environment has it."""

    single_writer: bool = False
    """Allows commits where creation is not atomic: two producers at once are then detected, not prevented."""
    attempts: int = ATTEMPTS
    concurrency: int = CONCURRENCY
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    read_timeout_s: float = READ_TIMEOUT_S
    # --- S3
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    addressing: str | None = None
    """`path`, `virtual`; unless told, `path` where the endpoint is not AWS's."""
    ca_bundle: str | None = None
    is_anonymous: bool = False
    is_requester_pays: bool = False
    sse: str | None = None
    """`AES256` or `aws:kms`; with `sse_kms_key_id` where it is not the bucket's default key."""
    sse_kms_key_id: str | None = None
    sse_c_key: bytes | None = field(default=None, repr=False)
    """32 bytes that the store encrypts with and forgets (SSE-C)."""


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A URL taken apart: `place` is a path (file), a bucket (s3), a host (https) or a name (memory)."""

    scheme: str
    place: str
    prefix: str = ""
    query: str = ""


_COUNTS = {"attempts", "concurrency"}
_TEXT = {"endpoint", "region", "profile", "addressing", "ca_bundle", "sse", "sse_kms_key_id"}
_FLAGS = {"anonymous": "is_anonymous", "requester_pays": "is_requester_pays", "single_writer": "single_writer"}
_KEY_FILE = "sse_c_key_file"
_QUERY = sorted({*_TEXT, *_FLAGS, *_COUNTS, _KEY_FILE})
_TRUE = {"", "1", "true", "yes"}
_FALSE = {"0", "false", "no"}


def parse_store_url(url: str) -> StoreUrl:
    """Raises UsageError. A Windows drive letter is not taken for a scheme, nor is `./a:b`."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        if not url or "\0" in url:
            raise UsageError("a store needs a URL or a path", hint="s3://bucket/prefix, or a directory")
        return StoreUrl("file", url)
    split = urlsplit(url)
    _check_no_secret(split)
    match scheme.lower():
        case "file":
            return _file(split)
        case "s3" | "memory":
            return _bucket(split)
        case "http" | "https":
            return StoreUrl(split.scheme, split.netloc, split.path.strip("/"), split.query)
    raise UsageError(
        f"no store speaks {scheme!r}", hint="s3://bucket/prefix, file:///path, a path, or https://host/prefix"
    )


def options_of(url: StoreUrl, options: StoreOptions) -> StoreOptions:
    """`options` with what the query of an s3:// URL says. Raises UsageError for a word that it does not know."""
    if url.scheme not in {"s3", "file", "memory"}:
        return options
    return options_from(dict(parse_qsl(url.query, keep_blank_values=True)), options)


def options_from(words: Mapping[str, str | bool | int], options: StoreOptions | None = None) -> StoreOptions:
    """`options` with the words of a configuration's table, the same as a URL's. Raises UsageError."""
    options = options or StoreOptions()
    for word, value in words.items():
        options = _with(options, word, str(value))
    return _checked(options)


def _check_no_secret(split: SplitResult) -> None:
    if "@" in split.netloc:
        shown = f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path}"
        hint = "use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
        raise UsageError(f"credentials do not belong into a store's URL: {shown}", hint=hint)


def _file(split: SplitResult) -> StoreUrl:
    if split.netloc not in {"", "localhost"} or not split.path:
        raise UsageError(
            f"file://{split.netloc}{split.path} is not on this machine", hint="file:///path has three slashes"
        )
    return StoreUrl("file", unquote(split.path), query=split.query)


def _bucket(split: SplitResult) -> StoreUrl:
    if not split.netloc:
        raise UsageError(f"{split.scheme}:// needs a bucket", hint=f"{split.scheme}://bucket/prefix")
    prefix = unquote(split.path).strip("/")
    if any(part in {"", ".", ".."} for part in prefix.split("/")) and prefix:
        raise UsageError(f"not a prefix: {prefix!r}", hint="leave out empty, . and .. parts")
    return StoreUrl(split.scheme, split.netloc, prefix, split.query)


def _with(options: StoreOptions, word: str, value: str) -> StoreOptions:
    if word in _TEXT:
        return replace(options, **{word: value})  # type: ignore[arg-type]
    if word in _FLAGS:
        return replace(options, **{_FLAGS[word]: _flag(word, value)})  # type: ignore[arg-type]
    if word in _COUNTS:
        return replace(options, **{word: _count(word, value)})  # type: ignore[arg-type]
    if word == _KEY_FILE:
        return replace(options, sse_c_key=_read_key(Path(value)))
    near = difflib.get_close_matches(word, _QUERY, n=1)
    raise UsageError(f"a store has no option {word!r}", hint=f"do you mean {near[0]}?" if near else ", ".join(_QUERY))


def _flag(word: str, value: str) -> bool:
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise UsageError(f"{word}={value}", hint=f"{word}=1 or {word}=0")


def _count(word: str, value: str) -> int:
    if value.isascii() and value.isdigit() and 1 <= int(value) <= COUNT_MAX:
        return int(value)
    raise UsageError(f"{word}={value}", hint=f"a number from 1 to {COUNT_MAX}")


def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the SSE-C key {path}: {error.strerror}") from error
    return key


def _checked(options: StoreOptions) -> StoreOptions:
    if options.sse_c_key is not None and len(options.sse_c_key) != SSE_C_KEY_BYTES:
        raise UsageError(f"an SSE-C key has {SSE_C_KEY_BYTES} bytes", hint="head -c 32 /dev/urandom > key")
    if options.sse_c_key is not None and options.sse is not None:
        raise UsageError("SSE-C and sse= exclude each other", hint="give one of them")
    if options.sse not in {None, "AES256", "aws:kms"}:
        raise UsageError(f"sse={options.sse}", hint="AES256 or aws:kms")
    if options.addressing not in {None, "path", "virtual"}:
        raise UsageError(f"addressing={options.addressing}", hint="path or virtual")
    return options
