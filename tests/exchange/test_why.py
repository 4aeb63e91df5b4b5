"""Whatever a block waits for is named, with since when and what happens at the bound; and the bound is kept."""

from __future__ import annotations

import pytest

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.wait import Wait, WaitKind, merged
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId, Index
from swarm.protocol.lease import Lease, sign_lease
from tests.exchange.script import LENGTH, VERSION, Script, agent, info, of, sent
from tests.exchange.test_leasing import EPOCH, TRACKER, grant, tracked


def wait_of(node: Script, index: int = 0) -> Wait:
    wait = node.node.wait(VERSION, Index(index), node.now)
    assert str(wait) == node.node.why(VERSION, Index(index), node.now)
    return wait


def check(wait: Wait, kind: WaitKind, since_s: float, bound_s: float | None, *words: str) -> None:
    assert wait.kind is kind, wait
    assert wait.since_s == pytest.approx(since_s, abs=0.01)
    assert wait.bound_s == (None if bound_s is None else pytest.approx(bound_s, abs=0.01))
    for word in (*words, f"for {since_s:.1f} s"):
        assert word in str(wait), (word, str(wait))
    assert wait.then, "what happens at the bound is said"


def request(node: Script, sender: ConnectionId, grant_number: int = 0) -> m.Request:
    handle = next(iter(node.node._state.peers.link(sender).versions))  # type: ignore[union-attr]
    return sent(node.hear(sender, m.Ready(grant_number, handle, (), None)), sender, m.Request)[0]


def test_what_is_here_or_unwanted_or_unknown_waits_for_nothing() -> None:
    node = Script()
    assert wait_of(node).kind is WaitKind.NONE
    node.open(blocks=4, have=((0, 1),), want=((0, 2),))
    for index in (0, 2, 3, 4, -1):
        assert wait_of(node, index).kind is WaitKind.NONE
    assert wait_of(node, 1).kind is not WaitKind.NONE


def test_a_promise_without_a_byte_and_what_happens_after_two_seconds() -> None:
    node = Script()
    node.open(blocks=1)
    sender = node.sender(1, have=((0, 1),))
    request(node, sender)
    node.wait(1.5, alive=[sender])
    check(wait_of(node), WaitKind.PROMISED, 1.5, 2.0, "asked of 01010101", "nothing came", "asked for elsewhere")
    node.wait(0.6, alive=[sender])
    assert wait_of(node).kind is not WaitKind.PROMISED


def test_a_promise_that_moves_counts_from_its_last_byte() -> None:
    node = Script()
    node.open(blocks=1)
    sender = node.sender(1, have=((0, 1),))
    number = request(node, sender).request
    node.wait(1.0, alive=[sender])
    node.tell(e.Progressed((e.Transfer(sender, number, Index(0), 400),), (), ()))
    node.wait(0.5, alive=[sender])
    check(wait_of(node), WaitKind.MOVING, 0.5, 2.0, "asked of 01010101", "1.5 s ago", "400 of 1000 bytes came")


def test_a_download_limit_that_is_reached_is_named() -> None:
    node = Script()
    node.open(blocks=4)
    node.tell(e.LimitsChanged(None, 200, None))
    sender = node.sender(1, have=((0, 4),))
    asked = request(node, sender)
    index = asked.runs[0][0]
    for _ in range(12):
        node.now += 0.1
        node.tell(e.Progressed((e.Transfer(sender, asked.request, Index(index), 20),), (), ()))
    check(wait_of(node, index), WaitKind.LIMIT, 0.0, 2.0, "download limit of 200 a second", "240 of 1000 bytes")


def test_full_receptions_are_named_and_one_is_free_at_the_bound() -> None:
    node = Script()
    node.open(blocks=4)
    sender = node.sender(1, have=((0, 4),))
    taken = {request(node, sender, number).runs[0][0] for number in range(2)}
    other = next(index for index in range(4) if index not in taken)
    node.now += 1.0
    check(wait_of(node, other), WaitKind.FULL, 1.0, 2.0, "1 neighbour has it", "all 2 receptions")
    node.wait(1.1, alive=[sender])
    assert wait_of(node, other).kind is WaitKind.OFFER


