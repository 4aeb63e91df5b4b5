"""One simulated agent: the production node, and a stand-in for its driver that performs commands against the model.

Verifying is modelled by who sends: a liar's blocks are wrong, and the machine says `BlockRefused`, as the driver would.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, assert_never

from sim.clock import Clock
from sim.dataset import Dataset
from sim.network import Line
from sim.processor import Processor
from sim.wire import Job, Wire
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.config import NodeConfig
from swarm.exchange.node import Node
from swarm.exchange.policies import Policies
from swarm.protocol.ids import AgentId, ConnectionId, Index, PeerId, VersionId, digest
from swarm.protocol.messages import Message, PeerInfo

if TYPE_CHECKING:
    from sim.fabric import Fabric

PROGRESS_S = 0.1
"""How often the driver reports what moved."""

TRACKER_RETRY_S = (0.5, 1.0)
"""How far apart a driver tries to reach a tracker that is away."""


class Machine:
    """A computer with an access link and one agent."""

    def __init__(
        self,
        fabric: Fabric,
        number: int,
        *,
        up: float,
        down: float,
        rng: Random,
        policies: Policies,
        is_origin: bool = False,
        reads_store: bool = False,
        has_tracker: bool = True,
        lies: bool = False,
        is_hidden: bool = False,
        site: str = "",
        latency_s: float | None = None,
        clock: Clock | None = None,
        group: str = "",
        processor: Processor | None = None,
    ) -> None:
        self.fabric = fabric
        self.number = number
        self.up_rate, self.down_rate = up, down
        self.up = Line(up)
        self.down = Line(down)
        self.is_origin = is_origin
        self.reads_store = reads_store
        self.has_tracker = has_tracker
        self.lies = lies
        self.is_hidden = is_hidden
        self.site = site
        self.group = group
        self.processor = processor
        """What its work takes; None: nothing."""
        self.latency_s = fabric.latency_s if latency_s is None else latency_s
        self.clock = clock or Clock()
        self._world = fabric.world
        self._is_punctual = self.clock == Clock()
        self.is_dead = self.thaws = self.is_frozen = False
        """Frozen: nothing is sent, received or decided now."""
        self.agent = AgentId(digest(f"agent {number}".encode()))
        self.address = f"/machine/{number}"
        peer_id = PeerId(f"peer{digest(f'peer {number}'.encode()).hex()[:16]}")
        self.info = PeerInfo(self.agent, peer_id, (self.address,), site, is_origin)
        config = NodeConfig(peer_id, (self.address,), has_tracker=has_tracker)
        self.node = Node(config, rng, self.agent, site, policies)
        self.rng = rng
        self.wires: dict[ConnectionId, Wire] = {}
        self.busy: dict[Wire, None] = {}
        """Wires on which blocks move, or did since the last report."""
        self.tracker_wire: ConnectionId | None = None
        self.verified = 0
        """What is here, as the model knows it (a set of indexes)."""
        self.started_at: float | None = None
        self.completed_at: float | None = None
        self.released_at: float | None = None
        self.left_at: float | None = None
        self.bytes_taken = self.duplicates = self.refused = 0
        """Bytes taken are of whole, verified, new blocks that were fetched."""
        self.unavailable: list[int] = []
        self.bans: list[AgentId] = []
        self.on_handled: Callable[[Machine], None] = _ignore
        self.on_ended: Callable[[Machine], None] = _ignore
        """It is complete, or gone: called once for each."""
        self._dataset: Dataset | None = None
        self._reads: dict[Index, int] = {}
        self._is_reporting = self._knows_lengths = False
        self._wake_at, self._wake_turn = float("inf"), 0
        self._hears_timer = False
        self._missed: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    # --- life -----------------------------------------------------------------------------------

    def start(self, dataset: Dataset, *, have: int = 0) -> None:
        """The agent begins: it opens the version and looks for the tracker, where there is one."""
        if self.processor is not None and not self.is_origin:  # an origin is there before anybody comes
            self.processor.begin(self._start, dataset, have)
        else:
            self._start(dataset, have)

    def _start(self, dataset: Dataset, have: int) -> None:
        self._dataset = dataset
        self.started_at = self.fabric.world.now
        self.verified = (1 << dataset.size) - 1 if self.is_origin else have
        runs = ((0, dataset.size),) if self.is_origin else ()
        self._is_reporting = True
        self.fabric.world.after(PROGRESS_S, self._report)
        self.submit(
            e.SessionOpened(
                dataset.version,
                dataset.page_lengths,
                len(dataset.block_lengths),
                dataset.longest,
                have=runs,
                want=None,
                is_origin=self.is_origin,
                reads_store=self.reads_store,
            )
        )
        if self.is_origin:
            self._learn_lengths()
        if self.has_tracker:
            self.seek_tracker()

    def die(self) -> None:
        """The cable is pulled: nobody is told."""
        self.is_dead = True
        self._missed.clear()
        self.freeze()

    def vanish(self) -> None:
        """The program dies: its connections are closed by the system, and nobody is told why."""
        for wire in list(self.wires.values()):
            self.fabric.close(wire, "connection reset")
        if self.tracker_wire is not None:
            self.fabric.leave_tracker(self, self.tracker_wire)
        self.die()

    def freeze(self, *, thaws: bool = False) -> None:
        """Nothing is sent, received or decided from now on, or until it thaws."""
        self.is_frozen = True
        self.thaws = thaws
        self.fabric.network.set_capacity(self.up, 0.0)
        self.fabric.network.set_capacity(self.down, 0.0)
        self.fabric.disturbed()
        self.on_ended(self)

    def thaw(self) -> None:
        """Goes on where it stopped: first with what the system kept for it meanwhile."""
        if self.is_dead or not self.is_frozen:
            return
        self.is_frozen = False
        self.fabric.network.set_capacity(self.up, self.up_rate)
        self.fabric.network.set_capacity(self.down, self.down_rate)
        missed, self._missed = self._missed, []
        for call, arguments in missed:
            call(*arguments)
        self._wake_at = float("inf")
        self._arm()

    def _misses(self, call: Callable[..., None], *arguments: Any) -> bool:
        """Whether it is frozen: then this comes when it thaws, if it does."""
        if self.is_frozen and not self.is_dead:
            self._missed.append((call, arguments))
        return self.is_frozen

    def seek_tracker(self) -> None:
        """Connects to the tracker, now or when it is back."""
        if self.left_at is not None or self._misses(self.seek_tracker):
            return
        if not self.fabric.connect_tracker(self):
            self.fabric.world.after(self.rng.uniform(*TRACKER_RETRY_S), self.seek_tracker)

    # --- the driver -----------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """What its clock says."""
        return self.clock.reading(self.fabric.world.now)

    def submit(self, event: e.Event) -> None:
        """Tells the node a fact, once there is a processor for it, and performs what it wants."""
        if self.is_frozen and self._misses(self.submit, event):
            return
        if self.processor is None:
            self._handle(event)
        else:
            self.processor.hear(event, self._handle)

    def _handle(self, event: e.Event) -> None:
        if self.is_frozen and self._misses(self._handle, event):
            return
        if type(event) is e.Ticked:
            self._hears_timer = False
        for command in self.node.handle(event, self._world.now if self._is_punctual else self.now):
            if type(command) is c.Send:  # nearly all are
                self._send(command.connection, command.message)
            else:
                self._perform(command)
        self.on_handled(self)
        self._arm()

    def _arm(self) -> None:
        deadline = self.node.next_deadline()
        if deadline is None or self._hears_timer:
            return
        due = deadline if self._is_punctual else self.clock.world_time(deadline)
        if due < self._wake_at:
            world = self._world
            self._wake_at = max(due, world.now)
            self._wake_turn += 1
            world.at(self._wake_at, self._wake, self._wake_turn)

    def _wake(self, turn: int) -> None:
        if turn != self._wake_turn or self.is_frozen:
            return
        self._wake_at = float("inf")
        deadline = self.node.next_deadline()
        if deadline is not None and deadline <= self.now + 1e-9:
            self._hears_timer = True
            self.submit(e.Ticked())
        else:
            self._arm()

    def _perform(self, command: c.Command) -> None:  # noqa: PLR0912  (one line a command)
        match command:
            case c.Send():
                self._send(command.connection, command.message)
            case c.SendBlock():
                self._send_block(command)
            case c.ExpectBlocks():
                if wire := self.wires.get(command.connection):
                    wire.expected[command.request] = set(command.indexes)
            case c.ForgetRequest():
                if wire := self.wires.get(command.connection):
                    wire.expected.pop(command.request, None)
            case c.CancelSend():
                if wire := self.wires.get(command.connection):
                    self.fabric.cancel(wire, command.request, command.index)
            case c.Dial():
                self.fabric.dial(self, command)
            case c.Disconnect():
                self._disconnect(command.connection, command.reason)
            case c.ReadStore():
                self._reads[command.index] = 0
                self.fabric.read_store(self, command.index)
            case c.CancelStoreRead():
                self._cancel_read(command.version, command.index)
            case c.LoadVersion():
                self.fabric.world.after(0.0, self.submit, e.VersionUnknown(command.version))
            case c.Completed():
                self.completed_at = self.fabric.world.now
                self.on_ended(self)
            case c.Released():
                self._released()
            case c.BlockUnavailable():
                self.unavailable.append(command.index)
            case c.Banned():
                self.bans.append(command.agent)
            case _:
                assert_never(command)

    def _send(self, connection: ConnectionId, message: Message) -> None:
        if self.processor is not None:
            self.processor.owe(self.processor.costs.say_s)
        if wire := self.wires.get(connection):
            self.fabric.send(wire, self, message)
        elif connection == self.tracker_wire:
            self.fabric.send_tracker(self, connection, message)

    def _send_block(self, command: c.SendBlock) -> None:
        wire = self.wires.get(command.connection)
        if wire is None or not self.verified >> command.index & 1:
            failed = e.SendFailed(command.connection, command.request, command.version, command.index, wire is not None)
            self.fabric.world.after(0.0, self.submit, failed)
            return
        self.fabric.send_block(wire, Job(command.request, command.version, command.index))

    def _disconnect(self, connection: ConnectionId, reason: str) -> None:
        if connection == self.tracker_wire:
            self.fabric.leave_tracker(self, connection)
        elif wire := self.wires.get(connection):
            self.fabric.close(wire, reason)

    def _released(self) -> None:
        self.released_at = self.fabric.world.now
        if not self.is_origin:
            self.fabric.world.after(0.0, self.leave)

    def leave(self) -> None:
        """The use case has what it wanted: the agent ends tidily."""
        if self.left_at is None and not self.is_frozen:
            self.left_at = self.fabric.world.now
            self.fabric.disturbed()
            self.submit(e.LeaveAsked())

    def arrived_bytes(self) -> int:
        """Of blocks, whole or not, so far."""
        for flow in self.down.flows:
            self.fabric.network.moved(flow)
        return int(self.down.bytes)

    # --- what comes -----------------------------------------------------------------------------

    def block_came(self, wire: Wire, job: Job, is_wrong: bool) -> None:
        """The last byte of a block is here."""
        if self._misses(self.block_came, wire, job, is_wrong) or not self._take_expected(wire, job):
            return
        assert self._dataset is not None
        length = self._dataset.lengths[job.index]
        if is_wrong:
            self.refused += length
            self.submit(e.BlockRefused(wire.id, job.request, job.version, job.index, length))
            return
        self._keep(job.index, length)
        self.submit(e.BlockArrived(wire.id, job.request, job.version, job.index, length))
        self._learn_lengths()

    def block_aborted(self, wire: Wire, job: Job, is_lost: bool) -> None:
        """The sender said that it will not finish a block."""
        if not self._misses(self.block_aborted, wire, job, is_lost) and self._take_expected(wire, job):
            self.submit(e.BlockAborted(wire.id, job.request, job.version, job.index, is_lost))

    def _take_expected(self, wire: Wire, job: Job) -> bool:
        indexes = wire.expected.get(job.request)
        if not wire.is_open or indexes is None or job.index not in indexes:
            return False
        indexes.discard(job.index)
        if not indexes:
            del wire.expected[job.request]
        return True

    def _keep(self, index: int, length: int) -> None:
        if self.verified >> index & 1:
            self.duplicates += 1
        else:
            self.verified |= 1 << index
            self.bytes_taken += length

    def store_came(self, index: Index) -> None:
        """A read from the store has ended well."""
        if self._misses(self.store_came, index) or self._reads.pop(index, None) is None:
            return
        assert self._dataset is not None
        self._keep(index, self._dataset.lengths[index])
        self.submit(e.StoreRead(self._dataset.version, index, self._dataset.lengths[index]))
        self._learn_lengths()

    def store_failed(self, index: Index, kind: str) -> None:
        """A read from the store has failed."""
        if not self._misses(self.store_failed, index, kind) and self._reads.pop(index, None) is not None:
            assert self._dataset is not None
            self.submit(e.StoreFailed(self._dataset.version, index, kind, kind))

    def _cancel_read(self, version: VersionId, index: Index) -> None:
        if index in self._reads:
            self.fabric.cancel_read(self, index)
            self.fabric.world.after(0.0, self.store_failed, index, "cancelled")
        assert version

    def _learn_lengths(self) -> None:
        """Once the pages are here the lengths of all blocks are known."""
        dataset = self._dataset
        if dataset is None or self._knows_lengths:
            return
        count = len(dataset.page_lengths)
        if self.verified & ((1 << count) - 1) == (1 << count) - 1:
            self._knows_lengths = True
            self.submit(e.LengthsLearned(dataset.version, Index(count), dataset.block_lengths))

    def _report(self) -> None:
        if self.is_dead:
            return
        self.fabric.world.after(PROGRESS_S, self._report)
        if self.is_frozen:
            return
        event = self.fabric.progress(self, self._reads)
        if event is not None:
            self.submit(event)


def _ignore(_machine: Machine) -> None:
    """Nobody watches."""
