"""Which cutter a publish uses: that of the name's newest version, since two averages share no block. Pure."""

from __future__ import annotations

from swarm.dataset.average import AVERAGE_MAX, AVERAGE_MIN, check_average, choose_average
from swarm.dataset.cutter import cutter_of
from swarm.errors import UsageError
from swarm.protocol.manifest import Cutter, Root
from swarm.seeder.publication import PublishOptions


def cutter_for(options: PublishOptions, last: Root | None, total_bytes: int) -> Cutter:
    """`last` is the root of the name's newest version. Raises UsageError where the average would change unasked."""
    asked = cutter_of(check_average(options.average)) if options.average is not None else None
    if last is None or options.rechunk:
        return asked or cutter_of(choose_average(total_bytes))
    if asked is not None and asked != last.cutter:
        raise UsageError(
            f"the newest version has an average block length of {last.cutter.average // 1024} KiB, "
            f"and none of its blocks would be shared by one of {asked.average // 1024} KiB",
            hint=f"leave out --block-size, or --rechunk: all {total_bytes:,} bytes then move anew, everywhere",
        )
    if not is_ours(last.cutter):
        raise UsageError(
            f"the newest version was cut by {last.cutter.algorithm!r} in a way that is not known here",
            hint=f"upgrade swarm, or --rechunk: all {total_bytes:,} bytes then move anew, everywhere",
        )
    return last.cutter


def is_ours(cutter: Cutter) -> bool:
    """Whether we can cut like this."""
    is_legal = AVERAGE_MIN <= cutter.average <= AVERAGE_MAX and cutter.average.bit_count() == 1
    return is_legal and cutter == cutter_of(cutter.average)
