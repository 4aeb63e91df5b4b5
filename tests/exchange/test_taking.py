"""The receiver's side: what is asked for, what is declined, and what becomes of promises."""

from __future__ import annotations

import pytest

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.openings import SEARCHING_S
from swarm.exchange.policies import Policies
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId, Index
from tests.exchange.script import LENGTH, VERSION, Script, agent, of, sent

GRANT = iter(range(1, 10_000))


def ready(node: Script, connection: ConnectionId, *named: int) -> list[c.Command]:
    """The neighbour offers a slot."""
    runs = tuple((block, 1) for block in named) or None
    return node.hear(connection, m.Ready(next(GRANT), 0, (), runs))


def asked(commands: list[c.Command], connection: ConnectionId) -> list[int]:
    """The blocks that are asked for on a connection."""
    return [first for request in sent(commands, connection, m.Request) for first, _ in request.runs]


def arrive(node: Script, connection: ConnectionId, request: int, block: int) -> list[c.Command]:
    return node.tell(e.BlockArrived(connection, request, VERSION, Index(block), LENGTH))


def test_an_offer_is_answered_with_a_block_that_is_lacking_and_offered() -> None:
    node = Script()
    node.open(blocks=8, have=((0, 7),))
    sender = node.sender(1, have=((0, 8),))
    commands = ready(node, sender)
    assert asked(commands, sender) == [7]
    assert of(commands, c.ExpectBlocks)[0].indexes == (Index(7),)


def test_the_rarest_block_is_asked_for_first() -> None:
    node = Script()
    node.open(blocks=3)
    common = node.sender(1, have=((0, 3),))
    node.sender(2, have=((0, 2),))
    node.sender(3, have=((0, 2),))
    assert asked(ready(node, common), common) == [2]


def test_what_a_reader_waits_for_comes_before_the_rarest() -> None:
    node = Script()
    node.open(blocks=3)
    common = node.sender(1, have=((0, 3),))
    node.sender(2, have=((0, 2),))
    node.tell(e.WantBy(VERSION, Index(0), node.now + 1))
    assert asked(ready(node, common), common) == [0]


def test_a_promised_block_is_asked_of_nobody_else() -> None:
    node = Script()
    node.open(blocks=1)
    first, second = node.sender(1, have=((0, 1),)), node.sender(2, have=((0, 1),))
    assert asked(ready(node, first), first) == [0]
    commands = ready(node, second)
    assert asked(commands, second) == []
    assert [each.reason for each in sent(commands, second, m.Decline)] == [m.DeclineReason.NOTHING]


def test_two_receptions_and_no_third() -> None:
    node = Script()
    node.open(blocks=8)
    senders = [node.sender(number, have=((0, 8),)) for number in (1, 2, 3)]
    assert asked(ready(node, senders[0]), senders[0])
    assert asked(ready(node, senders[1]), senders[1])
    commands = ready(node, senders[2])
    assert [each.reason for each in sent(commands, senders[2], m.Decline)] == [m.DeclineReason.NO_CREDIT]


def test_who_was_declined_for_credit_is_told_when_it_opens() -> None:
    node = Script()
    node.open(blocks=8)
    senders = [node.sender(number, have=((0, 8),)) for number in (1, 2, 3)]
    request = sent(ready(node, senders[0]), senders[0], m.Request)[0]
    ready(node, senders[1])
    ready(node, senders[2])
    commands = arrive(node, senders[0], request.request, request.runs[0][0])
    assert sent(commands, senders[2], m.Credit)


def test_credit_is_announced_open_again_after_its_sender_died() -> None:
    """The other of the prototype's two permanent stalls (scheduling, section 6)."""
    node = Script()
    node.open(blocks=8)
    dead, other, waiting = (node.sender(number, have=((0, 8),)) for number in (1, 2, 3))
    ready(node, dead)
    ready(node, other)
    assert sent(ready(node, waiting), waiting, m.Decline)
    assert sent(node.tell(e.PeerDisconnected(dead, "died")), waiting, m.Credit)


def test_a_promise_without_a_byte_for_two_seconds_is_asked_for_elsewhere() -> None:
    node = Script()
    node.open(blocks=1)
    slow, other = node.sender(1, have=((0, 1),)), node.sender(2, have=((0, 1),))
    request = sent(ready(node, slow), slow, m.Request)[0]
    commands = node.wait(2.5, alive=[slow, other])
    assert sent(commands, slow, m.Cancel) == [m.Cancel(request.request)]
    assert of(commands, c.ForgetRequest) == [c.ForgetRequest(slow, request.request)]
    assert asked(ready(node, other), other) == [0]


