"""Ledger, uplink, credit, liveness, bans, acquaintances, ownership, store reads: each by itself."""

from __future__ import annotations

from random import Random

import pytest

from swarm.exchange.acquaintances import DIALLING_S, Acquaintances
from swarm.exchange.bans import Bans
from swarm.exchange.config import ADDRESSES_MAX, DIAL_RETRY_LAST_S, LATE_S, OFFENCES_MAX, OFFER_S, PROMISE_S
from swarm.exchange.credit import Credit
from swarm.exchange.ledger import Ledger
from swarm.exchange.liveness import DEATH_S, SILENCE_S, Liveness
from swarm.exchange.ownership import FIRST_SHARE, is_in_first_share, is_owner, rank, seed_of
from swarm.exchange.peers import Channel, Link, Peer, PeerTable, is_better
from swarm.exchange.store_reads import CLIMB_S, PAUSE_FIRST_S, PAUSE_LAST_S, READS_MAX, Climb, StoreReads
from swarm.exchange.uplink import EXPIRED_MAX, Uplink
from swarm.protocol.ids import AgentId, ConnectionId, PeerId
from swarm.protocol.messages import Direction, PeerInfo
from tests.exchange.script import VERSION, agent, info


def _numbered(number: int) -> PeerInfo:
    return PeerInfo(AgentId(number.to_bytes(32, "big")), PeerId(f"peer{number}"), ("/memory/1",), "", is_origin=False)


def link_to(number: int, *, sends_blocks: bool = True, connection: int = 1) -> Link:
    peer = Peer(agent(number), info(number), reads_store=False)
    return Link(ConnectionId(connection), peer, Direction.TO_DIALER, sends_blocks, not sends_blocks, 0.001)


# --- ledger -------------------------------------------------------------------------------------


def test_a_promise_is_overdue_two_seconds_after_the_last_byte_on_its_connection() -> None:
    ledger, link = Ledger(), link_to(1, sends_blocks=False)
    first = ledger.open(1, link, {0: 100}, 10.0)
    second = ledger.open(2, link, {1: 100}, 10.0)
    ledger.moved(first, 0, 50, 11.5)
    assert ledger.overdue(10.0 + PROMISE_S) == [], "a connection sends one block after the other"
    assert ledger.overdue(11.5 + PROMISE_S) == [first, second]
    assert ledger.close(first) == 100
    assert ledger.bytes_wasted == 50
    ledger.check()


def test_a_request_ends_with_its_last_block() -> None:
    ledger, link = Ledger(), link_to(1, sends_blocks=False)
    reception = ledger.open(1, link, {0: 100, 3: 50}, 10.0)
    assert (ledger.settle(reception, 3), ledger.settle(reception, 3)) == (50, 0)
    assert ledger.of(0) is reception
    assert ledger.settle(reception, 0) == 100
    assert len(ledger) == 0
    ledger.check()


def test_a_trickle_is_late_where_others_are_much_faster() -> None:
    ledger, link = Ledger(), link_to(1, sends_blocks=False)
    reception = ledger.open(1, link, {0: 1_000_000}, 0.0)
    ledger.moved(reception, 0, 1000, LATE_S)
    assert ledger.late(LATE_S, usual_rate=1_000_000.0) == [reception]
    assert ledger.late(LATE_S, usual_rate=1000.0) == [], "where everybody is slow nobody is late"
    assert ledger.late(LATE_S, usual_rate=0.0) == []


# --- uplink -------------------------------------------------------------------------------------


def test_an_offer_takes_a_slot_until_it_is_answered_or_expires() -> None:
    uplink, channel = Uplink(), Channel(link_to(1), VERSION, 0)
    offer = uplink.offer(channel, None, 10.0)
    assert (uplink.taken(10.0, 0.0), channel.link.offers) == (1, 1)
    assert uplink.answer(offer.grant, ConnectionId(99)) is None, "on another connection"
    assert uplink.expire(10.0 + OFFER_S) == [offer]
    assert (uplink.taken(13.0, 0.0), channel.link.offers) == (0, 0)
    assert uplink.answer(offer.grant, channel.link.id) is offer, "a late answer is honoured"
    assert uplink.answer(offer.grant, channel.link.id) is None
    uplink.check()


