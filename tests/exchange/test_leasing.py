"""Reading from the store: under a tracker's leases, and by rendezvous hashing without one."""

from __future__ import annotations

import pytest

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.leasing import READS_ALONE
from swarm.exchange.ownership import is_owner, rank, seed_of
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId, Index
from swarm.protocol.keys import SigningKey
from swarm.protocol.lease import Lease, sign_lease
from tests.exchange.script import LENGTH, VERSION, Script, agent, of, sent

TRACKER = SigningKey.from_seed(b"t" * 32)
EPOCH = 1_700_000_000_000


def tracked(*, reads_store: bool = True) -> tuple[Script, ConnectionId, list[c.Command]]:
    node = Script(has_tracker=True)
    node.open(reads_store=reads_store)
    tracker = node.track()
    commands = node.hear(tracker, m.Welcome(EPOCH, TRACKER.public_key))
    return node, tracker, commands + node.wait(0.3, alive=[tracker])


def grant(number: int, block: int, *, to: int = 100, key: SigningKey = TRACKER) -> m.LeaseGrant:
    lease = Lease(EPOCH, number, VERSION, ((block, 1),), agent(to), EPOCH + 15_000)
    return m.LeaseGrant(sign_lease(lease, key))


def states(commands: list[c.Command], tracker: ConnectionId) -> list[tuple[int, m.LeaseState]]:
    return [(each.number, each.state) for leases in sent(commands, tracker, m.Leases) for each in leases.reports]


def test_a_tracker_is_told_that_we_take_part_and_wish_to_read() -> None:
    node = Script(has_tracker=True)
    node.open(reads_store=True)
    tracker = node.track()
    commands = node.hear(tracker, m.Welcome(EPOCH, TRACKER.public_key)) + node.wait(0.5, alive=[tracker])
    wishes = [each.count for each in sent(commands, tracker, m.LeaseWanted)]
    assert wishes
    assert wishes[0] >= 1


def test_a_lease_is_read_and_reported_done() -> None:
    node, tracker, _ = tracked()
    assert of(node.hear(tracker, grant(1, 5)), c.ReadStore) == [c.ReadStore(VERSION, Index(5), None)]
    commands = node.tell(e.StoreRead(VERSION, Index(5), LENGTH))
    assert (1, m.LeaseState.DONE) in states(commands, tracker)


def test_a_lease_of_another_tracker_or_for_another_agent_is_ignored() -> None:
    node, tracker, _ = tracked()
    forged = grant(1, 5, key=SigningKey.from_seed(b"x" * 32))
    assert not of(node.hear(tracker, forged), c.ReadStore)
    assert not of(node.hear(tracker, grant(2, 5, to=7)), c.ReadStore)


def test_a_held_lease_is_renewed_every_second_also_while_it_waits() -> None:
    node, tracker, _ = tracked()
    node.hear(tracker, grant(1, 5))
    renewals = [number for number, _ in states(node.wait(5.0, alive=[tracker]), tracker)]
    assert renewals.count(1) >= 4


def test_a_fenced_lease_is_no_longer_read() -> None:
    node, tracker, _ = tracked()
    node.hear(tracker, grant(1, 5))
    commands = node.hear(tracker, m.LeaseFenced(1, EPOCH))
    assert of(commands, c.CancelStoreRead) == [c.CancelStoreRead(VERSION, Index(5))]


def test_a_store_that_refuses_gets_its_lease_returned() -> None:
    node, tracker, _ = tracked()
    node.hear(tracker, grant(1, 5))
    commands = node.tell(e.StoreFailed(VERSION, Index(5), "slow_down", "SlowDown"))
    assert (1, m.LeaseState.RETURNED) in states(commands, tracker)


def test_a_block_that_came_from_a_peer_is_not_read() -> None:
    node, tracker, _ = tracked()
    node.hear(tracker, grant(1, 5))
    commands = node.tell(e.BlocksFound(VERSION, ((5, 1),)))
    assert of(commands, c.CancelStoreRead)
    assert (1, m.LeaseState.DONE) in states(commands, tracker)