def test_bytes_keep_a_promise_alive() -> None:
    node = Script()
    node.open(blocks=1)
    sender = node.sender(1, have=((0, 1),))
    request = sent(ready(node, sender), sender, m.Request)[0]
    for _ in range(10):
        node.now += 1.0
        moved = e.Transfer(sender, request.request, Index(0), 50)
        commands = node.tell(e.Progressed((moved,), (), (sender,)))
        assert not of(commands, c.ForgetRequest)


def test_wrong_bytes_ban_their_sender_for_good() -> None:
    node = Script()
    node.open(blocks=2)
    liar, honest = node.sender(1, have=((0, 2),)), node.sender(2, have=((0, 2),))
    request = sent(ready(node, liar), liar, m.Request)[0]
    block = request.runs[0][0]
    commands = node.tell(e.BlockRefused(liar, request.request, VERSION, Index(block), LENGTH))
    assert [each.agent for each in of(commands, c.Banned)] == [agent(1)]
    assert [each.connection for each in of(commands, c.Disconnect)] == [liar]
    node.tell(e.PeerDisconnected(liar, "banned"))
    assert block in {index for _ in range(2) for index in asked(ready(node, honest), honest)}
    back, commands = node.connect(1, sends_blocks=False)
    assert [each.connection for each in of(commands, c.Disconnect)] == [back]


def test_an_aborted_block_is_asked_for_again() -> None:
    node = Script()
    node.open(blocks=1)
    sender = node.sender(1, have=((0, 1),))
    request = sent(ready(node, sender), sender, m.Request)[0]
    node.tell(e.BlockAborted(sender, request.request, VERSION, Index(0), is_lost=False))
    assert asked(ready(node, sender), sender) == [0]


def test_a_lost_block_is_asked_of_who_still_has_it() -> None:
    node = Script()
    node.open(blocks=1)
    first, second = node.sender(1, have=((0, 1),)), node.sender(2, have=((0, 1),))
    request = sent(ready(node, first), first, m.Request)[0]
    node.tell(e.BlockAborted(first, request.request, VERSION, Index(0), is_lost=True))
    assert asked(ready(node, first), first) == []
    assert asked(ready(node, second), second) == [0]


def test_the_last_block_completes_the_version() -> None:
    node = Script()
    node.open(blocks=1)
    sender = node.sender(1, have=((0, 1),))
    request = sent(ready(node, sender), sender, m.Request)[0]
    assert of(arrive(node, sender, request.request, 0), c.Completed) == [c.Completed(VERSION)]


def test_who_is_complete_and_alone_is_released_at_once() -> None:
    node = Script()
    node.open(blocks=1)
    commands = node.tell(e.BlocksFound(VERSION, ((0, 1),)))
    assert of(commands, c.Completed) == [c.Completed(VERSION)]
    assert of(commands + node.wait(1.0), c.Released) == [c.Released(VERSION)]


def test_who_turns_out_to_want_nothing_is_complete_and_released() -> None:
    node = Script()
    node.open(blocks=2, want=((0, 1),))
    commands = node.tell(e.WantChanged(VERSION, ()))
    assert of(commands, c.Completed) == [c.Completed(VERSION)]
    assert of(commands + node.wait(1.0), c.Released) == [c.Released(VERSION)]


def test_who_is_complete_stays_while_a_neighbour_lacks_something_but_not_for_ever() -> None:
    node = Script()
    node.open(blocks=1)
    sender, receiver = node.sender(1, have=((0, 1),)), node.receiver(2)
    request = sent(ready(node, sender), sender, m.Request)[0]
    arrive(node, sender, request.request, 0)
    assert of(node.wait(9.0, alive=[sender, receiver]), c.Released) == []
    assert of(node.wait(2.0, alive=[sender, receiver]), c.Released) == [c.Released(VERSION)]


def test_why_names_the_reason_of_each_wait() -> None:
    node = Script()
    node.open(blocks=2)
    assert "there is no neighbour, no tracker and no store to ask" in node.node.why(VERSION, Index(0), node.now)
    sender = node.sender(1, have=((0, 2),))
    assert "offer" in node.node.why(VERSION, Index(0), node.now)
    block = asked(ready(node, sender), sender)[0]
    assert "asked of" in node.node.why(VERSION, Index(block), node.now)


