"""Whole agents in one process: real holdings, node and driver over the memory transport, a real directory store.

Only the network is not real. Time is: holdings work in threads, which a jumping clock does not wait for.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic

from swarm.agent.agent import Agent, AgentParts, Self, open_agent
from swarm.agent.fetch import FetchOrder, fetch
from swarm.agent.library import HeldVersion, open_held, opened
from swarm.agent.notices import Notice, Receipt
from swarm.agent.pacing import Limits
from swarm.agent.tracker_link import TrackerAddress
from swarm.agent.trust import Pinned
from swarm.dataset.selection import Selection
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.holdings.holdings import Holdings, open_holdings
from swarm.protocol.ids import BlockId, Index
from swarm.protocol.keys import SigningKey
from swarm.protocol.messages import LostReason, PeerInfo
from swarm.protocol.names import parse_reference
from swarm.seeder.publication import Publication
from swarm.seeder.publish import publish
from swarm.store import Store, open_store
from swarm.transport.memory import MemoryNetwork, MemoryTransport

PUBLISHER = SigningKey.from_seed(b"p" * 32)
KIB = 1024


class Notices(list[Notice]):
    """An observer that remembers."""

    def notify(self, notice: Notice, /) -> None:
        self.append(notice)


@dataclass(slots=True)
class Machine:
    """One agent and what it holds."""

    agent: Agent
    holdings: Holdings
    peer: PeerInfo
    notices: Notices = field(default_factory=Notices)

    async def fetch(self, reference: str, dest: Path, **changes: object) -> Receipt:
        """As the command does, without lingering."""
        order = FetchOrder(
            reference=parse_reference(reference),
            dest=dest,
            pin=Pinned(PUBLISHER.public_key, None),
            remember=lambda _name, _pin: None,
            selection=Selection(),
            linger_s=0.0,
            repair=False,
            atomic=False,
            dry_run=False,
            started_at=monotonic(),
        )
        for name, value in changes.items():
            object.__setattr__(order, name, value)
        return await fetch(self.agent, self.holdings, order, self.notices)

    def meet(self, other: Machine) -> None:
        """Tells the node of a neighbour, as discovery would."""
        self.agent.driver.submit(e.PeersFound(None, (other.peer,)))


class World:
    """Machines on one memory network, and a directory store whose reads are counted."""

    def __init__(self, path: Path, store: Store, stack: AsyncExitStack) -> None:
        self.path = path
        self.store = store
        self.network = MemoryNetwork()
        self.store_reads = 0
        self.store_fault: Callable[[BlockId], None] | None = None
        """Called before each read of a block; what it raises is what the store says."""
        self._stack = stack
        self._count = 0

    async def publish(self, source: Path, *names: str) -> Publication:
        """Into the store, by the one publisher of this world."""
        references = [parse_reference(name) for name in names]
        return await publish(source, references, store=self.store, key=PUBLISHER)

    async def machine(
        self,
        *,
        reads_store: bool = False,
        is_origin: bool = False,
        limits: Limits | None = None,
        home: Path | None = None,
        trace: Callable[[e.Event, float, list[c.Command]], None] | None = None,
        rng: random.Random | None = None,
        stack: AsyncExitStack | None = None,
    ) -> Machine:
        """A running agent that resolves from the store; it reads blocks from there only with `reads_store`.

        It ends with the world, or with a `stack` that was opened later.
        """
        self._count += 1
        stack = stack or self._stack
        key = SigningKey.from_seed(self._count.to_bytes(32, "big"))
        home = home or self.path / f"home{self._count}"
        me = Self(key.agent_id, realm=self.store.realm, is_origin=is_origin, reads_store=reads_store)
        holdings = await stack.enter_async_context(open_holdings(home))
        transport = await stack.enter_async_context(self.network.transport(key.peer_id, me.hello()))
        me.addresses = lambda: transport.addresses

        async def read_block(block: BlockId, length: int, _url: str | None, moved: Callable[[int], None]) -> bytes:
            self.store_reads += 1
            if self.store_fault is not None:
                self.store_fault(block)
            return await self.store.get_block(block, max_length=length, moved=moved)

        parts = AgentParts(
            me=me,
            transport=transport,
            home=home,
            trackers=(),
            find_tracker=_no_tracker,
            store=self._store,
            read_block=read_block if reads_store else None,
            load_version=partial(open_held, holdings, reads_store=reads_store),
            root_of=holdings.root,
            limits=limits or Limits(),
            trace=trace,
            rng=rng or random.Random(self._count),
        )
        agent = await stack.enter_async_context(open_agent(parts))
        holdings.on_lost = lambda version, runs: agent.driver.submit(e.BlocksLost(version, runs, LostReason.EDITED))
        return Machine(agent, holdings, PeerInfo(key.agent_id, key.peer_id, transport.addresses, "", is_origin))

    async def seeder(self, publication: Publication, *, limits: Limits | None = None) -> Machine:
        """An origin that gives what was published from where it lies."""
        machine = await self.machine(is_origin=True, limits=limits)
        version = publication.version
        await machine.holdings.keep_root(version.root_bytes)
        for number, page in enumerate(publication.pages):
            await machine.holdings.keep_page(version.id, Index(number), page)
        await machine.holdings.add_source(version, publication.scan, "data")
        have = await machine.holdings.have(version.id)
        assert have is not None
        event = opened(version, have.runs(), is_origin=True, reads_store=False)
        machine.agent.driver.shelves.open(event, HeldVersion(version, machine.holdings))
        return machine

    async def stranger(self, *, is_tracker: bool = False) -> MemoryTransport:
        """A bare transport: whoever has it says and hears what they like."""
        self._count += 1
        key = SigningKey.from_seed((1000 + self._count).to_bytes(32, "big"))
        hello = Self(key.agent_id, realm=self.store.realm).hello()
        return await self._stack.enter_async_context(
            self.network.transport(
                key.peer_id, lambda direction, nonce: replace(hello(direction, nonce), is_tracker=is_tracker)
            )
        )

    async def _store(self) -> Store:
        return self.store


@asynccontextmanager
async def open_world(path: Path) -> AsyncIterator[World]:
    """An empty world; everything made in it ends with it."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(str(path / "store")))
        await store.initialise()
        yield World(path, store, stack)


