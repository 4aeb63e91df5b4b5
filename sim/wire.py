"""Connections between simulated machines: messages after a latency, blocks one after the other, cancel and abort.

One connection has one id for both its ends. What is on its way to an end that is closed, frozen or dead is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.network import Flow
from swarm.exchange.events import Transfer
from swarm.protocol.ids import ConnectionId, Index, VersionId
from swarm.protocol.messages import Direction

if TYPE_CHECKING:
    from sim.machine import Machine


@dataclass(slots=True, eq=False)
class Job:
    """One block to be sent."""

    request: int
    version: VersionId
    index: Index
    reported: int = 0
    """Bytes that the sender's node has heard of."""
    reported_down: int = 0
    flow: Flow | None = None


@dataclass(slots=True, eq=False)
class Wire:
    """One connection. `expected`: requests whose blocks the receiver waits for."""

    id: ConnectionId
    dialer: Machine
    acceptor: Machine
    direction: Direction
    latency_s: float
    queue: list[Job] = field(default_factory=list)
    """The first is being sent."""
    expected: dict[int, set[int]] = field(default_factory=dict)
    is_open: bool = True
    is_reset: bool = False
    """Lost, with all that was on its way."""
    sent: list[Transfer] = field(default_factory=list)
    """Ends of blocks that have gone and that the sender's node has not heard of, and the same for the receiver's."""
    received: list[Transfer] = field(default_factory=list)
    sender: Machine = field(init=False)
    """Who sends blocks on it."""
    receiver: Machine = field(init=False)

    def __post_init__(self) -> None:
        ends = (self.acceptor, self.dialer)
        self.sender, self.receiver = ends if self.direction is Direction.TO_DIALER else ends[::-1]

    def note_end(self, job: Job, moved: int) -> None:
        """A block has gone, or been aborted: its last bytes are reported with the next progress."""
        if moved > job.reported:
            self.sent.append(Transfer(self.id, job.request, job.index, moved - job.reported))
        if moved > job.reported_down:
            self.received.append(Transfer(self.id, job.request, job.index, moved - job.reported_down))
        job.reported = job.reported_down = moved

    def take(self, job: Job | None, moved: int, machine: Machine) -> list[Transfer]:
        """What moved since the last call, as one end sees it. `job`: what is being sent, with its bytes so far."""
        is_sender = machine is self.sender
        rest = self.sent if is_sender else self.received
        transfers = rest[:]
        rest.clear()
        so_far = moved if job is None else job.reported if is_sender else job.reported_down
        if job is not None and moved > so_far:
            transfers.append(Transfer(self.id, job.request, job.index, moved - so_far))
            if is_sender:
                job.reported = moved
            else:
                job.reported_down = moved
        return transfers

    def other(self, machine: Machine) -> Machine:
        """The other end."""
        return self.acceptor if machine is self.dialer else self.dialer
