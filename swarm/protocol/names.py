"""Names of datasets and tags, and the references that people type: `name`, `name:tag`, `name@digest`.

A name is `[@scope/]part`; parts and tags match `[a-z0-9][a-z0-9._-]{0,127}`. Everything else is refused with the
nearest legal name, so that a typing error never becomes a new dataset.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from swarm.errors import UsageError
from swarm.protocol.bounds import NAME_BYTES_MAX, NAME_PART_BYTES_MAX
from swarm.protocol.ids import DIGEST_BYTES, VersionId

PART = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
NAME = re.compile(rf"(?:@{PART.pattern}/)?{PART.pattern}")
TAG = PART
QUERY = re.compile(rf"[\^~]?{PART.pattern}")

LATEST = "latest"
NEAREST_MAX = 3
DIGEST_PREFIX_HEX_MIN = 6
"""Shorter prefixes of a digest collide among a handful of versions."""

_RANGE = re.compile(r"(?:\d+\.){1,2}x")
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Reference:
    """What somebody typed. At most one of `tag`, `version`, `digest_prefix` is set; `digest_prefix` is hex digits.

    A `tag` may be a query (`is_query`). None of the three means: the caller's default, `latest` or the newest release.
    """

    name: str
    tag: str | None = None
    version: VersionId | None = None
    digest_prefix: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name}@{self.version.hex()}"
        if self.digest_prefix is not None:
            return f"{self.name}@{self.digest_prefix}"
        return f"{self.name}:{self.tag}" if self.tag is not None else self.name


def parse_reference(text: str) -> Reference:
    """`NAME`, `NAME:TAG` (or a query), `NAME@DIGEST` (64 hex digits, or a prefix of at least 6). Raises UsageError."""
    at = text.find("@", 1)
    if at > 0:
        return _parse_digest(check_name(text[:at]), text[at + 1 :])
    name, colon, tag = text.partition(":")
    if not colon:
        return Reference(check_name(name))
    return Reference(check_name(name), tag if QUERY.fullmatch(tag) else check_tag(tag))


def _parse_digest(name: str, digits: str) -> Reference:
    digits = digits.lower()
    if not _HEX.fullmatch(digits) or not DIGEST_PREFIX_HEX_MIN <= len(digits) <= 2 * DIGEST_BYTES:
        hint = f"a digest is 64 hex digits, or at least {DIGEST_PREFIX_HEX_MIN} of its first ones"
        raise UsageError(f"'{digits[:80]}' is not a digest", hint=hint)
    if len(digits) == 2 * DIGEST_BYTES:
        return Reference(name, version=VersionId(bytes.fromhex(digits)))
    return Reference(name, digest_prefix=digits)


def check_name(name: str) -> str:
    """`name` itself. Raises UsageError with the nearest legal name."""
    if not NAME.fullmatch(name):
        form = "[@scope/]part of small letters, digits, '.', '_' and '-', each at most 128 long"
        raise UsageError(f"'{name[:NAME_BYTES_MAX]}' is not a dataset's name", hint=f"{_try(legal_name(name))}; {form}")
    return name


def check_tag(tag: str) -> str:
    """`tag` itself. Raises UsageError: for what is no tag, and for the reserved `N.x`, `N.M.x`."""
    if is_query(tag):
        hint = "a tag is a release as 1.4.0, or a channel as stable"
        raise UsageError(f"'{tag[:NAME_PART_BYTES_MAX]}' asks for a range and cannot be a tag", hint=hint)
    if not TAG.fullmatch(tag):
        form = "small letters, digits, '.', '_' and '-', at most 128 long"
        raise UsageError(f"'{tag[:NAME_PART_BYTES_MAX]}' is not a tag", hint=f"{_try(legal_part(tag))}; {form}")
    return tag


def is_name(name: str) -> bool:
    return NAME.fullmatch(name) is not None


def is_tag(tag: str) -> bool:
    return TAG.fullmatch(tag) is not None and not is_query(tag)


def is_query(tag: str) -> bool:
    """A range: `1.x`, `1.4.x`, or anything that begins with `^` or `~`."""
    return tag[:1] in ("^", "~") or _RANGE.fullmatch(tag) is not None


def legal_name(name: str) -> str:
    """The nearest legal name; empty where nothing is left of it."""
    scope, slash, part = name.partition("/")
    if slash and scope.startswith("@") and legal_part(scope) and legal_part(part):
        return f"@{legal_part(scope)}/{legal_part(part)}"
    return legal_part(name)


def legal_part(part: str) -> str:
    """The nearest legal part or tag; empty where nothing is left of it."""
    words = re.sub(r"[^a-z0-9._-]+", "-", part.casefold()).lstrip("._-")
    return words[:NAME_PART_BYTES_MAX].rstrip("._-")


def nearest(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """At most three candidates that `word` may have meant, best first."""
    return tuple(get_close_matches(word, sorted(candidates), n=NEAREST_MAX, cutoff=0.5))


def _try(name: str) -> str:
    return f"try '{name}'" if name else "choose another"