@asynccontextmanager
async def raised_by(kind: type[BaseException]) -> AsyncIterator[list[BaseException]]:
    """Expects exactly one error of a kind out of the body, bare or in groups."""
    caught: list[BaseException] = []
    try:
        yield caught
    except BaseException as error:
        leaf: BaseException = error
        while isinstance(leaf, BaseExceptionGroup):
            assert len(leaf.exceptions) == 1, leaf.exceptions
            leaf = leaf.exceptions[0]
        if not isinstance(leaf, kind):
            raise
        caught.append(leaf)
    assert caught, f"no {kind.__name__} was raised"


def make_data(directory: Path, *, seed: int = 7, files: int = 12, size: int = 700 * KIB) -> Path:
    """A tree of files with random bytes, a few of them twice, an empty one and a link."""
    rng = random.Random(seed)
    (directory / "deep" / "er").mkdir(parents=True)
    for number in range(files):
        place = directory / ("deep" if number % 2 else "deep/er") / f"file{number}.bin"
        place.write_bytes(rng.randbytes(rng.randrange(size // 2, size)))
    (directory / "again.bin").write_bytes((directory / "deep" / "file1.bin").read_bytes())
    (directory / "empty").touch()
    (directory / "link").symlink_to("deep/file1.bin")
    os.chmod(directory / "again.bin", 0o640)
    return directory


def same_trees(left: Path, right: Path) -> bool:
    """Whether two trees hold the same paths, kinds, bytes, targets and modes."""
    return _tree(left) == _tree(right)


def _tree(top: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_dir():
            found[name] = "directory"
        else:
            found[name] = (path.stat().st_mode & 0o777, path.read_bytes())
    return found


async def _no_tracker(url: str) -> TrackerAddress:
    raise AssertionError(f"no tracker is configured, and {url} was looked for")