def test_full_memory_is_named() -> None:
    node = Script()
    node.open(blocks=4)
    sender = node.sender(1, have=((0, 4),))
    taken = request(node, sender).runs[0][0]
    node.node._state.credit.bytes_max = LENGTH
    wait = node.node.wait(VERSION, Index((taken + 1) % 4), node.now)
    check(wait, WaitKind.MEMORY, 0.0, 2.0, f"{LENGTH} promised bytes")


def test_what_a_neighbour_has_waits_for_an_offer_and_then_for_more_neighbours() -> None:
    node = Script()
    node.open(blocks=2)
    first, second = node.sender(1, have=((0, 2),)), node.sender(2, have=((0, 2),))
    node.wait(3.0, alive=[first, second])
    check(wait_of(node), WaitKind.OFFER, 3.0, 5.0, "2 neighbours have it", "free slot to be offered")
    before = node.node._state.sessions[VERSION].extra_degree
    node.wait(2.5, alive=[first, second])
    assert node.node._state.sessions[VERSION].extra_degree > before, "also without a tracker"


def test_a_holder_that_cannot_be_received_from_is_named() -> None:
    node = Script()
    node.open(blocks=2, have=((1, 1),))
    receiver = node.receiver(1, have=((0, 1),), want=((0, 2),))
    node.wait(1.0, alive=[receiver])
    check(wait_of(node), WaitKind.CONNECTION, 1.0, 30.0, "no connection to receive it on", "dialled again")


def test_what_is_only_beyond_a_border_waits_for_who_takes_it_across() -> None:
    node, tracker, _ = tracked(reads_store=False)
    far = node.sender(1, have=((0, 8),), site="far")
    node.wait(2.0, alive=[tracker, far])
    check(wait_of(node), WaitKind.BORDER, 2.0, 5.0, "1 neighbour has it, in other sites", "the tracker is told")
    lease = Lease(EPOCH, 7, VERSION, ((0, 1),), agent(100), EPOCH + 15_000, from_peers=True)
    node.hear(tracker, m.LeaseGrant(sign_lease(lease, TRACKER)))
    node.wait(1.0, alive=[tracker, far])
    check(wait_of(node), WaitKind.BORDER, 1.0, 5.0, "this agent is to take it across", "another agent of this site")
    kinds = {(wait.kind, blocks) for wait, blocks in node.node.waits(VERSION, node.now)}
    assert kinds == {(WaitKind.BORDER, 8)}


def test_without_a_tracker_the_next_in_line_takes_what_is_beyond_a_border() -> None:
    node = Script()
    node.open(blocks=2)
    far, near = node.sender(1, have=((0, 2),), site="far"), node.sender(2, have=())
    node.wait(1.0, alive=[far, near])
    waits = [wait_of(node, index) for index in range(2)]
    assert {wait.kind for wait in waits} == {WaitKind.BORDER}
    assert {wait.bound_s for wait in waits} == {5.0, 30.0}


def test_what_only_a_seeder_has_is_the_seeders_to_give() -> None:
    node = Script()
    node.open(blocks=2)
    seeder = node.sender(1, have=((0, 2),), is_origin=True)
    node.wait(4.0, alive=[seeder])
    check(wait_of(node), WaitKind.SEEDER, 4.0, 8.0, "a seeder is to give it", "given again")


def test_a_lease_is_wanted_then_read_and_moves() -> None:
    node, tracker, _ = tracked()
    node.wait(2.0, alive=[tracker])
    check(wait_of(node, 5), WaitKind.LEASE, 2.3, 5.0, "waiting for a lease", "the tracker is told")
    node.hear(tracker, grant(1, 5))
    node.wait(3.0, alive=[tracker])
    check(wait_of(node, 5), WaitKind.READING, 3.0, 10.0, "0 of 1000 bytes", "the read fails")
    node.tell(e.Progressed((), (), (), ((VERSION, Index(5), 300),)))
    node.wait(1.0, alive=[tracker])
    check(wait_of(node, 5), WaitKind.READING, 1.0, 10.0, "since 4.0 s", "300 of 1000 bytes")


