"""One version of a follower's: fetched into its place, given up for a newer one only where it does not get on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import trio

from swarm.agent.agent import Agent
from swarm.agent.fetch import FetchOrder, fetch
from swarm.agent.follow_notices import FirstAsked
from swarm.agent.following.place import Place
from swarm.agent.following.through import Through
from swarm.agent.notices import Observer, Receipt
from swarm.dataset.selection import Selection
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.holdings.holdings import Holdings
from swarm.protocol.ids import VersionId
from swarm.protocol.names import Reference
from swarm.transport.nursery_of_one import nursery_of_one

SUPERSEDED_S = 3.0
"""Without a byte for so long, and with a newer version known, a fetch ends: its producer may have withdrawn it. One
that gets on is let finish, else a channel that moves faster than a fetch takes would never arrive."""

LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Fetching:
    """What every fetch of a follower has in common."""

    agent: Agent
    holdings: Holdings
    place: Place
    label: str
    selection: Selection
    observer: Observer
    through: Through

    async def fetch(self, name: str, version: VersionId, is_superseded: Callable[[], bool]) -> Receipt | None:
        """Makes a version present, verified; None where it was given up for a newer one. Raises what a fetch raises."""
        self.through.begin()
        receipt: Receipt | None = None
        with trio.CancelScope() as scope, self.agent.watched_by(_Asked(self, version).watch):
            async with nursery_of_one() as nursery:
                nursery.start_soon(self._give_up, scope, is_superseded)
                receipt = await fetch(self.agent, self.holdings, self._order(name, version), self.through)
        return receipt

    async def _give_up(self, scope: trio.CancelScope, is_superseded: Callable[[], bool]) -> None:
        while True:
            await trio.sleep(LOOK_S)
            if is_superseded() and trio.current_time() - self.through.moved_at > SUPERSEDED_S:
                scope.cancel()

    def _order(self, name: str, version: VersionId) -> FetchOrder:
        return FetchOrder(
            reference=Reference(name, version=version),
            dest=self.place.directory(version),
            pin=None,
            remember=lambda _name, _pin: None,
            selection=self.selection,
            linger_s=0.0,
            repair=False,
            atomic=False,
            dry_run=False,
            started_at=time.monotonic(),
            share=self.place.directory(version).parent,
        )


class _Asked:
    """Tells when the first byte of a version is asked for."""

    def __init__(self, fetching: Fetching, version: VersionId) -> None:
        self._fetching = fetching
        self._version = version
        self._was_told = False

    def watch(self, _event: e.Event, commands: list[c.Command]) -> None:
        if self._was_told:
            return
        for command in commands:
            if isinstance(command, c.ExpectBlocks | c.ReadStore) and command.version == self._version:
                self._was_told = True
                now = time.time_ns() // 1_000_000
                self._fetching.observer.notify(FirstAsked(self._fetching.label, self._version.hex(), now))
                return
