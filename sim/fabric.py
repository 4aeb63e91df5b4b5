"""What lies between machines: dialling, messages, blocks as flows, the store, the way to the tracker.

Latency is one way and per message. A dial takes three round trips (TCP, Noise, both hellos). A machine that is dead or
frozen swallows what is sent to it; who waits for it finds out as its node does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.border import Border
from sim.network import Line, Network
from sim.store import Store
from sim.wire import Job, Wire
from sim.world import World
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.protocol.ids import ConnectionId, Index
from swarm.protocol.messages import Direction, Message

if TYPE_CHECKING:
    from sim.machine import Machine
    from sim.tracker import TrackerMachine

DIAL_ROUND_TRIPS = 3
"""TCP, Noise, both hellos."""

DIAL_TIMEOUT_S = 10.0

UNREACHABLE_S = 1.0
"""How soon a driver is told that there is no way to a machine: some firewalls answer, some do not."""

DISCOVERY_S = 0.2
"""How long zeroconf takes to name a machine to another."""


class Fabric:
    """Every machine, by address, and every connection."""

    def __init__(self, world: World, latency_s: float) -> None:
        self.world = world
        self.latency_s = latency_s
        self.queue_s = 0.0
        self.network = Network(world)
        self.machines: dict[str, Machine] = {}
        self.tracker: TrackerMachine | None = None
        self.store: Store | None = None
        self.messages = 0
        self.lengths: tuple[int, ...] = ()
        self.borders: dict[str, Border] = {}
        """Of sites, where there are several."""
        self.is_calm = True
        """Nobody has left, died, frozen or lost a connection so far."""
        self.on_given: Callable[[int], None] = _ignore
        """A block has left the origin whole."""
        self._next_connection = 0

    def add(self, machine: Machine) -> None:
        """A machine is there."""
        self.machines[machine.address] = machine

    def new_connection(self) -> ConnectionId:
        """A number for a connection, the same at both ends."""
        self._next_connection += 1
        return ConnectionId(self._next_connection)

    def disturbed(self) -> None:
        """Something happened after which a block may have to leave the origin again."""
        self.is_calm = False

    # --- connections ----------------------------------------------------------------------------

    def dial(self, dialer: Machine, command: c.Dial) -> None:
        """Tries to connect."""
        target = self.machines.get(command.peer.addresses[0])
        if target is None:
            self.world.after(dialer.latency_s, dialer.submit, e.DialFailed(command.peer.agent_id, "unknown address"))
            return
        if target.is_hidden:
            self.world.after(UNREACHABLE_S, dialer.submit, e.DialFailed(target.agent, "no route"))
            return
        direction = Direction.TO_DIALER if command.dial_nonce is None else Direction.TO_ACCEPTOR
        self.world.after(2 * DIAL_ROUND_TRIPS * _latency_s(dialer, target), self._met, dialer, target, direction)

    def _met(self, dialer: Machine, target: Machine, direction: Direction) -> None:
        if dialer.is_dead:
            return
        if dialer.is_frozen or target.is_frozen or target.started_at is None:
            self.world.after(DIAL_TIMEOUT_S, dialer.submit, e.DialFailed(target.agent, "no answer"))
            return
        if target.left_at is not None:
            dialer.submit(e.DialFailed(target.agent, "refused"))
            return
        latency_s = _latency_s(dialer, target)
        wire = Wire(self.new_connection(), dialer, target, direction, latency_s + self.queue_s)
        dialer.wires[wire.id] = target.wires[wire.id] = wire
        for machine in (dialer, target):
            other = wire.other(machine)
            machine.submit(
                e.PeerConnected(
                    wire.id,
                    other.info,
                    direction,
                    sends_blocks=wire.sender is machine,
                    reads_store=other.reads_store,
                    rtt_s=2 * latency_s,
                )
            )

    def close(self, wire: Wire, reason: str) -> None:
        """Ends a connection; the other end hears of it after the latency."""
        if not wire.is_open:
            return
        wire.is_open = False
        for job in wire.queue:
            if job.flow is not None:
                self.network.stop(job.flow)
        wire.queue.clear()
        for machine in (wire.dialer, wire.acceptor):
            self.world.after(wire.latency_s, self._closed, wire, machine, reason)

    def reset(self, wire: Wire) -> None:
        """A connection is lost with all that is on its way."""
        wire.is_reset = True
        self.disturbed()
        self.close(wire, "connection reset")

    def _closed(self, wire: Wire, machine: Machine, reason: str) -> None:
        if machine.wires.pop(wire.id, None) is not None:
            machine.submit(e.PeerDisconnected(wire.id, reason))

    def send(self, wire: Wire, sender: Machine, message: Message) -> None:
        """A control message."""
        if wire.is_open:
            self.messages += 1
            receiver = wire.acceptor if sender is wire.dialer else wire.dialer
            self.world.after(wire.latency_s, self._deliver, wire, receiver, message)

    def _deliver(self, wire: Wire, receiver: Machine, message: Message) -> None:
        # What was sent before a close arrives before it, unless the connection was lost.
        if wire.id in receiver.wires and not wire.is_reset:
            receiver.submit(e.MessageReceived(wire.id, message))  # type: ignore[arg-type]

    # --- blocks ---------------------------------------------------------------------------------

    def send_block(self, wire: Wire, job: Job) -> None:
        """Queues a block behind those of the same connection."""
        wire.queue.append(job)
        wire.sender.busy[wire] = wire.receiver.busy[wire] = None
        if len(wire.queue) == 1:
            self._start(wire)

    def _start(self, wire: Wire) -> None:
        job, processor = wire.queue[0], wire.sender.processor
        if processor is None:
            self._flow(wire, job)
        else:
            processor.give_first(self._flow, wire, job)

    def _flow(self, wire: Wire, job: Job) -> None:
        if not wire.queue or wire.queue[0] is not job:
            return  # cancelled, or the connection has ended, while it waited for the processor
        size = self.lengths[job.index]
        sender, receiver = wire.sender, wire.receiver
        quickest_s = size / min(sender.up_rate, receiver.down_rate)
        if sender.processor is not None:
            sender.processor.give_rest(size, quickest_s)
        if receiver.processor is not None:
            receiver.processor.take(size, quickest_s)
        between = self.between(sender.site, receiver.site) if self.borders else ()
        job.flow = self.network.start(sender.up, receiver.down, size, lambda: self._sent(wire, job), between=between)

    def between(self, source: str | None, target: str) -> tuple[Line, ...]:
        """The borders on the way from a site (None: from outside of all) to another."""
        if source == target or target not in self.borders:
            return ()
        into = self.borders[target].into
        return (into,) if source is None else (self.borders[source].out, into)

    def _sent(self, wire: Wire, job: Job) -> None:
        assert wire.queue[0] is job
        wire.queue.pop(0)
        wire.note_end(job, self.lengths[job.index])
        sender, receiver = wire.sender, wire.receiver
        sender.busy[wire] = receiver.busy[wire] = None
        self.world.after(wire.latency_s, self._arrive, wire, receiver, job, sender.lies)
        if wire.queue:
            self._start(wire)
        if sender.is_origin:
            self.on_given(job.index)
        sender.submit(e.BlockSent(wire.id, job.request, job.version, job.index, self.lengths[job.index]))

    def _arrive(self, wire: Wire, receiver: Machine, job: Job, is_wrong: bool) -> None:
        receiver.block_came(wire, job, is_wrong)

    def cancel(self, wire: Wire, request: int, index: Index) -> None:
        """Stops sending a block at once; both ends hear of it."""
        for place, job in enumerate(wire.queue):
            if (job.request, job.index) == (request, index):
                del wire.queue[place]
                if job.flow is not None:
                    self.network.stop(job.flow)
                    wire.note_end(job, int(job.flow.size - job.flow.left))
                if place == 0 and wire.queue:
                    self._start(wire)
                self._aborted(wire, job)
                return

    def _aborted(self, wire: Wire, job: Job) -> None:
        failed = e.SendFailed(wire.id, job.request, job.version, job.index, is_lost=False)
        self.world.after(0.0, wire.sender.submit, failed)
        self.world.after(wire.latency_s, self._abort, wire, job)

    def _abort(self, wire: Wire, job: Job) -> None:
        wire.receiver.block_aborted(wire, job, False)

    def progress(self, machine: Machine, reads: dict[Index, int]) -> e.Progressed | None:
        """What moved at a machine since the last report."""
        received: list[e.Transfer] = []
        sent: list[e.Transfer] = []
        heard: list[ConnectionId] = []
        for wire in list(machine.busy):
            if wire.id not in machine.wires or not (wire.queue or wire.sent or wire.received):
                del machine.busy[wire]
                continue
            job = wire.queue[0] if wire.queue else None
            moved = int(self.network.moved(job.flow)) if job is not None and job.flow is not None else 0
            transfers = wire.take(job, moved, machine)
            if not transfers:
                continue
            if wire.sender is machine:
                sent += transfers
            else:
                received += transfers
                heard.append(wire.id)
        store_reads = self.store.progress(machine, reads) if self.store is not None else ()
        if not received and not sent and not store_reads:
            return None
        return e.Progressed(tuple(received), tuple(sent), tuple(heard), store_reads)

    # --- store ----------------------------------------------------------------------------------

    def read_store(self, machine: Machine, index: Index) -> None:
        """Reads a block from the store."""
        if self.store is None:
            self.world.after(0.0, machine.store_failed, index, "unavailable")
        else:
            self.store.read(machine, index)

    def cancel_read(self, machine: Machine, index: Index) -> None:
        """Closes a read."""
        if self.store is not None:
            self.store.cancel(machine, index)

    # --- discovery ------------------------------------------------------------------------------

    def discover(self, machine: Machine) -> None:
        """Without a tracker: machines on one LAN find each other, a moment after they have begun."""
        others = [m for m in self.machines.values() if m is not machine and m.started_at is not None]
        infos = tuple(other.info for other in others if other.left_at is None)
        if infos:
            self.world.after(DISCOVERY_S, machine.submit, e.PeersFound(None, infos))
        for other in others:
            self.world.after(DISCOVERY_S, other.submit, e.PeersFound(None, (machine.info,)))

    # --- tracker --------------------------------------------------------------------------------

    def connect_tracker(self, machine: Machine) -> bool:
        """Whether the tracker answers; it is then connected after three round trips."""
        if self.tracker is None or not self.tracker.is_up:
            return False
        self.world.after(2 * DIAL_ROUND_TRIPS * machine.latency_s, self.tracker.accept, machine)
        return True

    def send_tracker(self, machine: Machine, connection: ConnectionId, message: Message) -> None:
        """A message to the tracker."""
        if self.tracker is not None:
            self.messages += 1
            self.world.after(machine.latency_s, self.tracker.receive, connection, message)

    def leave_tracker(self, machine: Machine, connection: ConnectionId) -> None:
        """A machine closes its connection to the tracker."""
        machine.tracker_wire = None
        if self.tracker is not None:
            self.world.after(machine.latency_s, self.tracker.gone, connection)


def _latency_s(one: Machine, other: Machine) -> float:
    return (one.latency_s + other.latency_s) / 2


def _ignore(_index: int) -> None:
    """Nobody counts."""