def test_who_has_only_its_pages_is_not_complete_and_tells_neighbours_that_it_wants_everything() -> None:
    """Else a neighbour that alone holds a block takes it for satisfied between pages and blocks, and leaves."""
    node = Script()
    node.size = 4
    node.tell(e.SessionOpened(VERSION, (LENGTH,), 3, 4 * LENGTH, (), ((0, 1),), False, False, want_grows=True))
    connection, commands = node.connect(1, sends_blocks=False)
    assert sent(commands, connection, m.Bitfield) == [m.Bitfield(0, b"\x00", None)]
    commands = node.tell(e.BlocksFound(VERSION, ((0, 1),))) + node.wait(1.0, alive=[connection])
    assert of(commands, c.Completed) + of(commands, c.Released) == []
    commands = node.tell(e.WantChanged(VERSION, ((0, 2),), grows=True))
    assert sent(commands, connection, m.Want) == [m.Want(0, ((0, 4),))]
    assert of(node.tell(e.BlocksFound(VERSION, ((1, 1),))), c.Completed) == []
    commands = node.tell(e.WantChanged(VERSION, ((1, 2),)))
    assert sent(commands, connection, m.Want) == [m.Want(0, ((1, 2),))]
    commands = node.tell(e.BlocksFound(VERSION, ((1, 2),)))
    assert of(commands, c.Completed) == [c.Completed(VERSION)]


def test_closed_credit_is_said_by_declining_and_its_opening_to_those_who_were_declined() -> None:
    node = Script()
    node.open(blocks=8)
    senders = [node.sender(number, have=((0, 8),)) for number in (1, 2, 3)]
    first = sent(ready(node, senders[0]), senders[0], m.Request)[0]
    assert not sent(ready(node, senders[1]), senders[2], m.Credit)
    assert sent(ready(node, senders[2]), senders[2], m.Decline)
    opening = arrive(node, senders[0], first.request, first.runs[0][0])
    assert [each.slots for each in sent(opening, senders[2], m.Credit)] == [1]
    assert not sent(opening, senders[1], m.Credit), "who was never told that it is closed"


def test_an_opening_is_told_to_as_many_as_there_are_slots_and_to_the_next_a_step_later() -> None:
    node = Script()
    node.open(blocks=8)
    senders = [node.sender(number, have=((0, 8),)) for number in range(1, 6)]
    requests = [sent(ready(node, sender), sender, m.Request)[0] for sender in senders[:2]]
    for sender in senders[2:]:
        assert sent(ready(node, sender), sender, m.Decline)
    opening = arrive(node, senders[0], requests[0].request, requests[0].runs[0][0])
    told = [sender for sender in senders if sent(opening, sender, m.Credit)]
    assert len(told) == 1
    step_s = node.node._state.credit_step_s
    assert step_s >= Policies().credit_step_s
    assert node.node.next_deadline() == pytest.approx(node.now + step_s)
    node.now += step_s
    later = node.tell(e.Ticked())
    told += [sender for sender in senders if sent(later, sender, m.Credit)]
    assert len(set(told)) == 2
    assert sent(ready(node, told[1]), told[1], m.Request)
    node.now += step_s
    assert not any(sent(node.tell(e.Ticked()), sender, m.Credit) for sender in senders), "the slot is taken by now"


def test_a_connection_whose_bytes_only_trickle_is_cut_where_others_have_the_block() -> None:
    node = Script()
    node.open(blocks=2)
    trickler, other = node.sender(1, have=((0, 2),)), node.sender(2, have=((0, 2),))
    quick = sent(ready(node, other), other, m.Request)[0]
    node.now += 0.01
    arrive(node, other, quick.request, quick.runs[0][0])
    request = sent(ready(node, trickler), trickler, m.Request)[0]
    cut: list[ConnectionId] = []
    for _ in range(120):
        node.now += 0.1
        moved = e.Transfer(trickler, request.request, Index(request.runs[0][0]), 1)
        cut += [each.connection for each in of(node.tell(e.Progressed((moved,), (), (trickler, other))), c.Disconnect)]
    assert cut == [trickler]
    assert asked(ready(node, other), other) == [request.runs[0][0]]


