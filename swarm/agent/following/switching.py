"""From a version that is here to the one that is current: flip, hook, and back again where the hook does not end well.

The order of the steps is what a restart relies on. The record says what is being switched to before `current` does;
it says that a version is refused before `current` goes back. So whatever a kill leaves is one of: nothing begun,
flipped and the hook not ended (it runs again), refused and not yet gone back (it goes back).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import trio

from swarm.agent.follow_notices import Flipped, HookEnd, HookEnded
from swarm.agent.following.hook import Ended, Hook, run_hook
from swarm.agent.following.place import Place
from swarm.agent.following.record import FollowRecord, RecordFile, Step
from swarm.agent.notices import Level, Note, Observer, Receipt
from swarm.protocol.ids import VersionId

NOTHING = Ended(HookEnd.DONE, None, 0.0, "")
"""How no hook ends."""


@dataclass(slots=True)
class Switching:
    """`record` is what the file says."""

    place: Place
    file: RecordFile
    hook: Hook | None
    name: str
    label: str
    observer: Observer
    record: FollowRecord

    async def resume(self) -> Ended | None:
        """Ends what a forerunner has begun; returns how the hook ended if it ran."""
        record, current = self.record, await self.current()
        settled = record.settled.version if record.settled is not None else None
        if record.refused is not None and current == record.refused.version and settled != current:
            await self._go_back(current, settled)
        elif record.pending is not None and current == record.pending.version:
            return await self._run_hook(record.pending, settled if settled != current else None)
        elif current != settled:
            # Somebody has set the link by hand: what is there is what was, and the hook of it is his.
            await self.save(FollowRecord(None, None, record.refused, record.reason, record.installed))
        return None

    async def switch(self, step: Step, receipt: Receipt) -> Ended:
        """Raises RefusedError where `current` is not ours; nothing has changed then."""
        previous = await self.current()
        await self.save(self.record.begin(step))
        await trio.to_thread.run_sync(self.place.flip, step.version)
        self._tell_flip(step.version, previous, receipt)
        return await self._run_hook(step, previous)

    async def settle(self, step: Step) -> None:
        """`current` is at this step, and nothing more is to be done."""
        await self.save(self.record.settle(step))

    async def current(self) -> VersionId | None:
        return await trio.to_thread.run_sync(self.place.current)

    async def save(self, record: FollowRecord) -> None:
        if record != self.record:
            await trio.to_thread.run_sync(self.file.save, record)
        self.record = record

    async def _run_hook(self, step: Step, previous: VersionId | None) -> Ended:
        if self.hook is None:
            await self.settle(step)
            return NOTHING
        ended = await run_hook(self.hook, self._environment(step, previous))
        self.observer.notify(
            HookEnded(
                self.label,
                step.digest,
                previous.hex() if previous is not None else None,
                ended.outcome,
                ended.exit_code,
                round(ended.seconds, 3),
                ended.reason,
            )
        )
        if ended.is_good:
            await self.settle(step)
        else:
            await self.save(self.record.refuse(step, ended.reason))
            await self._go_back(step.version, previous)
        return ended

    async def _go_back(self, refused: VersionId, previous: VersionId | None) -> None:
        if previous is not None and await trio.to_thread.run_sync(self.place.directory(previous).is_dir):
            await trio.to_thread.run_sync(self.place.flip, previous)
        else:
            if previous is not None:
                text = f"{self.place.directory(previous)} is gone, so there is nothing to go back to"
                self.observer.notify(Note(text, Level.WARNING))
            previous = None
            await trio.to_thread.run_sync(self.place.unlink)
        self._tell_flip(previous, refused, None)

    def _tell_flip(self, version: VersionId | None, previous: VersionId | None, receipt: Receipt | None) -> None:
        flipped = Flipped(
            dataset=self.label,
            digest=version.hex() if version is not None else None,
            previous=previous.hex() if previous is not None else None,
            dest=str(self.place.link),
            time=time.time_ns() // 1_000_000,
            is_back=receipt is None,
            seconds=receipt.seconds if receipt is not None else 0.0,
            bytes_local=receipt.bytes_local if receipt is not None else 0,
            bytes_peer=receipt.bytes_peer if receipt is not None else 0,
            bytes_origin=receipt.bytes_origin if receipt is not None else 0,
        )
        self.observer.notify(flipped)

    def _environment(self, step: Step, previous: VersionId | None) -> dict[str, str]:
        """What a hook is told, beside what we were. `SWARM_TAG` is the tag itself, also where a range is followed."""
        path = str(self.place.directory(previous)) if previous is not None else ""
        return {
            "SWARM_NAME": self.name,
            "SWARM_TAG": step.tag,
            "SWARM_SEQ": str(step.seq),
            "SWARM_VERSION": step.digest,
            "SWARM_PREVIOUS": previous.hex() if previous is not None else "",
            "SWARM_DEST": str(self.place.dest),
            "SWARM_CURRENT": str(self.place.link),
            "SWARM_VERSION_PATH": str(self.place.directory(step.version)),
            "SWARM_PREVIOUS_PATH": path,
        }