def test_a_lease_for_what_a_neighbour_promises_waits_for_the_promise() -> None:
    node, tracker, _ = tracked()
    sender = node.sender(1, have=((0, 8),))
    index = request(node, sender).runs[0][0]
    assert not of(node.hear(tracker, grant(1, index)), c.ReadStore)
    assert wait_of(node, index).kind is WaitKind.PROMISED


def test_a_budget_that_fails_closed_is_named() -> None:
    node, tracker, _ = tracked()
    node.hear(tracker, m.Welcome(EPOCH, TRACKER.public_key, True))
    check(wait_of(node), WaitKind.LEASE, 0.3, 5.0, "origin budget fails closed")
    node.tell(e.TrackerLost("it is gone"))
    node.wait(60.0)
    check(wait_of(node), WaitKind.TRACKER, 60.0, None, "origin budget fails closed", "tried every second")


def test_a_store_that_refused_is_left_alone_until_the_pause_ends() -> None:
    node, tracker, _ = tracked()
    node.hear(tracker, grant(1, 5))
    node.tell(e.StoreFailed(VERSION, Index(5), "slow_down", "503"))
    node.now += 0.2
    wait = wait_of(node, 5)
    assert wait.bound_s is not None
    check(wait, WaitKind.PAUSE, 0.2, wait.bound_s, "the store has refused", "asked again in")
    node.now = node.now - 0.2 + wait.bound_s
    assert wait_of(node, 5).kind is WaitKind.LEASE


@pytest.mark.parametrize("kind", ["missing", "corrupt"])
def test_what_the_store_cannot_give_is_named_until_the_fetch_ends(kind: str) -> None:
    node = Script()
    node.open(blocks=1, reads_store=True)
    node.wait(0.1)
    node.tell(e.StoreFailed(VERSION, Index(0), kind, "404"))
    node.wait(1.0)
    words = "has it corrupt" if kind == "corrupt" else "has not got it"
    check(wait_of(node), WaitKind.FAILED, 1.1, 5.0, words, "the fetch ends")
    assert of(node.wait(4.5), c.BlockUnavailable)


def test_a_tracker_that_is_away_is_waited_for_and_then_done_without() -> None:
    node, _, _ = tracked()
    node.tell(e.TrackerLost("it is gone"))
    node.wait(2.0)
    check(wait_of(node), WaitKind.TRACKER, 2.0, 3.0, "the tracker has been away", "done without after 3 s")
    assert of(node.wait(1.5), c.ReadStore)


def test_a_tracker_that_never_was_there_is_named_too() -> None:
    node = Script(has_tracker=True)
    node.open(blocks=1)
    node.tell(e.TrackerLost("refused"))
    node.wait(2.0)
    check(wait_of(node), WaitKind.ALONE, 2.0, None, "there is no neighbour", "the tracker is away since 2.0 s")


def test_without_a_tracker_a_block_has_an_owner_and_a_next_in_line() -> None:
    node = Script()
    node.open(blocks=32, reads_store=True)
    connection, commands = node.connect(1, sends_blocks=False, reads_store=True)
    handle = sent(commands, connection, m.Open)[0].handle
    node.meet(connection, handle, have=(), want=None)
    kinds = {wait_of(node, index).kind for index in range(32)}
    assert kinds == {WaitKind.OWNER, WaitKind.OWN, WaitKind.READING}
    theirs = next(index for index in range(32) if wait_of(node, index).kind is WaitKind.OWNER)
    check(wait_of(node, theirs), WaitKind.OWNER, 0.0, 30.0, "its owner 01010101", "this agent after 30 s")


def test_what_is_ones_own_waits_for_the_reads_before_it() -> None:
    node = Script()
    node.open(blocks=12, reads_store=True)
    node.wait(0.5)
    own = [index for index in range(12) if wait_of(node, index).kind is WaitKind.OWN]
    check(wait_of(node, own[0]), WaitKind.OWN, 0.5, 10.0, "after the 8 that it reads now")


