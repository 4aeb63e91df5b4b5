"""Sites: who is foreign, what is taken over a border and under which permission, what a seeder gives across."""

from __future__ import annotations

import pytest

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId, Index, Runs
from swarm.protocol.keys import SigningKey
from swarm.protocol.lease import Lease, sign_lease
from swarm.protocol.messages import DeclineReason, LeaseState
from tests.exchange.script import VERSION, Script, agent, info, of, sent

KEY = SigningKey.from_seed(b"tracker".ljust(32, b"."))
NEAR, FAR = "a", "b"


def script(*, blocks: int = 4, has_tracker: bool = True) -> tuple[Script, ConnectionId]:
    """An agent of site a that lacks everything, and its tracker."""
    s = Script(has_tracker=has_tracker, site=NEAR)
    tracker = s.track() if has_tracker else ConnectionId(-1)
    if has_tracker:
        s.hear(tracker, m.Welcome(7, KEY.public_key))
    s.open(blocks=blocks)
    return s, tracker


def grant(s: Script, tracker: ConnectionId, index: int, number: int = 1) -> list[c.Command]:
    lease = Lease(7, number, VERSION, ((Index(index), 1),), agent(100), 10**12, from_peers=True)
    return s.hear(tracker, m.LeaseGrant(sign_lease(lease, KEY)))


def wishes(commands: list[c.Command], tracker: ConnectionId) -> list[m.LeaseWanted]:
    return [wish for wish in sent(commands, tracker, m.LeaseWanted) if wish.from_peers]


def ready(grant: int = 0, named: Runs | None = None) -> m.Ready:
    return m.Ready(grant, 0, (), named)


# --- receiving --------------------------------------------------------------------------------------


def test_what_a_foreign_agent_has_and_nobody_here_is_wished_for() -> None:
    s, tracker = script()
    s.sender(1, have=((0, 3),), site=FAR)
    s.sender(2, have=((1, 1),), site=NEAR)
    (wish,) = wishes(s.wait(0.3), tracker)
    assert (wish.count, wish.lacks) == (2, ((0, 1), (2, 1)))
    assert not wishes(s.wait(0.3), tracker), "it is not repeated at once"
    assert wishes(s.wait(1.0), tracker)


def test_a_wish_ends_with_its_reason() -> None:
    s, tracker = script()
    far = s.sender(1, have=((0, 1),), site=FAR)
    s.wait(0.3)
    s.hear(far, m.Lost(0, ((0, 1),), m.LostReason.EDITED))
    assert [wish.count for wish in wishes(s.wait(0.5), tracker)] == [0]


def test_a_foreign_agent_hears_of_credit_only_under_a_lease_and_is_asked_only_for_its_block() -> None:
    s, tracker = script()
    far = s.sender(1, have=((0, 4),), site=FAR)
    assert not sent(s.wait(1.0), far, m.Credit)
    (decline,) = sent(s.hear(far, ready(1)), far, m.Decline)
    assert decline.reason is DeclineReason.NO_CREDIT, "old agents offer all the same"
    assert sent(grant(s, tracker, 2), far, m.Credit)[0].slots == 1
    (request,) = sent(s.hear(far, ready(2)), far, m.Request)
    assert request.runs == ((2, 1),)
    assert sent(s.hear(far, ready(3)), far, m.Decline)


def test_what_is_leased_waits_for_no_slot() -> None:
    s, tracker = script(blocks=16)
    near, far = s.sender(1, have=((0, 8),), site=NEAR), s.sender(2, have=((8, 8),), site=FAR)
    number = 0
    while sent(s.hear(near, ready(number)), near, m.Request):
        number += 1
    grant(s, tracker, 9)
    assert sent(s.hear(far, ready(99)), far, m.Request)[0].runs == ((9, 1),)


