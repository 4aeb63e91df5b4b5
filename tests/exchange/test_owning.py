"""Who reads the store where no tracker leases: eight readers in all, and an owner for each block among them."""

from __future__ import annotations

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.ownership import seed_of
from swarm.exchange.owning import DISCOVERY_S, READERS
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId, Index
from tests.exchange.script import LENGTH, VERSION, Script, agent, info, of

OWN = seed_of(agent(100), VERSION)
FIRST = [number for number in range(1, 100) if seed_of(agent(number), VERSION) < OWN]
LATER = [number for number in range(1, 100) if seed_of(agent(number), VERSION) > OWN]


def reader(node: Script, number: int) -> ConnectionId:
    """A neighbour that reads the store and lacks everything."""
    connection, _ = node.connect(number, sends_blocks=True, reads_store=True)
    node.hear(connection, m.Open(0, VERSION))
    node.meet(connection, 0, have=(), want=None)
    return connection


def crowd(numbers: list[int], *, blocks: int = 64) -> tuple[Script, list[ConnectionId]]:
    node = Script(waits_for_lan=True)
    node.open(reads_store=True, blocks=blocks)
    return node, [reader(node, number) for number in numbers]


def test_nothing_is_read_before_others_had_the_time_to_be_discovered() -> None:
    node, _ = crowd([])
    assert not of(node.wait(DISCOVERY_S - 0.1), c.ReadStore)
    assert of(node.wait(0.3), c.ReadStore)


def test_of_many_only_the_first_eight_read() -> None:
    few, alive = crowd(FIRST[: READERS - 1] + LATER[:9])
    assert of(few.wait(4.0, alive=alive), c.ReadStore)
    many, alive = crowd(FIRST[:READERS] + LATER[:8])
    assert not of(many.wait(4.0, alive=alive), c.ReadStore)


def test_the_ninth_reads_when_one_of_the_first_eight_has_gone() -> None:
    node, alive = crowd(FIRST[:READERS])
    assert not of(node.wait(4.0, alive=alive), c.ReadStore)
    commands = node.tell(e.PeerDisconnected(alive[0], "gone")) + node.wait(1.0, alive=alive[1:])
    assert of(commands, c.ReadStore)


def test_who_may_come_first_is_asked_before_anything_is_read() -> None:
    node, alive = crowd(FIRST[: READERS - 2])
    strangers = tuple(info(number) for number in FIRST[READERS - 2 : READERS])
    dials = [each.peer.agent_id for each in of(node.tell(e.PeersFound(None, strangers)), c.Dial)]
    assert set(dials) == {stranger.agent_id for stranger in strangers}
    assert not of(node.wait(2.0, alive=alive), c.ReadStore)
    for stranger in strangers:
        node.tell(e.DialFailed(stranger.agent_id, "no way"))
    assert of(node.wait(1.0, alive=alive), c.ReadStore)


def test_a_colleague_is_let_in_where_all_room_is_taken() -> None:
    node, _ = crowd([])
    node.node._state.config = type(node.node._state.config)(node.node._state.config.peer_id, neighbours_max=0)
    node.tell(e.PeersFound(None, (info(FIRST[0]),)))
    node.wait(0.2)
    assert not of(node.connect(FIRST[0], sends_blocks=True, reads_store=True)[1], c.Disconnect)
    assert of(node.connect(101, sends_blocks=True, reads_store=True)[1], c.Disconnect)


def test_an_owner_that_could_not_get_a_block_is_skipped() -> None:
    node, (other,) = crowd(FIRST[:1], blocks=32)
    read = set[int]()
    pending = [each.index for each in of(node.wait(3.0, alive=[other]), c.ReadStore)]
    while pending:
        read.add(pending[0])
        pending = [each.index for each in of(node.tell(e.StoreRead(VERSION, pending[0], LENGTH)), c.ReadStore)]
    theirs = sorted(set(range(32)) - read)
    assert theirs
    node.hear(other, m.Lost(0, ((theirs[0], 1),), m.LostReason.STORE_FAILED))
    assert of(node.wait(0.2, alive=[other]), c.ReadStore) == [c.ReadStore(VERSION, Index(theirs[0]), None)]
