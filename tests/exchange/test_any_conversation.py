"""Whatever peers, trackers and drivers say, in whatever order: no exception, and every part agrees with every other."""

from __future__ import annotations

from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId, Index, VersionId
from swarm.protocol.messages import Direction
from tests.examples import examples
from tests.exchange.script import LENGTH, VERSION, Script, agent, info

BLOCKS = 6
OTHER = VersionId(b"w" * 32)

connections = st.integers(1, 8).map(ConnectionId)
versions = st.sampled_from((VERSION, VERSION, VERSION, OTHER))
handles = st.integers(0, 3)
indexes = st.integers(0, BLOCKS).map(Index)
numbers = st.integers(0, 6)
runs = st.lists(st.tuples(st.integers(0, BLOCKS), st.integers(0, 3)), max_size=3).map(tuple)
proper_runs = st.integers(0, BLOCKS - 1).map(lambda first: ((first, 1),))
some_runs = st.one_of(proper_runs, runs)
bits = st.one_of(st.integers(0, 2**BLOCKS - 1).map(lambda v: bytes([v << (8 - BLOCKS)])), st.binary(max_size=2))
agents = st.integers(1, 5)

messages = st.one_of(
    st.builds(m.Open, handles, versions),
    st.builds(m.Bitfield, handles, bits, st.none() | bits),
    st.builds(m.Want, handles, some_runs),
    st.builds(m.Haves, st.lists(st.tuples(handles, some_runs), max_size=2).map(tuple)),
    st.builds(m.Lost, handles, some_runs, st.sampled_from(m.LostReason)),
    st.builds(m.Ready, numbers, handles, some_runs, st.none() | some_runs),
    st.builds(m.Request, numbers, numbers, handles, some_runs),
    st.builds(m.Decline, numbers, st.sampled_from(m.DeclineReason)),
    st.builds(m.Credit, st.integers(0, 3), st.integers(0, 1 << 20)),
    st.builds(m.Cancel, numbers),
    st.builds(m.Denied, handles, st.just("no"), agents.map(lambda number: (info(number),))),
    st.builds(m.Busy, st.floats(0, 100), agents.map(lambda number: (info(number),))),
    st.builds(m.DialMe, st.just(("/memory/9",)), st.just(bytes(16)), st.none(), st.none() | agents.map(agent)),
    st.just(m.Alive()),
    st.builds(m.HandOut, versions, agents.map(lambda number: (info(number),))),
    st.builds(m.Share, numbers, versions, some_runs),
    st.builds(m.Welcome, numbers, st.just(bytes(32))),
    st.builds(m.LeaseGrant, st.binary(max_size=8)),
    st.builds(m.LeaseFenced, numbers, numbers),
)

lengths = st.sampled_from((0, LENGTH))
transfers = st.lists(st.builds(e.Transfer, connections, numbers, indexes, lengths), max_size=2).map(tuple)

connected = st.builds(
    e.PeerConnected,
    connections,
    st.builds(info, agents, is_origin=st.booleans()),
    st.sampled_from(Direction),
    st.booleans(),
    st.booleans(),
    st.just(0.001),
)
heard = st.builds(e.MessageReceived, connections, messages)
others = st.one_of(
    st.builds(
        e.SessionOpened,
        versions,
        st.just(()),
        st.just(BLOCKS),
        st.just(4 * LENGTH),
        proper_runs,
        st.none() | proper_runs,
        st.booleans(),
        st.booleans(),
    ),
    st.builds(e.SessionClosed, versions),
    st.builds(e.VersionUnknown, versions),
    st.builds(e.LengthsLearned, versions, indexes, st.just((LENGTH,) * 3)),
    st.builds(e.WantChanged, versions, proper_runs),
    st.builds(e.WantBy, versions, indexes, st.floats(0, 200)),
    st.builds(e.BlocksFound, versions, proper_runs),
    st.builds(e.BlocksLost, versions, proper_runs, st.integers(0, 2)),
    st.builds(e.PeersFound, st.none() | versions, agents.map(lambda number: (info(number),))),
    st.builds(e.PeerDisconnected, connections, st.just("closed")),
    st.builds(e.DialFailed, agents.map(agent), st.just("no")),
    st.builds(e.TrackerConnected, connections, st.just(0.001)),
    st.builds(e.TrackerLost, st.just("gone")),
    st.builds(e.Progressed, transfers, transfers, st.lists(connections, max_size=2).map(tuple)),
    st.builds(e.BlockArrived, connections, numbers, versions, indexes, lengths),
    st.builds(e.BlockRefused, connections, numbers, versions, indexes, lengths),
    st.builds(e.BlockAborted, connections, numbers, versions, indexes, st.booleans()),
    st.builds(e.BlockSent, connections, numbers, versions, indexes, lengths),
    st.builds(e.SendFailed, connections, numbers, versions, indexes, st.booleans()),
    st.builds(e.StoreRead, versions, indexes, lengths),
    st.builds(
        e.StoreFailed,
        versions,
        indexes,
        st.sampled_from(("missing", "corrupt", "slow_down", "unavailable", "cancelled")),
        st.just("text"),
    ),
    st.builds(e.LimitsChanged, st.none() | st.integers(1, 10**6), st.none(), st.none()),
    st.just(e.Ticked()),
)
steps = st.tuples(st.one_of(heard, heard, connected, others), st.sampled_from((0.0, 0.01, 0.1, 1.0, 2.5)))


def is_told_before(event: e.Event, connected_before: dict[ConnectionId, None]) -> bool:
    """A driver numbers each connection once, and never reports one twice."""
    if isinstance(event, e.PeerConnected | e.TrackerConnected):
        if event.connection in connected_before:
            return True
        connected_before[event.connection] = None
    return False


@settings(max_examples=examples(100))
@given(
    story=st.lists(steps, max_size=60),
    is_origin=st.booleans(),
    reads_store=st.booleans(),
    has_tracker=st.booleans(),
    leaves=st.booleans(),
)
def test_any_conversation_leaves_a_node_that_agrees_with_itself(
    story: list[tuple[e.Event, float]], is_origin: bool, reads_store: bool, has_tracker: bool, leaves: bool
) -> None:
    node = Script(has_tracker=has_tracker)
    node.open(blocks=BLOCKS, have=((0, BLOCKS),) if is_origin else (), is_origin=is_origin, reads_store=reads_store)
    known: dict[ConnectionId, None] = {}
    for event, pause in story:
        if is_told_before(event, known):
            continue
        node.now += pause
        assert all(isinstance(command, c.Command) for command in node.tell(event))
        for index in range(-1, BLOCKS + 1):
            wait = node.node.wait(VERSION, index, node.now)
            assert str(wait)
            assert wait.since_s > -1e-6
            assert wait.bound_s is None or wait.bound_s >= 0
        lacking = sum(session.lacking for session in node.node.statistics().sessions if session.version == VERSION)
        assert sum(blocks for _, blocks in node.node.waits(VERSION, node.now)) == lacking
    if leaves:
        node.tell(e.LeaveAsked())
    node.wait(6.0)
    node.node.statistics()


def test_every_event_has_somebody_who_hears_it() -> None:
    routes = Script().node._on
    assert set(routes) == set(get_args(e.Event))
