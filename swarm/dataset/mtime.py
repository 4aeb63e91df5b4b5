"""What a version keeps of modification times. Pure."""

from __future__ import annotations

from typing import Literal

from swarm.errors import UsageError

MtimeRule = Literal["keep", "none"] | int
"""`keep` takes them from the files, `none` leaves them out, Unix nanoseconds stand in for all of them, so that two
checkouts of one tree are one version."""

NANOSECONDS_MAX = 2**63 - 1
"""What a version can say of a time: the year 2262. Some file systems go further."""


def check_rule(rule: MtimeRule) -> None:
    """Raises UsageError for a time that no version can hold."""
    if isinstance(rule, int) and not -NANOSECONDS_MAX <= rule <= NANOSECONDS_MAX:
        raise UsageError("--mtime is out of range", hint="years from 1678 to 2262 can be kept")


def kept_time(rule: MtimeRule, mtime_ns: int) -> int | None:
    """What the version says of a file whose time is `mtime_ns`: a time past the range becomes its end."""
    if rule == "keep":
        return min(max(mtime_ns, -NANOSECONDS_MAX), NANOSECONDS_MAX)
    return None if rule == "none" else rule