def test_a_lease_is_reported_done_and_passed_once_a_neighbour_of_the_site_has_its_block() -> None:
    s, tracker = script()
    far, near = s.sender(1, have=((0, 4),), site=FAR), s.sender(2, have=(), site=NEAR)
    grant(s, tracker, 2)
    (request,) = sent(s.hear(far, ready()), far, m.Request)
    commands = s.tell(e.BlockArrived(far, request.request, VERSION, Index(2), 1000))
    (line,) = sent(commands, tracker, m.Leases)[0].reports
    assert (line.state, line.bytes) == (LeaseState.DONE, 1000)
    assert not sent(s.wait(2.0, alive=(near, far)), tracker, m.Leases), "that a foreign agent has it passes nothing on"
    s.hear(near, m.Haves(((0, ((2, 1),)),)))
    (line,) = sent(s.wait(1.1), tracker, m.Leases)[0].reports
    assert line.state is LeaseState.PASSED


def test_a_lease_that_nobody_serves_is_given_back() -> None:
    s, tracker = script()
    far = s.sender(1, have=((0, 4),), site=FAR)
    grant(s, tracker, 2)
    states = [
        line.state for said in sent(s.wait(5.2, alive=(far, tracker)), tracker, m.Leases) for line in said.reports
    ]
    assert set(states[:-1]) == {LeaseState.WAITING}
    assert states[-1] is LeaseState.RETURNED


def test_a_lease_whose_last_holder_is_gone_is_given_back_at_once() -> None:
    s, tracker = script()
    far = s.sender(1, have=((0, 4),), site=FAR)
    grant(s, tracker, 2)
    s.tell(e.PeerDisconnected(far, "gone"))
    (line,) = sent(s.wait(0.1), tracker, m.Leases)[-1].reports
    assert line.state is LeaseState.RETURNED


def test_a_fenced_lease_ends_its_reception() -> None:
    s, tracker = script()
    far = s.sender(1, have=((0, 4),), site=FAR)
    grant(s, tracker, 2)
    (request,) = sent(s.hear(far, ready()), far, m.Request)
    commands = s.hear(tracker, m.LeaseFenced(1, 7))
    assert [cancel.request for cancel in sent(commands, far, m.Cancel)] == [request.request]


def test_what_came_from_a_neighbour_meanwhile_ends_the_lease() -> None:
    s, tracker = script()
    s.sender(1, have=((0, 4),), site=FAR)
    near = s.sender(2, have=((2, 1),), site=NEAR)
    grant(s, tracker, 2)
    (request,) = sent(s.hear(near, ready()), near, m.Request)
    commands = s.tell(e.BlockArrived(near, request.request, VERSION, Index(2), 1000))
    assert sent(commands, tracker, m.Leases)[0].reports[0].state is LeaseState.DONE


def test_a_tracker_that_comes_back_is_shown_the_lease() -> None:
    s, tracker = script()
    s.sender(1, have=((0, 4),), site=FAR)
    grant(s, tracker, 2)
    s.tell(e.TrackerLost("gone"))
    again = s.track()
    commands = s.hear(again, m.Welcome(8, KEY.public_key))
    joins = sent(commands, again, m.Join)
    assert all(len(join.leases) == 1 for join in joins)


def test_what_the_site_has_lost_is_told_after_patience() -> None:
    s, tracker = script()
    far = s.sender(1, have=((0, 2),), site=FAR)
    assert not sent(s.wait(4.5, alive=(far, tracker)), tracker, m.Orphans)
    (said,) = [said for said in sent(s.wait(1.0, alive=(far, tracker)), tracker, m.Orphans) if said.from_peers]
    assert said.runs == ((0, 2),)


# --- without a tracker ------------------------------------------------------------------------------


def test_without_a_tracker_each_block_has_an_owner_in_its_site_who_takes_one_at_a_time() -> None:
    taken: list[int] = []
    s, _ = script(blocks=64, has_tracker=False)
    far = s.sender(1, have=((0, 64),), site=FAR)
    near = s.connect(2, sends_blocks=True, site=NEAR)[0]
    s.hear(near, m.Open(0, VERSION))
    s.meet(near, 0, have=(), want=None)
    for grant in range(200):
        s.wait(0.3, alive=(far, near))
        requests = sent(s.hear(far, ready(grant)), far, m.Request)
        for request in requests:
            assert not sent(s.hear(far, ready(1000 + grant)), far, m.Request), "one at a time"
            taken.append(request.runs[0][0])
            s.tell(e.BlockArrived(far, request.request, VERSION, Index(taken[-1]), 1000))
        if grant > 120 and not requests:
            break
    assert len(taken) == len(set(taken))
    assert 16 < len(taken) < 48, "the other half is the neighbour's, as long as patience lasts"


