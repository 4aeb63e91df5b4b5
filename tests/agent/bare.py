"""Agents without a disk, for tests in virtual time: the network is memory, and a tracker is what a test makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio
import trio.testing

from swarm.agent.agent import Agent, AgentParts, Self, open_agent
from swarm.agent.answers import RecordStore
from swarm.agent.tracker_link import FindTracker, TrackerAddress
from swarm.errors import SwarmError, TransportError, UnreachableError
from swarm.exchange import events as e
from swarm.protocol import messages as m
from swarm.protocol.keys import SigningKey
from swarm.transport.memory import MemoryNetwork, MemoryTransport
from swarm.transport.transport import Connection

Answer = Callable[[m.Message], m.Message | None]


@dataclass
class FakeTracker:
    """Answers catalog questions with `answer`; `connections` are those that live."""

    url: str
    transport: MemoryTransport
    answer: Answer
    connections: list[Connection] = field(default_factory=list)
    asked: list[m.Message] = field(default_factory=list)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(self._converse, await self.transport.accept())

    async def _converse(self, connection: Connection) -> None:
        self.connections.append(connection)
        try:
            while True:
                message = await connection.receive()
                if isinstance(message, m.Alive):
                    connection.send_nowait(m.Alive())
                if isinstance(message, m.CatalogMessage):
                    self.asked.append(message)
                    if (answer := self.answer(message)) is not None:
                        connection.send_nowait(answer)
        except TransportError:
            self.connections.remove(connection)


class Trackers:
    """Trackers by URL on one network; `finder` is an agent's way to them. One that is down is refused or not found."""

    def __init__(self, network: MemoryNetwork, nursery: trio.Nursery) -> None:
        self.network = network
        self.failures: dict[str, Exception] = {}
        self.found: list[str] = []
        self._nursery = nursery
        self._by_url: dict[str, tuple[FakeTracker, trio.CancelScope]] = {}

    async def start(self, url: str, answer: Answer = lambda _message: None, *, seed: int = 1) -> FakeTracker:
        started: FakeTracker = await self._nursery.start(self._run, url, answer, seed)
        return started

    async def stop(self, url: str) -> None:
        _tracker, scope = self._by_url.pop(url)
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()

    async def find(self, url: str) -> TrackerAddress:
        self.found.append(url)
        if url in self.failures:
            raise self.failures[url]
        if url not in self._by_url:
            raise UnreachableError("connection refused")
        transport = self._by_url[url][0].transport
        return TrackerAddress(transport.addresses, transport.peer_id)

    async def _run(self, url: str, answer: Answer, seed: int, task_status: trio.TaskStatus[FakeTracker]) -> None:
        key = SigningKey.from_seed(seed.to_bytes(32, "big"))
        hello = Self(key.agent_id).hello()
        with trio.CancelScope() as scope:
            async with self.network.transport(
                key.peer_id, lambda direction, nonce: replace(hello(direction, nonce), is_tracker=True)
            ) as transport:
                tracker = FakeTracker(url, transport, answer)
                self._by_url[url] = (tracker, scope)
                task_status.started(tracker)
                await tracker.run()


@asynccontextmanager
async def open_bare_agent(
    path: Path,
    network: MemoryNetwork,
    *,
    trackers: tuple[str, ...] = (),
    find: FindTracker | None = None,
    store: Callable[[], Awaitable[RecordStore]] | None = None,
    heard: list[e.Event] | None = None,
    seed: int = 100,
) -> AsyncIterator[Agent]:
    """`heard` gets every event."""
    key = SigningKey.from_seed(seed.to_bytes(32, "big"))
    me = Self(key.agent_id)
    async with network.transport(key.peer_id, me.hello()) as transport:
        me.addresses = lambda: transport.addresses
        parts = AgentParts(
            me=me,
            transport=transport,
            home=path,
            trackers=trackers,
            find_tracker=find or _nowhere,
            store=store,
            read_block=None,
            load_version=_nothing,
            root_of=_nothing,
            trace=lambda event, _now, _commands: heard.append(event) if heard is not None else None,
        )
        async with open_agent(parts) as agent:
            yield agent


async def _nothing(_version: object) -> None:
    return None


async def _nowhere(url: str) -> TrackerAddress:
    raise UnreachableError(f"{url} is nowhere")


def failing(error: SwarmError) -> Callable[[], Awaitable[RecordStore]]:
    """A store that cannot be opened."""

    async def store() -> RecordStore:
        raise error

    return store
