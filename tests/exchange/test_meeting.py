"""Connections and versions: who is let in, who is put out, and what is believed of what neighbours say."""

from __future__ import annotations

import itertools

import pytest

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.config import DEGREE, HAVES_LAST_S, HAVES_S, OFFENCES_MAX
from swarm.exchange.policies import Policies
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId, Index
from swarm.protocol.messages import Direction
from tests.exchange.script import LENGTH, VERSION, Script, agent, info, of, sent


def test_the_receiver_opens_what_it_lacks_and_says_what_it_has() -> None:
    node = Script()
    node.open(blocks=8, have=((0, 2),))
    connection, commands = node.connect(1, sends_blocks=False)
    assert sent(commands, connection, m.Open) == [m.Open(0, VERSION)]
    assert sent(commands, connection, m.Bitfield) == [m.Bitfield(0, b"\xc0", None)]


def test_a_version_that_is_not_open_is_looked_up_before_it_is_denied() -> None:
    node = Script()
    connection, _ = node.connect(1, sends_blocks=True)
    assert of(node.hear(connection, m.Open(0, VERSION)), c.LoadVersion) == [c.LoadVersion(VERSION)]
    commands = node.tell(e.VersionUnknown(VERSION))
    assert [each.handle for each in sent(commands, connection, m.Denied)] == [0]


def test_who_asked_while_it_was_looked_up_is_answered() -> None:
    node = Script()
    connection, _ = node.connect(1, sends_blocks=True)
    node.hear(connection, m.Open(0, VERSION))
    commands = node.open(blocks=8, have=((0, 8),), want=())
    assert sent(commands, connection, m.Bitfield) == [m.Bitfield(0, b"\xff", b"\x00")]


def test_what_was_said_while_it_was_looked_up_is_heard_when_it_is_open() -> None:
    """Who opens says what it has at once and never again: a version opened on demand was given to nobody."""
    node = Script()
    connection, _ = node.connect(1, sends_blocks=True)
    node.hear(connection, m.Open(0, VERSION))
    node.hear(connection, m.Bitfield(0, b"\x00", b"\xff"))
    node.hear(connection, m.Haves(((0, ((7, 1),)),)))
    node.hear(connection, m.Credit(2, 1 << 20))
    commands = node.open(blocks=8, have=((0, 8),), want=())
    assert sent(commands, connection, m.Ready)
    node.node.check()


def test_who_says_nonsense_while_it_is_looked_up_is_put_out_when_it_is_open() -> None:
    node = Script()
    connection, _ = node.connect(1, sends_blocks=True)
    node.hear(connection, m.Open(0, VERSION))
    node.hear(connection, m.Bitfield(0, b"\x00" * 99, None))
    commands = node.open(blocks=8, have=((0, 8),), want=())
    assert of(commands, c.Disconnect)
    node.node.check()


def test_a_flood_while_it_is_looked_up_is_bounded() -> None:
    node = Script()
    connection, _ = node.connect(1, sends_blocks=True)
    node.hear(connection, m.Open(0, VERSION))
    floods = [node.hear(connection, m.Bitfield(0, bytes(1 << 19), None)) for _ in range(20)]
    assert any(of(commands, c.Disconnect) for commands in floods)
    node.node.check()


def test_a_refusal_that_was_overtaken_by_consent_on_the_other_connection_is_asked_again() -> None:
    """The two connections of a pair overtake each other; without this the pair stayed silent for ever."""
    node = Script()
    node.open(blocks=8)
    receiving, _ = node.connect(1, sends_blocks=False)
    sending, _ = node.connect(1, sends_blocks=True)
    node.hear(sending, m.Open(0, VERSION))
    commands = node.hear(receiving, m.Denied(0, "unknown"))
    assert sent(commands, receiving, m.Open)


