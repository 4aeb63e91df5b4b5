"""Ranges of releases: `1.x`, `1.4.x`, `^2.1`, `~1.4`; which tags are in one, best first. Pure.

What a range means is npm's definition of node-semver, read by the library of that name: `^` keeps the first part that
is not 0, `~` keeps major and minor, and a pre-release is in a range only where the range itself names one of the same
three numbers. Calendar releases are read as numbers: `2026.x` is a year, `2026.11.x` a month, `~2026.11` the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from swarm.errors import UsageError
from swarm.protocol.names import is_query
from swarm.protocol.tags import DATE_FIRST_PART, Release, parse_release

_QUERY = re.compile(r"([\^~]?)(\d{1,18})((?:\.\d{1,18}){0,2})((?:\.x){0,2})(?:-([0-9a-z-]+(?:\.[0-9a-z-]+)*))?")
_PARTS_MAX = 3

LOOKED_AT_MAX = 4_096
"""Answers remembered: a question is put several times to the same tags, and each costs 35 µs."""


def check_query(query: str) -> str:
    """`query` itself. Raises UsageError where it begins like a range and is none."""
    if _normal(query) is None:
        raise UsageError(
            f"'{query[:80]}' is not a range of releases",
            hint="ranges are 1.x, 1.4.x, ^1.4, ~1.4 and, of calendar releases, 2026.x, 2026.11.x",
        )
    return query


def is_in(query: str, tag: str) -> bool:
    """Whether `tag` is a release in the range `query`. A query that is none holds nothing."""
    release, wanted = parse_release(tag), _normal(query)
    return release is not None and wanted is not None and _satisfies(_text(release), wanted)


def ranked(query: str, tags: Iterable[str]) -> list[str]:
    """The tags in the range, the greatest release first. Two that are equal (`2026.1.5`, `2026.01.05`): by text."""
    found = [(release, tag) for tag in tags if (release := parse_release(tag)) is not None and is_in(query, tag)]
    found.sort(key=lambda pair: (pair[0].scheme, pair[0].order, pair[1]), reverse=True)
    return [tag for _, tag in found]


@lru_cache(maxsize=LOOKED_AT_MAX)
def _satisfies(text: str, wanted: str) -> bool:
    import nodesemver  # noqa: PLC0415  # 19 ms, for who asks for a range

    try:
        return bool(nodesemver.satisfies(text, wanted, False))
    except ValueError:  # a pre-release that the standard does not know, as `1.0.0-a_b`
        return False


def _text(release: Release) -> str:
    numbers = ".".join(map(str, release.parts))
    return numbers if release.pre is None else f"{numbers}-{release.pre}"


@lru_cache(maxsize=64)
def _normal(query: str) -> str | None:
    """As the library takes it: a month may have a leading zero, a number may not."""
    match = _QUERY.fullmatch(query)
    if match is None or not is_query(query):
        return None
    sign, first, rest, open_parts, pre = match[1], match[2], match[3], match[4], match[5]
    parts = [first, *rest.split(".")[1:]]
    if len(parts) + open_parts.count("x") > _PARTS_MAX or (pre is not None and len(parts) != _PARTS_MAX):
        return None
    is_date = int(first) >= DATE_FIRST_PART
    if not is_date and any(len(part) > 1 and part[0] == "0" for part in parts):
        return None
    return sign + ".".join(str(int(part)) for part in parts) + open_parts + (f"-{pre}" if pre is not None else "")
