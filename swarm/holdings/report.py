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
    pending: tuple[bytes, ...] = ()
    """What an update in place that was broken off has not brought yet: as the version before has it, or not there."""

    @property
    def is_whole(self) -> bool:
        """All that the version says is there. Other permissions and extra files do not matter for this."""
        return not (self.edited or self.missing or self.unreadable or self.pending)


def report(record: HoldingRecord, found: Survey, before: Survey | None = None) -> Report:
    """The account of a survey. A producer's own directory may hold more than what was published of it. `before`: of
    the version that DEST is being updated from in place."""
    is_source = record.kind is HoldingKind.SOURCE
    entries = found.scope.version.entries
    good = found.numbers(State.INTACT, State.TOUCHED)
    outdated = set() if before is None else set(before.paths(State.INTACT, State.TOUCHED))
    known = set() if before is None else set(before.scope.paths())
    to_come = set() if before is None else set(found.paths(State.MISSING)) - known
    pending = outdated.intersection(found.paths(State.EDITED)) | to_come
    return Report(
        record=record,
        intact=len(good),
        bytes_intact=sum(entries.sizes[number] for number in good),
        edited=tuple(path for path in found.paths(State.EDITED) if path not in pending),
        missing=tuple(path for path in found.paths(State.MISSING) if path not in pending),
        unreadable=tuple(found.paths(State.UNREADABLE)),
        modes=tuple(entries.path(number) for number in found.modes),
        extra=tuple(path for path in found.extra if path.rstrip(b"/") not in known) if not is_source else (),
        pending=tuple(sorted(pending)),
    )
