"""What a verification found, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.holdings.record import HoldingKind, HoldingRecord
from swarm.holdings.survey import State, Survey


@dataclass(frozen=True, slots=True)
class Report:
    """Paths are relative to the holding's directory, as bytes; extra directories end in `/`, without what is in them.

    `edited`: other bytes, another kind, another target. `unreadable`: we may not look. `modes`: the right bytes and
    other permissions. `intact` counts entries, `bytes_intact` their bytes.
    """

    record: HoldingRecord
    intact: int
    bytes_intact: int
    edited: tuple[bytes, ...]
    missing: tuple[bytes, ...]
    unreadable: tuple[bytes, ...]
    modes: tuple[bytes, ...]
    extra: tuple[bytes, ...]

    @property
    def is_whole(self) -> bool:
        """All that the version says is there. Other permissions and extra files do not matter for this."""
        return not self.edited and not self.missing and not self.unreadable


def report(record: HoldingRecord, found: Survey) -> Report:
    """The account of a survey. A producer's own directory may hold more than what was published of it."""
    entries = found.scope.version.entries
    good = found.numbers(State.INTACT, State.TOUCHED)
    return Report(
        record=record,
        intact=len(good),
        bytes_intact=sum(entries.sizes[number] for number in good),
        edited=tuple(found.paths(State.EDITED)),
        missing=tuple(found.paths(State.MISSING)),
        unreadable=tuple(found.paths(State.UNREADABLE)),
        modes=tuple(entries.path(number) for number in found.modes),
        extra=tuple(found.extra) if record.kind is HoldingKind.FETCHED else (),
    )