def test_only_so_many_expired_offers_are_remembered() -> None:
    uplink, channel = Uplink(), Channel(link_to(1), VERSION, 0)
    for _ in range(EXPIRED_MAX + 5):
        uplink.offer(channel, None, 0.0)
        uplink.expire(OFFER_S)
    assert len(uplink.expired) == EXPIRED_MAX


def test_a_slot_that_is_about_to_be_free_no_longer_counts() -> None:
    uplink, channel = Uplink(), Channel(link_to(1), VERSION, 0)
    sending = uplink.start(7, channel, {0: 100}, 0.0)
    uplink.moved(channel.link.id, 7, 50, 1.0)
    assert sending.due == pytest.approx(2.0)
    assert uplink.taken(1.0, 0.5) == 1
    assert uplink.taken(1.6, 0.5) == 0
    assert uplink.next_end(1.0, 0.5) == pytest.approx(1.5)


def test_dropped_channels_take_their_offers_and_sendings_with_them() -> None:
    uplink, channel = Uplink(), Channel(link_to(1), VERSION, 0)
    offer, sending = uplink.offer(channel, 3, 0.0), uplink.start(7, channel, {0: 100}, 0.0)
    assert uplink.drop([channel], 1.0) == ([offer], [sending])
    assert (uplink.taken(1.0, 0.0), channel.sending) == (0, 0)
    uplink.check()


# --- credit -------------------------------------------------------------------------------------


def test_no_slot_is_open_unless_the_longest_block_fits() -> None:
    credit = Credit(1000)
    assert credit.slots_left(2, longest=600) == 2
    credit.take(500, 0.0)
    assert credit.slots_left(2, longest=600) == 0
    assert credit.slots_left(2, longest=400) == 1
    credit.give_back(500, 1.0, is_slot=True)
    assert credit.slots_left(2, longest=5000) == 2, "a block longer than all of it comes alone"
    credit.check(0, 0)


# --- liveness and bans --------------------------------------------------------------------------


def test_who_is_silent_is_to_be_spoken_to_and_who_is_not_heard_is_dead() -> None:
    liveness: Liveness[str] = Liveness()
    liveness.add("a", 0.0)
    liveness.add("b", 0.0)
    liveness.spoke("a", 0.5)
    liveness.heard("b", 3.0)
    assert list(liveness.silent(SILENCE_S)) == ["b"]
    assert liveness.dead(DEATH_S) == ["a"]
    assert liveness.next_deadline() == SILENCE_S
    liveness.remove("a")
    assert liveness.dead(DEATH_S) == []
    liveness.heard("nobody", 1.0)


def test_a_ban_is_news_once_and_offences_add_up() -> None:
    bans = Bans()
    assert [bans.offend(agent(1)) for _ in range(OFFENCES_MAX)] == [False] * (OFFENCES_MAX - 1) + [True]
    assert (bans.ban(agent(1), "lied"), bans.ban(agent(1), "again")) == (True, False)
    assert agent(1) in bans
    assert bans.items() == ((agent(1), "lied"),)


# --- acquaintances ------------------------------------------------------------------------------


def test_who_was_missed_is_tried_again_ever_more_seldom() -> None:
    known = Acquaintances()
    known.learn(info(1), VERSION)
    now, waits = 0.0, []
    for _ in range(8):
        known.missed(agent(1), now)
        found = known.get(agent(1))
        assert found is not None
        waits.append(found.retry_at - now)
        assert known.to_dial(VERSION, now) == []
        now = found.retry_at
        assert known.to_dial(VERSION, now) == [found]
    assert waits[:3] == [1.0, 2.0, 4.0]
    assert waits[-1] == DIAL_RETRY_LAST_S


def test_a_dial_that_nothing_was_heard_of_has_failed() -> None:
    known = Acquaintances()
    known.learn(info(1), VERSION)
    known.dialled(agent(1), 0.0)
    assert known.dialling(1.0) == [agent(1)]
    assert known.to_dial(VERSION, 1.0) == []
    assert known.dialling(DIALLING_S) == []
    assert [each.info for each in known.to_dial(VERSION, DIALLING_S + 1.0)] == [info(1)]