def test_a_refusal_is_not_asked_again_and_again() -> None:
    node = Script()
    node.open(blocks=8)
    receiving, _ = node.connect(1, sends_blocks=False)
    commands = node.hear(receiving, m.Denied(0, "unknown")) + node.wait(3.0, alive=[receiving])
    assert sent(commands, receiving, m.Open) == []


NONSENSE = (
    m.Bitfield(0, b"\xff" * 9, None),
    m.Bitfield(0, b"", None),
    m.Bitfield(7, b"\xff", None),
    m.Haves(((0, ((5, 100),)),)),
    m.Haves(((9, ((0, 1),)),)),
    m.Want(0, ((8, 1),)),
    m.Lost(0, ((0, 9),), m.LostReason.REMOVED),
    m.Ready(1, 0, ((8, 1),), None),
    m.Ready(1, 5, (), None),
    m.Ready(1, 0, (), ((0, 1), (7, 5))),
    m.Request(0, 0, 0, ((0, 1),)),
    m.Decline(12345, m.DeclineReason.NOTHING),
)


@pytest.mark.parametrize("message", NONSENSE, ids=lambda message: type(message).__name__)
def test_nonsense_ends_the_connection_and_nothing_else(message: m.PeerMessage) -> None:
    node = Script()
    node.open(blocks=8)
    bad, good = node.sender(1, have=((0, 8),)), node.sender(2, have=((0, 8),))
    commands = node.hear(bad, message)
    assert [each.connection for each in of(commands, c.Disconnect)] == [bad]
    assert not of(commands, c.Banned)
    assert sent(node.hear(good, m.Ready(1, 0, (), None)), good, m.Request)


def test_nonsense_time_and_again_ends_the_acquaintance() -> None:
    node = Script()
    node.open(blocks=8)
    banned: list[c.Banned] = []
    for _ in range(OFFENCES_MAX):
        connection = node.sender(1, have=((0, 8),))
        banned += of(node.hear(connection, m.Haves(((9, ((0, 1),)),))), c.Banned)
        node.tell(e.PeerDisconnected(connection, "nonsense"))
    assert [each.agent for each in banned] == [agent(1)]


def test_a_message_of_a_connection_that_has_ended_changes_nothing() -> None:
    node = Script()
    node.open(blocks=8)
    assert node.hear(ConnectionId(77), m.Haves(((0, ((0, 1),)),))) == []


def test_silence_is_answered_with_alive_and_ends_after_five_seconds() -> None:
    node = Script()
    node.open(blocks=8)
    connection = node.sender(1, have=((0, 8),))
    commands = node.wait(1.2)
    assert sent(commands, connection, m.Alive)
    assert not of(commands, c.Disconnect)
    assert [each.connection for each in of(node.wait(4.5), c.Disconnect)] == [connection]


def test_who_is_heard_of_lives() -> None:
    node = Script()
    node.open(blocks=8)
    connection = node.sender(1, have=((0, 8),))
    assert not of(node.wait(20.0, alive=[connection]), c.Disconnect)


def test_of_two_connections_for_one_direction_the_smaller_diallers_stays() -> None:
    node = Script()
    node.open(blocks=8)
    # Both dial so that 1 sends to us: we (peer100) dialled the first, and 1 (peer001, smaller) made the second.
    first, _ = node.connect(1, sends_blocks=False)
    event = e.PeerConnected(ConnectionId(50), info(1), Direction.TO_ACCEPTOR, False, False, 0.001)
    commands = node.tell(event)
    assert [each.connection for each in of(commands, c.Disconnect)] == [first]


def test_oneself_is_no_neighbour() -> None:
    node = Script()
    node.open(blocks=8)
    connection, commands = node.connect(100, sends_blocks=True)
    assert [each.connection for each in of(commands, c.Disconnect)] == [connection]


def test_a_found_neighbour_is_dialled_while_something_is_lacking() -> None:
    node = Script()
    node.open(blocks=8)
    commands = node.tell(e.PeersFound(None, (info(1),))) + node.wait(0.2)
    assert [each.peer.agent_id for each in of(commands, c.Dial)] == [agent(1)]