def test_without_a_tracker_a_lone_reader_reads_everything_one_after_the_other_without_pauses() -> None:
    node = Script()
    read: list[int] = []
    pending = [each.index for each in of(node.open(reads_store=True, blocks=30), c.ReadStore)]
    while pending:
        block = pending.pop(0)
        read.append(block)
        pending += [each.index for each in of(node.tell(e.StoreRead(VERSION, block, LENGTH)), c.ReadStore)]
    assert sorted(read) == list(range(30))


@pytest.mark.parametrize(("waits_for_lan", "at_first"), [(False, READS_ALONE), (True, 1)])
def test_who_cannot_be_joined_by_anybody_reads_many_blocks_at_once_from_the_start(
    *, waits_for_lan: bool, at_first: int
) -> None:
    node = Script(waits_for_lan=waits_for_lan)
    reads = of(node.open(reads_store=True, blocks=30), c.ReadStore)
    reads += of(node.wait(0.5), c.ReadStore)
    assert (len(reads) >= at_first) if at_first > 1 else len(reads) <= at_first
    assert len(reads) <= READS_ALONE


def test_without_its_tracker_an_agent_reads_the_store_unless_the_budget_fails_closed() -> None:
    read: dict[bool, int] = {}
    reasons: dict[bool, str] = {}
    for fails_closed in (False, True):
        node, tracker, _ = tracked()
        node.hear(tracker, m.Welcome(EPOCH, TRACKER.public_key, fails_closed))
        node.tell(e.TrackerLost("it is gone"))
        commands = node.wait(60.0)
        read[fails_closed] = len(of(commands, c.ReadStore))
        reasons[fails_closed] = node.node.why(VERSION, Index(7), node.now)
    assert read[False] > 0
    assert read[True] == 0, "however long it takes"
    assert "origin budget fails closed" in reasons[True]
    assert "fails closed" not in reasons[False]


def test_a_tracker_that_comes_back_open_lets_agents_read_again() -> None:
    node, tracker, _ = tracked()
    node.hear(tracker, m.Welcome(EPOCH, TRACKER.public_key, True))
    node.tell(e.TrackerLost("it is gone"))
    again = node.track()
    node.hear(again, m.Welcome(EPOCH + 1, TRACKER.public_key))
    assert "fails closed" not in node.node.why(VERSION, Index(7), node.now)
    node.tell(e.TrackerLost("it is gone again"))
    assert of(node.wait(10.0), c.ReadStore)


def test_a_lease_of_a_closed_budget_is_waited_for_with_the_reason() -> None:
    node, tracker, _ = tracked()
    node.hear(tracker, m.Welcome(EPOCH, TRACKER.public_key, True))
    assert "waiting for a lease (the tracker's origin budget fails closed" in node.node.why(VERSION, Index(7), node.now)


def test_nobody_reads_the_store_while_a_seeder_answers() -> None:
    node = Script()
    node.open(reads_store=True)
    seeder = node.sender(1, have=((0, 8),), is_origin=True)
    assert of(node.wait(5.0, alive=[seeder]), c.ReadStore) == []


@pytest.mark.parametrize("is_origin", [True, False])
def test_who_says_that_it_has_everything_and_offers_nothing_stalls_nobody_who_has_a_store(*, is_origin: bool) -> None:
    node = Script()
    began = of(node.open(blocks=16, reads_store=True), c.ReadStore)
    assert len(began) == READS_ALONE, "before anybody was met"
    liar = node.sender(1, have=((0, 16),), is_origin=is_origin)
    for each in began:
        assert not of(node.tell(e.StoreRead(VERSION, each.index, LENGTH)), c.ReadStore)
    assert not of(node.wait(29.0, alive=[liar]), c.ReadStore)
    waiting = next(index for index in range(16) if index not in {each.index for each in began})
    assert "after 30 s it is read from the store" in node.node.why(VERSION, Index(waiting), node.now)
    began += of(node.wait(1.2, alive=[liar]), c.ReadStore)
    assert len(began) > READS_ALONE
    # From then on one after the other, though each of them is news, until somebody gives something after all.
    for number in range(READS_ALONE, 16):
        began += of(node.tell(e.StoreRead(VERSION, began[number].index, LENGTH)), c.ReadStore)
    assert {each.index for each in began} == set(range(16))