# --- a seeder ---------------------------------------------------------------------------------------


def seeder() -> Script:
    s = Script(site=NEAR)
    s.open(blocks=4, have=((0, 4),), is_origin=True)
    return s


def offers(commands: list[c.Command], connection: ConnectionId) -> list[m.Ready]:
    return sent(commands, connection, m.Ready)


def test_a_seeder_gives_across_only_what_its_own_site_does_not_lack() -> None:
    s = seeder()
    far = s.receiver(1, site=FAR)
    near = s.receiver(2, want=((0, 2),), slots=0, site=NEAR)
    named = {
        offer.named
        for _ in range(4)
        for offer in offers(s.wait(1.0, alive=(near, far)), far)
        if offer.named is not None
    }
    assert named
    assert not {((0, 1),), ((1, 1),)} & named


def test_a_seeder_waits_a_moment_for_its_own_site() -> None:
    s = seeder()
    far = s.receiver(1, site=FAR)
    assert not offers(s.wait(0.4, alive=(far,)), far)
    assert offers(s.wait(0.3, alive=(far,)), far)


def test_what_a_seeder_gives_is_told_where_there_are_foreign_agents() -> None:
    s, tracker = script()
    origin = s.sender(1, have=((0, 4),), is_origin=True, site=NEAR)
    s.hear(origin, ready(1, named=((3, 1),)))
    assert not sent(s.wait(0.5), tracker, m.Entered)
    s.sender(2, have=(), site=FAR)
    (said,) = sent(s.wait(0.2), tracker, m.Entered)
    assert said.runs == ((3, 1),)


def test_a_site_that_starves_is_given_what_the_own_site_lacks_too() -> None:
    s = seeder()
    far = s.receiver(1, site=FAR)
    near = s.receiver(2, slots=0, site=NEAR)
    assert not offers(s.wait(14.0, alive=(near, far)), far)
    assert offers(s.wait(4.0, alive=(near, far)), far)


# --- giving -----------------------------------------------------------------------------------------


def test_a_foreign_agent_with_open_credit_comes_first_and_two_at_most() -> None:
    s = Script(site=NEAR)
    s.open(blocks=8, have=((0, 8),))
    for number in range(1, 6):
        s.receiver(number, slots=0, site=NEAR)
    far = [s.receiver(number, slots=0, site=FAR) for number in (6, 7, 8)]
    commands = [command for link in far for command in s.hear(link, m.Credit(1, 1 << 20))]
    assert sum(len(offers(commands, link)) for link in far) == 2


# --- which site -------------------------------------------------------------------------------------


def test_the_tracker_knows_better_and_who_heard_otherwise_is_met_anew() -> None:
    s, tracker = script()
    link = s.sender(1, have=((0, 1),), site=FAR)
    commands = s.hear(tracker, m.HandOut(VERSION, (info(100, site=FAR), info(3, site="c"))))
    assert s.node.site == FAR
    assert [gone.connection for gone in of(commands, c.Disconnect)] == [link]
    s.sender(1, have=((0, 1),), site=FAR)
    assert not wishes(s.wait(0.5), tracker), "they are of one site"
    s.sender(3, have=((1, 1),), site=FAR)
    (wish,) = wishes(s.wait(0.5), tracker)
    assert wish.lacks == ((1, 1),), "agent 3 says b, and the tracker c"


@pytest.mark.parametrize("site", [NEAR, ""])
def test_with_one_site_nothing_of_this_is_said(site: str) -> None:
    s = Script(has_tracker=True, site=site)
    tracker = s.track()
    s.open(blocks=4)
    near = s.sender(1, have=((0, 4),), site=site)
    commands = s.wait(8.0, alive=(near, tracker))
    assert not wishes(commands, tracker)
    assert not [said for said in sent(commands, tracker, m.Orphans) if said.from_peers]
    assert sent(s.hear(near, ready()), near, m.Request)