def test_nobody_is_dialled_by_who_lacks_nothing() -> None:
    node = Script()
    node.open(blocks=8, have=((0, 8),), want=())
    commands = node.tell(e.PeersFound(None, (info(1),))) + node.wait(2.0)
    assert of(commands, c.Dial) == []


def test_who_could_not_be_reached_is_tried_again_ever_more_seldom() -> None:
    node = Script()
    node.open(blocks=8)
    new = of(node.tell(e.PeersFound(None, (info(1),))) + node.wait(0.2), c.Dial)
    at: list[float] = []
    for _ in range(600):
        if new:
            at.append(node.now)
            node.tell(e.DialFailed(agent(1), "refused"))
        new = of(node.wait(0.1), c.Dial)
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert len(pauses) >= 3
    assert pauses == sorted(pauses)
    assert max(pauses) <= 45


def test_news_is_told_once_for_each_pair() -> None:
    node = Script()
    node.open(blocks=8)
    receiving = node.sender(1, have=())
    sending = node.receiver(1)
    node.tell(e.BlocksFound(VERSION, ((3, 1),)))
    commands = node.wait(1.0, alive=[receiving, sending])
    news = sent(commands, receiving, m.Haves) + sent(commands, sending, m.Haves)
    assert [runs for each in news for _, runs in each.runs_by_handle] == [((3, 1),)]


def test_leaving_says_goodbye_to_everybody() -> None:
    node = Script()
    node.open(blocks=8)
    connection = node.sender(1, have=((0, 8),))
    commands = node.tell(e.LeaveAsked()) + node.wait(1.0, alive=[connection])
    assert [(each.connection, each.is_graceful) for each in of(commands, c.Disconnect)] == [(connection, True)]
    assert node.node.why(VERSION, Index(0), node.now)


@pytest.mark.parametrize(("lacking", "every_s"), [(1000, HAVES_LAST_S), (4, HAVES_S)])
def test_news_is_told_seldom_while_much_is_lacking_and_often_towards_the_end(lacking: int, every_s: float) -> None:
    node = Script()
    node.size = lacking + 100
    blocks = (1 << 20,) * node.size
    node.tell(e.SessionOpened(VERSION, (), node.size, 4 * LENGTH, (), None, False, False))
    node.tell(e.LengthsLearned(VERSION, Index(0), blocks))
    node.tell(e.BlocksFound(VERSION, ((0, 90),)))
    connection = node.sender(1, have=())
    node.wait(2.0, alive=[connection])
    told: list[float] = []
    for block in itertools.count(90):
        if len(told) == 2:
            break
        node.tell(e.BlocksFound(VERSION, ((block, 1),)))
        if sent(node.wait(0.1, alive=[connection]), connection, m.Haves):
            told.append(node.now)
    assert told[1] - told[0] == pytest.approx(every_s, abs=0.11)


@pytest.mark.parametrize(("successors", "dialled"), [(True, [90]), (False, [])])
def test_who_needs_long_looks_for_others_beside_the_complete(successors: bool, dialled: list[int]) -> None:
    """They will have left before it is done. Every place is taken, for as long as all have something to wait for."""
    node = Script(policies=Policies(successors=successors))
    node.open(blocks=300_000)  # 24 s at 100 Mbit/s
    have = ((0, 299_999),)
    links = [node.sender(number, have=have) for number in range(1, DEGREE + 1)]
    node.tell(e.PeersFound(None, (info(90),)))
    assert of(node.wait(1.0, alive=links), c.Dial) == [], "enough neighbours"
    commands = node.hear(links[0], m.Haves(((0, ((299_999, 1),)),)))
    commands += node.wait(1.0, alive=links)
    assert [command.peer.agent_id for command in of(commands, c.Dial)] == [agent(number) for number in dialled]