def test_a_neighbour_that_gives_something_is_believed_again() -> None:
    node = Script()
    reads = of(node.open(blocks=64, reads_store=True), c.ReadStore)
    slow = node.sender(1, have=((0, 64),))
    reads += of(node.wait(30.2, alive=[slow]), c.ReadStore)
    assert reads
    handle = next(iter(node.node._state.peers.link(slow).versions))  # type: ignore[union-attr]
    (asked,) = sent(node.hear(slow, m.Ready(0, handle, (), None)), slow, m.Request)
    for first, count in asked.runs:
        for index in range(first, first + count):
            node.tell(e.BlockArrived(slow, asked.request, VERSION, Index(index), LENGTH))
    for reading in reads:
        assert not of(node.tell(e.StoreRead(VERSION, reading.index, LENGTH)), c.ReadStore)
    assert not of(node.wait(20.0, alive=[slow]), c.ReadStore)
    assert node.node.statistics().sessions[0].lacking


def test_what_a_neighbour_holds_is_not_read_from_the_store() -> None:
    node = Script()
    node.open(reads_store=True)
    neighbour = node.sender(1, have=((0, 8),))
    assert of(node.wait(5.0, alive=[neighbour]), c.ReadStore) == []


def test_each_block_has_one_owner_and_only_the_dead_owners_blocks_change_hands() -> None:
    seeds = [seed_of(agent(number), VERSION) for number in range(1, 9)]
    for index in range(500):
        owners = [own for own in seeds if is_owner(own, [other for other in seeds if other != own], index)]
        assert len(owners) == 1
        ranks = sorted(rank(own, [other for other in seeds if other != own], index) for own in seeds)
        assert ranks == list(range(8))
        survivors = seeds[1:]
        heirs = [own for own in survivors if is_owner(own, [other for other in survivors if other != own], index)]
        assert heirs == owners or owners == [seeds[0]]


def test_a_block_that_the_store_has_not_and_nobody_else_has_is_given_up_with_the_reason() -> None:
    node = Script()
    assert of(node.open(reads_store=True, blocks=1), c.ReadStore)
    commands = node.tell(e.StoreFailed(VERSION, Index(0), "missing", "no such object")) + node.wait(20.0)
    assert [each.index for each in of(commands, c.BlockUnavailable)] == [Index(0)]


def test_a_corrupt_block_is_taken_from_a_peer_that_has_it() -> None:
    node = Script()
    node.open(reads_store=True, blocks=1)
    node.wait(0.2)
    node.tell(e.StoreFailed(VERSION, Index(0), "corrupt", "other bytes"))
    neighbour = node.sender(1, have=((0, 1),))
    assert sent(node.hear(neighbour, m.Ready(1, 0, (), None)), neighbour, m.Request)
    assert not of(node.wait(1.0, alive=[neighbour]), c.BlockUnavailable)


def test_a_store_that_is_away_is_tried_again_after_a_pause() -> None:
    node = Script()
    node.open(reads_store=True, blocks=1)
    node.wait(0.2)
    assert not of(node.tell(e.StoreFailed(VERSION, Index(0), "unavailable", "refused")), c.ReadStore)
    assert of(node.wait(3.0), c.ReadStore)


def test_what_a_silent_neighbour_claims_to_have_is_reported_as_had_by_nobody_after_ten_seconds() -> None:
    node, tracker, _ = tracked()
    liar = node.sender(1, have=((0, 8),))
    assert not sent(node.wait(9.0, alive=[tracker, liar]), tracker, m.Orphans)
    told = sent(node.wait(6.0, alive=[tracker, liar]), tracker, m.Orphans)
    assert told
    assert told[0].runs == ((0, 8),)


def test_what_comes_slowly_is_not_reported_as_had_by_nobody() -> None:
    node, tracker, _ = tracked()
    slow = node.sender(1, have=((0, 1),))
    number = sent(node.hear(slow, m.Ready(1, 0, (), None)), slow, m.Request)[0].request
    told = []
    for _ in range(15):
        node.tell(e.Progressed((e.Transfer(slow, number, Index(0), 10),), (), (slow, tracker)))
        told += sent(node.wait(1.0, alive=[tracker, slow]), tracker, m.Orphans)
    assert not told
