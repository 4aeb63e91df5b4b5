"""Plays agents to a `Tracker` and remembers what each was told: tests read as scripts."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, TypeVar

from swarm.protocol import cbor
from swarm.protocol.ids import AgentId, ConnectionId, PeerId, Runs, VersionId
from swarm.protocol.lease import LEASE, Lease
from swarm.protocol.messages import (
    Alive,
    Count,
    Join,
    LeaseFenced,
    LeaseGrant,
    LeaseReport,
    Leases,
    LeaseState,
    LeaseWanted,
    Message,
    PeerInfo,
)
from swarm.tracker.commands import Command, Disconnect, Send
from swarm.tracker.core import CatalogPart, Tracker
from swarm.tracker.events import AgentConnected, AgentGone, Event, MessageReceived, Ticked, VersionLearned
from swarm.tracker.leasing.pace import Pace
from swarm.tracker.rules import TrackerRules

V = VersionId(b"v" * 32)
W = VersionId(b"w" * 32)
EPOCH = 1_700_000_000_000

T = TypeVar("T")


def agent_id(name: str) -> AgentId:
    return AgentId(name.encode().ljust(32, b"."))


def null_sign(lease: Lease) -> bytes:
    return cbor.encode(LEASE.write(lease))


def null_verify(data: bytes) -> Lease:
    return LEASE.read(cbor.decode(data, max_bytes=1024))


def rules(**changes: Any) -> TrackerRules:
    """Unless told otherwise: no earlier tracker, and no window, so that a script can count on its leases."""
    given = {"epoch": EPOCH, "key": b"k" * 32, "sign": null_sign, "verify": null_verify, "is_first_start": True}
    return TrackerRules(**(given | {"pace": Pace(least=1024)} | changes))


class Script:
    """A tracker, a clock, and agents by name. Checks the tracker after every event."""

    def __init__(self, seed: int = 1, *, catalog: CatalogPart | None = None, now: float = 0.0, **changes: Any) -> None:
        self.now = now
        self.tracker = Tracker(rules(**changes), Random(seed), now, catalog)
        self.connections: dict[str, ConnectionId] = {}
        self.names: dict[ConnectionId, str] = {}
        self.told: dict[str, list[Message]] = {}
        self.other: list[Command] = []
        self.leases: dict[str, dict[int, Lease]] = {}
        self._next = 1
        self._beat = now + 0.5

    # --- what happens -------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        for command in self.tracker.handle(event, self.now):
            self._perform(command)
        self.tracker.check()

    def connect(self, *names: str, reads_store: bool = True, site: str = "", is_origin: bool = False) -> None:
        for name in names:
            connection = self.connections[name] = ConnectionId(self._next)
            self._next += 1
            self.names[connection] = name
            self.event(AgentConnected(connection, peer_info(name, site=site, is_origin=is_origin), reads_store))

    def say(self, name: str, message: Message) -> None:
        self.event(MessageReceived(self.connections[name], message))

    def join(self, *names: str, space: int = 8, have: int = 0, version: VersionId = V, **changes: Any) -> None:
        for name in names:
            if name not in self.connections:
                self.connect(
                    name,
                    reads_store=changes.get("reads_store", True),
                    site=changes.get("site", ""),
                    is_origin=changes.get("is_origin", False),
                )
            given: dict[str, Any] = {"is_origin": False, "reads_store": True, "site": "", "addresses": ()}
            self.say(name, Join(version, space, have, changes.pop("lacks", have < space), **(given | changes)))

    def seed(self, *names: str, space: int = 8, version: VersionId = V) -> None:
        for name in names:
            self.join(name, space=space, have=space, version=version, is_origin=True, reads_store=False)

    def learn(self, *, pages: int = 0, space: int = 8, version: VersionId = V) -> None:
        self.event(VersionLearned(version, pages, space))

    def want(self, *names: str, count: int = 1, lacks: Runs | None = None, version: VersionId = V) -> None:
        for name in names:
            self.say(name, LeaseWanted(version, count, lacks))

    def report(self, name: str, state: LeaseState, count: int = 0, *, number: int | None = None) -> int:
        """Reports on a lease (the oldest held); returns its index."""
        number = min(self.leases[name]) if number is None else number
        lease = self.leases[name].get(number)
        if state in (LeaseState.DONE, LeaseState.PASSED, LeaseState.RETURNED):
            self.leases[name].pop(number, None)
        self.say(name, Leases((LeaseReport(number, state, count),)))
        return lease.indexes[0][0] if lease else -1

    def count(self, name: str, have: int, *, lacks: bool, version: VersionId = V) -> None:
        self.say(name, Count(version, have, lacks))

    def disconnect(self, name: str) -> None:
        connection = self.connections.pop(name)
        self.event(AgentGone(connection, "reset"))

    def run(self, seconds: float, *, silent: tuple[str, ...] = (), renewing: tuple[str, ...] = ()) -> None:
        """Time passes: deadlines are kept, connected agents but `silent` show life, `renewing` ones renew leases."""
        end = self.now + seconds
        while True:
            deadline = self.tracker.next_deadline()
            self.now = max(self.now, min(end, self._beat, end if deadline is None else deadline))
            if deadline is not None and deadline <= self.now:
                self.event(Ticked())
            if self.now >= self._beat:
                self._beat = self.now + 0.5
                self._live(silent, renewing)
            if self.now >= end:
                return

    # --- what was said ------------------------------------------------------------------------------

    def heard(self, name: str, kind: type[T]) -> list[T]:
        """Every message of a kind that an agent was told, and forgets them."""
        told = [message for message in self.told.get(name, []) if isinstance(message, kind)]
        self.told[name] = [message for message in self.told.get(name, []) if not isinstance(message, kind)]
        return told

    def held(self, name: str) -> list[int]:
        """Indexes that an agent may read now."""
        return sorted(lease.indexes[0][0] for lease in self.leases.get(name, {}).values())

    def _perform(self, command: Command) -> None:
        if isinstance(command, Send):
            name = self.names[command.connection]
            self.told.setdefault(name, []).append(command.message)
            if isinstance(command.message, LeaseFenced):
                self.leases.get(name, {}).pop(command.message.number, None)
            if isinstance(command.message, LeaseGrant):
                lease = null_verify(command.message.lease)
                assert lease.agent == agent_id(name)
                self.leases.setdefault(name, {})[lease.number] = lease
        else:
            self.other.append(command)
            if isinstance(command, Disconnect):
                self.connections.pop(self.names[command.connection], None)

    def _live(self, silent: tuple[str, ...], renewing: tuple[str, ...]) -> None:
        for name in [name for name in self.connections if name not in silent]:
            lines = tuple(LeaseReport(number, LeaseState.WAITING, 0) for number in self.leases.get(name, {}))
            self.say(name, Leases(lines) if name in renewing else Alive())


def peer_info(name: str, *, site: str = "", is_origin: bool = False) -> PeerInfo:
    return PeerInfo(agent_id(name), PeerId(f"peer-{name}"), (f"/memory/{name}",), site, is_origin)


def letters(count: int) -> Iterator[str]:
    return (f"a{number}" for number in range(count))
