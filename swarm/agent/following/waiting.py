"""Waits, in a process of its own, until a follower has a version: by what lies in DEST and in its record.

A version is there when `current` points to it and its hook has ended well. The record is in the follower's
`$SWARM_HOME`; under another one the link alone has to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trio

from swarm.agent.following.place import Place
from swarm.agent.following.record import FollowRecord, RecordFile, Step
from swarm.errors import HookError, NotFoundError
from swarm.protocol.ids import VersionId
from swarm.protocol.records import TagRecord

LOOK_S = 0.1
"""Between two looks: a link and a small file."""


@dataclass(frozen=True, slots=True)
class Sight:
    """How a follower's DEST looks. `dataset` None: this home has no record of it."""

    dataset: str | None
    current: VersionId | None
    record: FollowRecord

    @property
    def is_settled(self) -> bool:
        """Whether there is a current version, and nothing more is to be done about it."""
        return self.current is not None and (self.dataset is None or self._settled_at == self.current)

    @property
    def step(self) -> Step | None:
        """The step of a tag that is current."""
        return self.record.settled if self._settled_at == self.current else None

    @property
    def _settled_at(self) -> VersionId | None:
        return self.record.settled.version if self.record.settled is not None else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is waited for: a version by the first digits of its digest, none: whichever comes first. `record`: the step
    of a tag that means it, so that a later one counts too: a channel may have moved on meanwhile."""

    digits: str = ""
    record: TagRecord | None = None

    def is_there(self, sight: Sight) -> bool:
        """Raises HookError where it was there, and its hook has failed."""
        refused = sight.record.refused
        if self.digits and refused is not None and refused.digest.startswith(self.digits):
            raise HookError(
                f"{refused.digest[:16]} was refused: {sight.record.reason}",
                hint="it is tried again when the channel moves, or with swarm follow --retry",
            )
        if not sight.is_settled or sight.current is None:
            return False
        return sight.current.hex().startswith(self.digits) or self._is_passed(sight.step)

    def _is_passed(self, step: Step | None) -> bool:
        if step is None or self.record is None:
            return False
        wanted = Step.of(self.record)
        return (step.realm, step.tag) == (wanted.realm, wanted.tag) and step.order > wanted.order


def look(home: Path, dest: Path) -> Sight:
    """Synchronous. Raises RefusedError where `current` is not a follower's, PermissionError_."""
    # The record first: a switch writes it last, so a settled one is never older than the link.
    dataset, record = RecordFile(home, dest, "").load_any()
    return Sight(dataset, Place(dest).current(), record)


async def wait(home: Path, dest: Path, wanted: Wanted, timeout_s: float) -> Sight:
    """Until it is there; looks once at least. Raises NotFoundError (not in time), HookError, and what `look` does."""
    deadline = trio.current_time() + timeout_s
    while True:
        sight = await trio.to_thread.run_sync(look, home, dest)
        if wanted.is_there(sight):
            return sight
        left_s = deadline - trio.current_time()
        if left_s <= 0:
            raise _not_in_time(dest, wanted, sight)
        await trio.sleep(min(LOOK_S, left_s))


def _not_in_time(dest: Path, wanted: Wanted, sight: Sight) -> NotFoundError:
    is_there = f"{sight.current.hex()[:16]} is" if sight.current is not None else "nothing is"
    what = wanted.digits[:16] or "a version"
    unsettled = "" if sight.is_settled or sight.current is None else ", and its hook has not ended"
    hint = "swarm follow says there what it waits for"
    if sight.dataset is None:
        hint = f"nothing here follows to {dest}: start swarm follow, or use its $SWARM_HOME"
    return NotFoundError(f"{what} has not come to {dest} in time: {is_there} current{unsettled}", hint=hint)
