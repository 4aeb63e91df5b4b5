"""The production tracker's mind on a simulated machine: messages after a latency, outages, restarts that forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.dataset import Dataset
from swarm.exchange import events as e
from swarm.protocol.ids import ConnectionId
from swarm.protocol.keys import SigningKey
from swarm.protocol.lease import sign_lease, verify_lease
from swarm.protocol.messages import Message
from swarm.tracker import commands as tc
from swarm.tracker import events as te
from swarm.tracker.core import Tracker
from swarm.tracker.rules import TrackerRules

if TYPE_CHECKING:
    from sim.fabric import Fabric
    from sim.machine import Machine

KEY = SigningKey.from_seed(b"simulated tracker key".ljust(32, b"."))


class TrackerMachine:
    """Knows the dataset's shape, as a tracker that has seen its root does."""

    def __init__(self, fabric: Fabric, dataset: Dataset) -> None:
        self.is_up = False
        self.mind: Tracker | None = None
        self._fabric = fabric
        self._dataset = dataset
        self._machines: dict[ConnectionId, Machine] = {}
        self._starts = 0
        self._wake_at = float("inf")

    def start(self) -> None:
        """Begins with nothing in its memory."""
        world = self._fabric.world
        self._starts += 1
        rules = TrackerRules(
            epoch=1_000_000 + self._starts,
            key=KEY.public_key,
            sign=lambda lease: sign_lease(lease, KEY),
            verify=lambda token: verify_lease(token, KEY.public_key),
            first_number=1_000_000 * self._starts,
            is_first_start=self._starts == 1,
        )
        self.mind = Tracker(rules, world.rng(f"tracker {self._starts}"), world.now)
        self.is_up = True
        dataset = self._dataset
        self._handle(te.VersionLearned(dataset.version, len(dataset.page_lengths), dataset.size))

    def stop(self) -> None:
        """Is gone at once, with everything that it knew."""
        self.is_up = False
        self.mind = None
        machines, self._machines = self._machines, {}
        for machine in machines.values():
            machine.tracker_wire = None
            self._fabric.world.after(machine.latency_s, self._lost, machine)

    def reset(self, machine: Machine) -> None:
        """The connection to a machine is lost."""
        if machine.tracker_wire in self._machines:
            connection = machine.tracker_wire
            assert connection is not None
            machine.tracker_wire = None
            self.gone(connection)
            self._fabric.world.after(machine.latency_s, self._lost, machine)

    def _lost(self, machine: Machine) -> None:
        machine.submit(e.TrackerLost("the connection was closed"))
        machine.seek_tracker()

    def accept(self, machine: Machine) -> None:
        """A machine has connected."""
        if machine.is_dead or machine.left_at is not None:
            return
        if not self.is_up:
            machine.seek_tracker()
            return
        connection = self._fabric.new_connection()
        machine.tracker_wire = connection
        self._machines[connection] = machine
        self._handle(te.AgentConnected(connection, machine.info, machine.reads_store))
        machine.submit(e.TrackerConnected(connection, 2 * machine.latency_s))

    def receive(self, connection: ConnectionId, message: Message) -> None:
        """A message came."""
        if connection in self._machines:
            self._handle(te.MessageReceived(connection, message))

    def gone(self, connection: ConnectionId) -> None:
        """A machine has closed its connection."""
        if self._machines.pop(connection, None) is not None:
            self._handle(te.AgentGone(connection, "closed"))

    def _handle(self, event: te.Event) -> None:
        if self.mind is None:
            return
        for command in self.mind.handle(event, self._fabric.world.now):
            self._perform(command)
        self._arm()

    def _perform(self, command: tc.Command) -> None:
        match command:
            case tc.Send():
                self._fabric.messages += 1
                self._send(command)
            case tc.Disconnect():
                machine = self._machines.pop(command.connection, None)
                self._handle(te.AgentGone(command.connection, command.reason))
                if machine is not None and machine.tracker_wire == command.connection:
                    machine.tracker_wire = None
                    self._fabric.world.after(machine.latency_s, self._lost, machine)
            case tc.LookUp() | tc.PresignAndSend():
                raise NotImplementedError(command)

    def _send(self, command: tc.Send) -> None:
        machine = self._machines.get(command.connection)
        delay_s = self._fabric.latency_s if machine is None else machine.latency_s
        self._fabric.world.after(delay_s, self._deliver, command.connection, command.message)

    def _deliver(self, connection: ConnectionId, message: Message) -> None:
        machine = self._machines.get(connection)
        if machine is not None and machine.tracker_wire == connection:
            machine.submit(e.MessageReceived(connection, message))  # type: ignore[arg-type]

    def _arm(self) -> None:
        deadline = self.mind.next_deadline() if self.mind is not None else None
        if deadline is not None and deadline < self._wake_at:
            self._wake_at = deadline
            self._fabric.world.at(deadline, self._wake, deadline)

    def _wake(self, deadline: float) -> None:
        if deadline != self._wake_at:
            return
        self._wake_at = float("inf")
        due = self.mind.next_deadline() if self.mind is not None else None
        if due is not None and due <= self._fabric.world.now + 1e-9:
            self._handle(te.Ticked())
        else:
            self._arm()