def test_only_so_many_are_remembered() -> None:
    known = Acquaintances()
    for number in range(ADDRESSES_MAX + 1):
        known.learn(_numbered(number), VERSION)
    assert len(known) == ADDRESSES_MAX
    assert known.get(_numbered(0).agent_id) is None


# --- ownership ----------------------------------------------------------------------------------


def test_each_block_has_one_owner_and_a_leavers_blocks_alone_change_hands() -> None:
    seeds = [seed_of(agent(number), VERSION) for number in range(6)]
    owners = {i: [s for s in seeds if is_owner(s, [o for o in seeds if o != s], i)] for i in range(500)}
    assert all(len(each) == 1 for each in owners.values())
    staying = seeds[1:]
    for index, (owner,) in owners.items():
        if owner in staying:
            assert is_owner(owner, [other for other in staying if other != owner], index)
            assert rank(owner, [other for other in seeds if other != owner], index) == 0


def test_the_first_share_is_one_block_in_eight() -> None:
    seed = seed_of(agent(1), VERSION)
    share = sum(is_in_first_share(seed, index) for index in range(8000))
    assert 0.8 < share / (8000 / FIRST_SHARE) < 1.2


# --- store reads --------------------------------------------------------------------------------


def test_a_store_that_refuses_is_left_alone_twice_as_long_each_time() -> None:
    reads, pauses, now = StoreReads(Random(1)), [], 0.0
    for _ in range(8):
        reads.refused(now)
        pauses.append(reads.paused_until - now)
        assert reads.is_paused(now)
        now = reads.paused_until
    assert 0.75 * PAUSE_FIRST_S <= pauses[0] <= 1.25 * PAUSE_FIRST_S
    assert 0.75 * PAUSE_LAST_S <= pauses[-1] <= 1.25 * PAUSE_LAST_S


def test_reads_that_are_refused_together_are_refused_once() -> None:
    reads = StoreReads(Random(1))
    reads.refused(0.0)
    until = reads.paused_until
    for _ in range(8):
        reads.refused(0.1)
    assert reads.paused_until == until


def climb(rates: list[float]) -> list[int]:
    """Reads at once after each second in which `rates[reads - 1]` was reached; all are busy."""
    steps, count, now = Climb(), 1, 0.0
    counts = []
    for _ in range(30):
        now += CLIMB_S
        count = steps.step(count, rates[min(count, len(rates)) - 1], now)
        counts.append(count)
    return counts


def test_reads_are_added_while_each_makes_the_link_faster() -> None:
    assert climb([10.0 * n for n in range(1, 20)])[-1] == READS_MAX
    assert max(climb([10.0])) == 2
    assert climb([10.0, 20.0, 21.0])[-1] == 2


# --- peers --------------------------------------------------------------------------------------


def test_of_two_connections_the_smaller_diallers_stays_and_of_one_diallers_the_newer() -> None:
    mine, theirs = link_to(1, sends_blocks=False, connection=1), link_to(1, sends_blocks=True, connection=2)
    assert mine.is_dialer
    assert is_better(mine, theirs, PeerId("peer000"))
    assert not is_better(mine, theirs, PeerId("peer002"))
    newer = link_to(1, sends_blocks=False, connection=5)
    assert is_better(newer, mine, PeerId("peer000"))


def test_an_agent_is_forgotten_with_its_last_connection() -> None:
    table = PeerTable()
    facts = {"direction": Direction.TO_DIALER, "reads_store": False, "rtt_s": 0.0}
    sending = table.add(ConnectionId(1), info(1), sends_blocks=True, **facts)  # type: ignore[arg-type]
    receiving = table.add(ConnectionId(2), info(1), sends_blocks=False, **facts)  # type: ignore[arg-type]
    assert sending.peer is receiving.peer
    assert (sending.is_dialer, receiving.is_dialer) == (False, True)
    assert (sending.next_handle, receiving.next_handle) == (1, 0)
    table.remove(sending)
    assert agent(1) in table
    table.check()
    table.remove(receiving)
    assert len(table) == 0
