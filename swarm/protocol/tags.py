"""Tags that read as releases: which are immutable, which is newer, and whether `latest` moves. Pure rules of names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

DATE_FIRST_PART = 1900
"""A first part from here on is a year: 2024.01.31 is a date, 100.1.0 a version number."""

_RELEASE = re.compile(r"(0|[1-9]\d{0,17})\.(\d{1,18})\.(\d{1,18})(?:-([a-z0-9][a-z0-9._-]*))?")
_DIGITS = re.compile(r"\d+")


class Scheme(IntEnum):
    """Releases of two schemes cannot be compared."""

    NUMBER = 0
    DATE = 1


@dataclass(frozen=True, slots=True)
class Release:
    """A tag of the form X.Y.Z, X.Y.Z-pre or YYYY.MM.DD."""

    scheme: Scheme
    parts: tuple[int, int, int]
    pre: str | None

    @property
    def order(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[int, int, str], ...]]:
        """A sort key within one scheme: numbers, then pre-releases before the release (semver.org, rule 11)."""
        return self.parts, self.pre is None, _pre_order(self.pre or "")


def parse_release(tag: str) -> Release | None:
    """The release that `tag` names, or None for a channel."""
    match = _RELEASE.fullmatch(tag)
    if match is None:
        return None
    first, second, third = int(match[1]), int(match[2]), int(match[3])
    if first >= DATE_FIRST_PART:
        return _parse_date(match)
    if any(len(part) > 1 and part[0] == "0" for part in (match[2], match[3])):
        return None
    return Release(Scheme.NUMBER, (first, second, third), match[4])


def _parse_date(match: re.Match[str]) -> Release | None:
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    is_date = len(match[1]) == 4 and 1 <= month <= 12 and 1 <= day <= 31 and len(match[2]) < 3 and len(match[3]) < 3
    return Release(Scheme.DATE, (year, month, day), match[4]) if is_date else None


def _pre_order(pre: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers before words, numbers by value, words bytewise; fewer fields first. Only `.` parts fields."""
    fields = [field for field in pre.split(".") if field]
    return tuple((0, int(f), "") if _DIGITS.fullmatch(f) and len(f) < 19 else (1, 0, f) for f in fields)


def is_immutable(tag: str) -> bool:
    """A full release or pre-release: once set, it never means anything else. Shorter tags move."""
    return parse_release(tag) is not None


def moves_latest(latest_release: str | None, new_tag: str, *, latest_is_set: bool = False) -> bool:
    """Whether tagging `new_tag` moves `latest` too.

    `latest_release` is the release tag that `latest` points at now, or None. `latest_is_set` says that it points at
    something all the same, which is no release: then it stays.
    """
    new = parse_release(new_tag)
    if new is None or new.pre is not None:
        return False
    if latest_release is None:
        return not latest_is_set
    old = parse_release(latest_release)
    return old is not None and old.scheme == new.scheme and old.order < new.order


def newest_release(tags: Iterable[str]) -> str | None:
    """The greatest release among `tags`: dates before numbers where both occur, no pre-release if there is another."""
    releases = [(release, tag) for tag in tags if (release := parse_release(tag)) is not None]
    if not releases:
        return None
    return max(releases, key=lambda pair: (pair[0].pre is None, pair[0].scheme, pair[0].order))[1]
