"""What a version keeps of modification times: `--mtime keep|none|TIME` and SOURCE_DATE_EPOCH. Pure.

`keep` takes them from the files, `none` leaves them out, and a TIME stands in for all of them, so that two checkouts
of one tree are one version. Where nothing is said, SOURCE_DATE_EPOCH (reproducible-builds.org) is such a TIME.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from swarm.errors import UsageError

MtimeRule = Literal["keep", "none"] | int
"""An int is Unix nanoseconds."""

NANOSECONDS_MAX = 2**63 - 1
"""What a version can say of a time (the year 2262), and about what file systems can."""

ENVIRONMENT_NAME = "SOURCE_DATE_EPOCH"


def mtime_rule(text: str | None, environment: Mapping[str, str]) -> MtimeRule:
    """The rule that an option's `text` (None: not given) and the environment make.

    TIME is Unix seconds, with or without a leading `@`, or ISO 8601 (UTC unless it says otherwise). Raises UsageError.
    """
    if text is None:
        epoch = environment.get(ENVIRONMENT_NAME, "")
        return _seconds(epoch, ENVIRONMENT_NAME) if epoch else "keep"
    if text == "keep":
        return "keep"
    if text == "none":
        return "none"
    return _time(text)


def kept_time(rule: MtimeRule, mtime_ns: int) -> int | None:
    """What the version says of a file whose time is `mtime_ns`."""
    if rule == "keep":
        return mtime_ns
    return None if rule == "none" else rule


def _time(text: str) -> int:
    digits = text.removeprefix("@").removeprefix("-")
    return _seconds(text.removeprefix("@"), "--mtime") if digits.isascii() and digits.isdigit() else _iso(text)


def _seconds(text: str, source: str) -> int:
    try:
        return _bounded(int(text) * 10**9, text)
    except ValueError as error:
        raise UsageError(f"{source} is {text!r}", hint="it is a whole number of seconds since 1970") from error


def _iso(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--mtime {text!r} is not a time", hint="say keep, none, Unix seconds, or 2026-01-31T12:00:00Z"
        ) from error
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86400 + since.seconds) * 10**6 + since.microseconds  # integers: exact
    return _bounded(microseconds * 1000, text)


def _bounded(nanoseconds: int, text: str) -> int:
    if not -NANOSECONDS_MAX <= nanoseconds <= NANOSECONDS_MAX:
        raise UsageError(f"the time {text!r} is out of range", hint="years from 1678 to 2262 can be kept")
    return nanoseconds
