"""How far a follower is behind its channel. Pure; times in Unix ms."""

from __future__ import annotations

from swarm.agent.following.record import Step


class Backlog:
    """Remembers the newest step heard of, and when the first one that is not here was signed."""

    def __init__(self) -> None:
        self.newest: Step | None = None
        self._missed_since: int | None = None

    def hear(self, step: Step, settled: Step | None) -> bool:
        """Whether this is news: later than the newest, or the first."""
        if self.newest is not None and not step.is_after(self.newest):
            return False
        self.newest = step
        if settled is not None and settled.digest == step.digest:
            self._missed_since = None
        elif self._missed_since is None:
            self._missed_since = step.time
        return True

    def arrive(self, step: Step) -> None:
        """A step is settled."""
        if self.newest is None or self.newest.digest == step.digest:
            self._missed_since = None
        else:
            self._missed_since = self.newest.time

    def versions(self, settled: Step | None) -> int | None:
        """How many steps of the tag are not here; None where numbers say nothing."""
        newest = self.newest
        if newest is None or settled is None:
            return None
        if newest.digest == settled.digest:
            return 0
        is_of_one = (newest.realm, newest.tag, newest.epoch) == (settled.realm, settled.tag, settled.epoch)
        return max(1, newest.seq - settled.seq) if is_of_one else None

    def seconds(self, now_ms: int) -> float:
        """Since when something newer than what is here was there to be had, as far as this machine has heard."""
        return max(0.0, (now_ms - self._missed_since) / 1000) if self._missed_since is not None else 0.0
