"""One node and the facts that it is told: tests read as scripts of events and expected commands.

node = Script()
node.open(blocks=4)
node.connect(SENDER, receives=True)
assert node.hear(SENDER, Ready(...)) == [...]
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TypeVar

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.bitset import bitfield_of, mask_of
from swarm.exchange.config import NodeConfig
from swarm.exchange.node import Node
from swarm.exchange.policies import Policies
from swarm.protocol import messages as m
from swarm.protocol.ids import AgentId, ConnectionId, Index, PeerId, Runs, VersionId
from swarm.protocol.messages import Direction, PeerInfo

VERSION = VersionId(b"v" * 32)
LENGTH = 1000
T = TypeVar("T")


def agent(number: int) -> AgentId:
    return AgentId(bytes([number]) * 32)


def info(number: int, *, is_origin: bool = False, site: str = "") -> PeerInfo:
    return PeerInfo(agent(number), PeerId(f"peer{number:03d}"), (f"/memory/{number}",), site, is_origin)


class Script:
    """The node under test is agent 100 (`peer100`). Connections are numbered as they are made."""

    def __init__(
        self,
        *,
        policies: Policies | None = None,
        has_tracker: bool = False,
        waits_for_lan: bool = False,
        seed: int = 1,
        site: str = "",
    ) -> None:
        config = NodeConfig(PeerId("peer100"), has_tracker=has_tracker, waits_for_lan=waits_for_lan)
        self.node = Node(config, Random(seed), agent(100), site, policies)
        self.now = 100.0
        self.size = 0
        self._connections = 0

    # --- events ---------------------------------------------------------------------------------

    def tell(self, event: e.Event) -> list[c.Command]:
        """Handles one event; the node's own checks run after it."""
        commands = self.node.handle(event, self.now)
        self.node.next_deadline()
        self.node.check()
        return commands

    def wait(self, seconds: float, *, alive: Iterable[ConnectionId] = ()) -> list[c.Command]:
        """Time passes, in ticks of a tenth of a second; `alive` connections are heard of all the while."""
        commands: list[c.Command] = []
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            if heard := tuple(alive):
                commands += self.tell(e.Progressed((), (), heard))
            commands += self.tell(e.Ticked())
        return commands

    def open(
        self,
        *,
        blocks: int = 8,
        have: Runs = (),
        is_origin: bool = False,
        reads_store: bool = False,
        want: Runs | None = None,
    ) -> list[c.Command]:
        """A session without pages, all blocks of one length."""
        self.size = blocks
        commands = self.tell(e.SessionOpened(VERSION, (), blocks, 4 * LENGTH, have, want, is_origin, reads_store))
        return commands + self.tell(e.LengthsLearned(VERSION, Index(0), (LENGTH,) * blocks))

    def connect(
        self, number: int, *, sends_blocks: bool, is_origin: bool = False, reads_store: bool = False, site: str = ""
    ) -> tuple[ConnectionId, list[c.Command]]:
        """A connection with agent `number`, dialled by whoever receives; returns its number and the commands."""
        self._connections += 1
        connection = ConnectionId(self._connections)
        event = e.PeerConnected(
            connection,
            info(number, is_origin=is_origin, site=site),
            Direction.TO_DIALER,
            sends_blocks,
            reads_store,
            0.001,
        )
        return connection, self.tell(event)

    def receiver(
        self, number: int, *, have: Runs = (), want: Runs | None = None, slots: int = 2, site: str = ""
    ) -> ConnectionId:
        """A neighbour that receives from us: connected, met, with credit."""
        connection, _ = self.connect(number, sends_blocks=True, site=site)
        self.hear(connection, m.Open(0, VERSION))
        self.meet(connection, 0, have=have, want=want)
        self.hear(connection, m.Credit(slots, 1 << 20))
        return connection

    def sender(self, number: int, *, have: Runs, is_origin: bool = False, site: str = "") -> ConnectionId:
        """A neighbour that sends to us: connected and met."""
        connection, commands = self.connect(number, sends_blocks=False, is_origin=is_origin, site=site)
        handle = sent(commands, connection, m.Open)[0].handle
        self.meet(connection, handle, have=have, want=())
        return connection

    def meet(self, connection: ConnectionId, handle: int, *, have: Runs, want: Runs | None) -> list[c.Command]:
        wanted = None if want is None else bitfield_of(mask_of(want), self.size)
        return self.hear(connection, m.Bitfield(handle, bitfield_of(mask_of(have), self.size), wanted))

    def hear(self, connection: ConnectionId, message: m.ExchangeMessage) -> list[c.Command]:
        return self.tell(e.MessageReceived(connection, message))

    def track(self) -> ConnectionId:
        """A tracker is connected and has said welcome."""
        self._connections += 1
        connection = ConnectionId(self._connections)
        self.tell(e.TrackerConnected(connection, 0.001))
        return connection


def sent(commands: Iterable[c.Command], connection: ConnectionId, kind: type[T]) -> list[T]:
    """The messages of a kind that go out on a connection."""
    return [
        command.message
        for command in commands
        if isinstance(command, c.Send) and command.connection == connection and isinstance(command.message, kind)
    ]


def of(commands: Iterable[c.Command], kind: type[T]) -> list[T]:
    """The commands of a kind."""
    return [command for command in commands if isinstance(command, kind)]