def test_what_came_although_it_was_given_up_is_kept_and_no_longer_asked_for() -> None:
    node = Script()
    node.open(blocks=1)
    slow, other = node.sender(1, have=((0, 1),)), node.sender(2, have=((0, 1),))
    request = sent(ready(node, slow), slow, m.Request)[0]
    node.wait(2.5, alive=[slow, other])
    again = sent(ready(node, other), other, m.Request)[0]
    commands = arrive(node, slow, request.request, 0)
    assert of(commands, c.Completed)
    assert sent(commands, other, m.Cancel) == [m.Cancel(again.request)]


def test_news_on_a_lost_connection_is_said_again_on_the_other() -> None:
    node = Script()
    node.open(blocks=4)
    sender = node.sender(1, have=((0, 4),))
    receiver = node.receiver(1)
    request = sent(ready(node, sender), sender, m.Request)[0]
    arrive(node, sender, request.request, request.runs[0][0])
    node.wait(0.5, alive=[sender, receiver])
    commands = node.tell(e.PeerDisconnected(receiver, "reset"))
    assert len(sent(commands, sender, m.Bitfield)) == 1


def test_an_opening_is_told_first_to_who_was_declined_a_moment_ago() -> None:
    """It has a free slot, and looks for a receiver still; who was declined long ago hears of it in turn."""
    node = Script()
    node.open(blocks=8)
    senders = [node.sender(number, have=((0, 8),)) for number in range(1, 6)]
    requests = [sent(ready(node, sender), sender, m.Request)[0] for sender in senders[:2]]
    for sender in senders[2:]:
        assert sent(ready(node, sender), sender, m.Decline)
        node.now += SEARCHING_S / 4
    opening = arrive(node, senders[0], requests[0].request, requests[0].runs[0][0])
    assert [sender for sender in senders if sent(opening, sender, m.Credit)] == [senders[4]]


def test_an_opening_long_after_is_told_to_who_has_waited_for_longest() -> None:
    node = Script()
    node.open(blocks=8)
    senders = [node.sender(number, have=((0, 8),)) for number in range(1, 6)]
    requests = [sent(ready(node, sender), sender, m.Request)[0] for sender in senders[:2]]
    for sender in senders[2:]:
        assert sent(ready(node, sender), sender, m.Decline)
    node.now += 2 * SEARCHING_S
    opening = arrive(node, senders[0], requests[0].request, requests[0].runs[0][0])
    assert [sender for sender in senders if sent(opening, sender, m.Credit)] == [senders[2]]


def with_slow_and_quick_senders(policies: Policies | None = None) -> tuple[Script, list[ConnectionId], ConnectionId]:
    """Two slow senders that give one block each, and a quick one; the link has shown what it can do."""
    node = Script(policies=policies)
    node.open(blocks=64)
    slow = [node.sender(number, have=((0, 64),)) for number in (1, 2)]
    quick = node.sender(3, have=((0, 64),))
    for block in range(20):  # 0.1 s a block
        picked = asked(ready(node, quick), quick)
        node.wait(0.1, alive=[quick, *slow])
        moved = e.Transfer(quick, block, Index(picked[0]), LENGTH)
        node.tell(e.Progressed((moved,), (), ()))
        arrive(node, quick, block, picked[0])
    for number, connection in enumerate(slow, 20):  # 2 s a block
        picked = asked(ready(node, connection), connection)
        for _ in range(20):
            node.wait(0.1, alive=[quick, *slow])
            moved = e.Transfer(connection, number, Index(picked[0]), LENGTH // 20)
            node.tell(e.Progressed((moved,), (), ()))
        arrive(node, connection, number, picked[0])
    return node, slow, quick


def test_slow_senders_keep_out_slow_ones_alone() -> None:
    node, slow, quick = with_slow_and_quick_senders()
    assert all(asked(ready(node, connection), connection) for connection in slow)
    assert asked(ready(node, quick), quick), "every slot is taken by slow ones"
    commands = ready(node, slow[0])
    assert [each.reason for each in sent(commands, slow[0], m.Decline)] == [m.DeclineReason.NO_CREDIT]


def test_without_the_rule_slow_senders_keep_out_everybody() -> None:
    node, slow, quick = with_slow_and_quick_senders(Policies(slow_part=0.0))
    assert all(asked(ready(node, connection), connection) for connection in slow)
    commands = ready(node, quick)
    assert [each.reason for each in sent(commands, quick, m.Decline)] == [m.DeclineReason.NO_CREDIT]
