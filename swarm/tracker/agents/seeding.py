"""Who gives what of a version: seeders their shares, the store what is in none. Keeps the two from overlapping."""

from __future__ import annotations

from swarm.protocol.ids import AgentId, Runs, VersionId
from swarm.protocol.runs import count
from swarm.tracker.agents.registry import Member, Swarm
from swarm.tracker.agents.shares import Shares
from swarm.tracker.leasing.books import Books
from swarm.tracker.leasing.borders import Borders


class Seeding:
    """Watches seeders and complete members come and go."""

    def __init__(self, books: Books, borders: Borders) -> None:
        self._books = books
        self._borders = borders
        self.shares = Shares()

    def note(self, swarm: Swarm, member: Member, *, is_starting: bool) -> None:
        """A member has joined, or has more or less than before. `is_starting`: the tracker, so that who came first
        means nothing.
        """
        if member.is_origin and member.is_complete:
            self._note_seeder(swarm, member, is_starting)
            return
        self.end(swarm.version, member.agent.id, swarm, is_death=False)  # it may have been one
        if member.is_complete:
            # Who has everything spares the store while it lives. What it had, agents will miss when it is gone.
            self._books.tell(swarm.version, ((0, member.space),))
            self._borders.tell(swarm.version, member.site, ((0, member.space),))

    def end(self, version: VersionId, agent: AgentId, swarm: Swarm | None, *, is_death: bool) -> None:
        """A member is gone; `swarm` is what is left, if anybody is.

        Only of a dead seeder is it known that nobody got anything: counts come every 3 s, and death takes 5 to notice.
        """
        if agent not in self.shares.seeders(version):
            return
        share = self.shares.end(version, agent)
        if others := self.shares.seeders(version):
            self.shares.assign(version, share, others)
        elif swarm is not None:
            self._books.reopen(version, is_untouched=is_death and swarm.is_untouched())

    def changed(self) -> list[tuple[VersionId, AgentId, Runs]]:
        """Shares to be told, since the last call, with what has come free again given to the least loaded seeders."""
        for version, runs in self._books.freed():
            self.shares.assign(version, runs, [self._least_loaded(version)])
        return self.shares.changed()

    def _note_seeder(self, swarm: Swarm, member: Member, is_starting: bool) -> None:
        version, agent = swarm.version, member.agent.id
        shape = self._books.shape(version)
        if shape is not None and shape.space != member.space:
            return
        others = self.shares.seeders(version)
        self.shares.start(version, agent)
        if not others:
            self.shares.assign(version, self._books.close(version, member.space), [agent])
        elif agent not in others and (is_starting or swarm.is_untouched()):
            self.shares.assign(version, self.shares.collect(version), self.shares.seeders(version))

    def _least_loaded(self, version: VersionId) -> AgentId:
        return min(self.shares.seeders(version), key=lambda agent: count(self.shares.of(version, agent)))