def test_others_may_be_about_to_be_discovered() -> None:
    node = Script(waits_for_lan=True)
    node.open(blocks=32, reads_store=True)
    node.wait(1.0)
    waits = {wait_of(node, index).kind: wait_of(node, index) for index in range(32)}
    check(waits[WaitKind.EARLY], WaitKind.EARLY, 1.0, 2.5, "about to be discovered")
    node.wait(1.6)
    assert WaitKind.EARLY not in {wait_of(node, index).kind for index in range(32)}


def test_what_all_neighbours_lack_is_asked_of_the_tracker() -> None:
    node, tracker, _ = tracked(reads_store=False)
    sender = node.sender(1, have=((0, 1),))
    node.wait(2.0, alive=[tracker, sender])
    check(wait_of(node, 5), WaitKind.LACKED, 2.0, 5.0, "the 1 neighbour has it not", "the tracker is asked")
    orphans = sent(node.wait(3.5, alive=[tracker, sender]), tracker, m.Orphans)
    assert orphans


def test_what_all_neighbours_lack_is_looked_for_without_a_tracker_too() -> None:
    node = Script()
    node.open(blocks=2)
    first, second = node.sender(1, have=((0, 1),)), node.sender(2, have=((0, 1),))
    node.wait(2.0, alive=[first, second])
    check(wait_of(node, 1), WaitKind.LACKED, 2.0, 5.0, "none of 2 neighbours has it, no tracker and no store to ask")


def test_nobody_connected_is_named_with_who_is_known() -> None:
    node = Script()
    node.open(blocks=1)
    node.wait(1.0)
    check(wait_of(node), WaitKind.ALONE, 1.0, None, "no neighbour, no tracker and no store", "nobody is known")
    node.tell(e.PeersFound(None, (info(1),)))
    check(wait_of(node), WaitKind.ALONE, 1.0, 30.0, "who is known (1) is dialled again")


def test_a_block_whose_last_holder_was_banned_says_so() -> None:
    node = Script()
    node.open(blocks=2)
    liar = node.sender(1, have=((0, 1),))
    asked = request(node, liar)
    node.tell(e.BlockRefused(liar, asked.request, VERSION, Index(0), LENGTH))
    node.wait(1.0)
    assert "its last holder was banned (sent a wrong block 0)" in str(wait_of(node))
    assert wait_of(node).kind is WaitKind.ALONE
    assert "banned" not in str(wait_of(node, 1))


def test_an_agent_that_leaves_says_so() -> None:
    node = Script()
    node.open(blocks=2)
    node.sender(1, have=((0, 1),))
    node.tell(e.LeaveAsked())
    node.now += 2.0
    check(wait_of(node), WaitKind.LEAVING, 2.0, 5.0, "is leaving", "ends after 5 s")


def test_waits_are_one_of_each_kind_the_longest_first_and_count_every_lacking_block() -> None:
    node = Script()
    node.open(blocks=8, have=((7, 1),))
    first, _ = node.sender(1, have=((0, 4),)), node.sender(2, have=((1, 2),))
    request(node, first)
    node.now += 1.0
    found = node.node.waits(VERSION, node.now)
    assert [(wait.kind, blocks) for wait, blocks in found] == [
        (WaitKind.LACKED, 3),
        (WaitKind.OFFER, 3),
        (WaitKind.PROMISED, 1),
    ]
    assert sum(blocks for _, blocks in found) == 7
    assert node.node.waits(agent(9), node.now) == ()  # type: ignore[arg-type]


def test_merging_keeps_the_longest_of_each_kind() -> None:
    short, long = Wait(WaitKind.OFFER, "short", 1.0), Wait(WaitKind.OFFER, "long", 2.0)
    other = Wait(WaitKind.LEASE, "other", 9.0)
    assert merged([(short, 3), (long, 4), (other, 1)]) == ((other, 1), (long, 7))
    follows = Wait(WaitKind.FULL, "follows", 99.0)
    assert merged([(follows, 1), (long, 4)]) == ((long, 4), (follows, 1))
