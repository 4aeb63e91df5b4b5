"""Sites: a block crosses the border of a site under one lease, two at a time, and again where it was lost."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from swarm.protocol.ids import Runs
from swarm.protocol.messages import (
    Entered,
    HandOut,
    Join,
    LeaseFenced,
    LeaseGrant,
    LeaseReport,
    Leases,
    LeaseState,
    LeaseWanted,
    Leave,
    Orphans,
    Share,
)
from swarm.tracker.agents.sites import SiteTable
from swarm.tracker.leasing.budget import OriginBudget
from tests.tracker.script import Script, V, agent_id, null_sign, null_verify

ALL: Runs = ((0, 8),)


def script(**changes: object) -> Script:
    """Members `b0`, `b1`, `b2` of site b and `c0` of site c; no store, no seeder."""
    made = Script(**changes)  # type: ignore[arg-type]
    made.learn()
    for name in ("b0", "b1", "b2", "c0"):
        made.join(name, site=name[0], reads_store=False)
    return made


def wish(script: Script, name: str, lacks: Runs = ALL, *, count: int = 2) -> None:
    script.say(name, LeaseWanted(V, count, lacks, from_peers=True))


def bring_and_pass_on(script: Script, name: str, index: int) -> None:
    """Into the site, and to somebody else there."""
    wish(script, name, ((index, 1),))
    number = min(script.leases[name])
    script.report(name, LeaseState.DONE)
    script.report(name, LeaseState.PASSED, number=number)


def crossing(script: Script, *names: str) -> list[int]:
    """Indexes that these may take across now."""
    leases = [lease for name in names for lease in script.leases.get(name, {}).values()]
    assert all(lease.from_peers for lease in leases)
    return sorted(lease.indexes[0][0] for lease in leases)


def test_two_blocks_cross_at_once_into_a_site_and_no_block_twice() -> None:
    s = script()
    for name in ("b0", "b1", "b2"):
        wish(s, name)
    entered = []
    for _ in range(8):
        assert len(crossing(s, "b0", "b1", "b2")) <= 2
        name = next(name for name in ("b0", "b1", "b2") if s.leases.get(name))
        entered.append(s.report(name, LeaseState.DONE))
    assert sorted(entered) == list(range(8))
    assert not crossing(s, "b0", "b1", "b2")
    assert s.tracker.statistics().blocks_crossed == 8


def test_each_site_has_its_own_border() -> None:
    s = script()
    wish(s, "b0", ((3, 1),))
    wish(s, "c0", ((3, 1),))
    assert (crossing(s, "b0"), crossing(s, "c0")) == ([3], [3])


def test_what_nobody_could_take_is_not_granted() -> None:
    s = script()
    wish(s, "b0", ((2, 1), (5, 1)))
    assert crossing(s, "b0") == [2, 5]
    wish(s, "c0", ())
    assert crossing(s, "c0") == []
    wish(s, "c0", ((20, 5),))
    assert crossing(s, "c0") == []


def test_crossings_are_no_leases_of_the_store_and_leave_its_budget_alone() -> None:
    s = Script(budget=OriginBudget(copies=1))
    s.learn()
    s.join("a0", site="a")
    s.join("b0", site="b")
    s.want("a0", count=8)
    assert s.held("a0") == list(range(8))
    wish(s, "b0")
    assert len(crossing(s, "b0")) == 2
    s.report("b0", LeaseState.DONE, 100)
    assert s.tracker.statistics().lease_bytes == 0


def test_a_lease_of_the_store_is_the_crossing_of_its_site() -> None:
    s = Script()
    s.learn()
    s.join("b0", "b1", site="b")
    s.want("b0", lacks=((4, 1),))
    assert s.report("b0", LeaseState.DONE, 100) == 4
    wish(s, "b1", ((4, 2),))
    assert crossing(s, "b1") == [5]


def test_what_a_seeder_gives_has_entered() -> None:
    s = script()
    s.say("b0", Entered(V, ((1, 2),)))
    wish(s, "b1", ((0, 4),))
    assert crossing(s, "b1") == [0, 3]
    wish(s, "c0", ((1, 1),))
    assert crossing(s, "c0") == [1], "another site has not got it"


def test_what_its_only_holder_took_along_may_enter_again() -> None:
    s = script()
    s.say("b0", Entered(V, ((1, 1),)))
    wish(s, "b0", ((2, 1),))
    s.report("b0", LeaseState.DONE)
    wish(s, "b1", ((1, 2),))
    assert crossing(s, "b1") == []
    s.say("b0", Leave(V))
    assert crossing(s, "b1") == [1, 2]


def test_what_another_takes_across_is_not_lost_with_who_was_given_it_by_a_seeder() -> None:
    s = script()
    wish(s, "b0", ((1, 1),))
    wish(s, "b1", ((1, 1),))
    s.say("b2", Entered(V, ((1, 1),)))
    s.say("b2", Leave(V))
    assert (crossing(s, "b0"), crossing(s, "b1")) == ([1], [])


def test_who_comes_back_with_its_lease_finds_the_border_taken_by_others() -> None:
    s = script()
    wish(s, "b0", ((0, 1),))
    tokens = tuple(null_sign(lease) for lease in s.leases["b0"].values())
    wish(s, "b1", ((1, 3),))
    s.disconnect("b0")
    s.run(6.0, renewing=("b1",))
    assert len(crossing(s, "b1")) == 2
    s.join("b0", site="b", reads_store=False, leases=tokens)
    assert crossing(s, "b0") == []


def test_what_was_passed_on_is_not_lost_with_its_holder() -> None:
    s = script()
    bring_and_pass_on(s, "b0", 2)
    wish(s, "b1", ((2, 1),))
    s.say("b0", Leave(V))
    assert crossing(s, "b1") == []


def test_a_lease_that_nobody_renews_is_fenced_and_given_to_another() -> None:
    s = script()
    wish(s, "b0", ((2, 1),))
    wish(s, "b1", ((2, 1),))
    assert (crossing(s, "b0"), crossing(s, "b1")) == ([2], [])
    s.run(6.0)
    assert len(s.heard("b0", LeaseFenced)) == 1
    assert (crossing(s, "b0"), crossing(s, "b1")) == ([], [2])


def test_who_only_waits_does_not_close_the_border_to_its_site() -> None:
    s = script()
    wish(s, "b0", ((2, 1),))
    wish(s, "b1", ((2, 1),))
    s.run(9.0, renewing=("b0",))
    assert crossing(s, "b0") == [2]
    s.run(2.0, renewing=("b0",))
    assert (crossing(s, "b0"), crossing(s, "b1")) == ([], [2])


def test_a_lease_that_is_returned_goes_to_another_and_pauses_nobody() -> None:
    s = script()
    wish(s, "b0", ((2, 1),))
    wish(s, "b1", ((2, 1),))
    s.report("b0", LeaseState.RETURNED)
    assert (crossing(s, "b0"), crossing(s, "b1")) == ([], [2])
    assert s.tracker.statistics().leases_returned == 0, "the store has not refused anything"


def test_a_restarted_tracker_takes_over_what_is_crossing_and_what_is_held() -> None:
    before = script()
    wish(before, "b0", ((2, 1),))
    tokens = tuple(null_sign(lease) for lease in before.leases["b0"].values())
    s = Script(is_first_start=False, epoch=1_800_000_000_000)
    s.leases["b0"] = dict(before.leases["b0"])
    s.learn()
    s.join("b0", site="b", have=1, reads_store=False, leases=tokens, held=((5, 1),))
    s.join("b1", site="b", reads_store=False)
    wish(s, "b1", ((2, 1), (5, 2)))
    assert crossing(s, "b1") == [], "it listens first"
    s.run(9.0, renewing=("b0",))
    assert crossing(s, "b1") == [6], "2 is being taken by b0, which has 5"
    number = null_verify(tokens[0]).number
    s.say("b0", Leases((LeaseReport(number, LeaseState.DONE, 10),)))
    assert s.tracker.statistics().blocks_crossed == 1


def test_what_members_go_on_missing_enters_again() -> None:
    s = script()
    bring_and_pass_on(s, "b0", 2)
    wish(s, "b1", ((2, 1),))
    s.say("b1", Orphans(V, ((2, 1),), from_peers=True))
    assert crossing(s, "b1") == [], "nobody acts on the word of one"
    s.say("b2", Orphans(V, ((2, 1),), from_peers=True))
    assert crossing(s, "b1") == [2]
    s.say("b2", Orphans(V, ((2, 1),), from_peers=True))
    assert crossing(s, "b1", "b2") == [2], "what is crossing is not missing"


def test_who_misses_a_block_is_told_who_brought_it() -> None:
    s = script()
    wish(s, "b0", ((2, 1),))
    s.heard("b1", HandOut)
    s.say("b1", Orphans(V, ((2, 1),), from_peers=True))
    (handed,) = s.heard("b1", HandOut)
    assert [peer.agent_id for peer in handed.peers] == [agent_id("b0")]


def test_who_has_everything_has_brought_everything() -> None:
    s = script()
    s.join("b3", site="b", have=8, reads_store=False)
    wish(s, "b0")
    assert crossing(s, "b0") == []
    wish(s, "c0")
    assert len(crossing(s, "c0")) == 2


def test_with_a_budget_per_site_what_crossed_need_not_be_read() -> None:
    s = Script(budget=OriginBudget(copies=1, is_per_site=True))
    s.learn()
    s.join("b0", "b1", site="b")
    wish(s, "b0", ((0, 1),))
    s.report("b0", LeaseState.DONE, 100)
    s.want("b1", count=16)
    assert s.held("b1") == list(range(1, 8))


def test_an_agent_is_told_its_site_where_the_table_knows_better() -> None:
    table = SiteTable([(ip_network("10.1.0.0/16"), "eu/a")])
    s = Script(site_of=table.site_of)
    s.learn()
    s.join("known", addresses=("/ip4/10.1.2.3/tcp/1",), reads_store=False)
    first = s.heard("known", HandOut)[0]
    assert [(peer.agent_id, peer.site) for peer in first.peers] == [(agent_id("known"), "eu/a")]
    s.join("right", site="eu/a", addresses=("/ip4/10.1.2.4/tcp/1",), reads_store=False)
    s.join("other", site="x", addresses=("/ip4/192.0.2.1/tcp/1",), reads_store=False)
    for name in ("right", "other"):
        named = [peer for hand_out in s.heard(name, HandOut) for peer in hand_out.peers]
        assert agent_id(name) not in [peer.agent_id for peer in named]
    wish(s, "known", ((2, 1),))
    wish(s, "right", ((2, 1),))
    assert crossing(s, "known", "right") == [2], "they are of one site"


def test_one_site_has_no_borders() -> None:
    s = Script()
    s.learn()
    s.join("a", "b")
    s.want("a", "b")
    grants = s.heard("a", LeaseGrant) + s.heard("b", LeaseGrant)
    assert [null_verify(grant.lease).from_peers for grant in grants] == [False, False]
    assert null_sign(replace(null_verify(grants[0].lease), from_peers=False)) == grants[0].lease


def test_who_comes_back_to_another_site_is_counted_there() -> None:
    s = script()
    wish(s, "b0", ((2, 1),))
    s.say("b0", Join(V, 8, 0, True, False, False, "c", ()))
    wish(s, "b0", ((2, 2),))
    wish(s, "c0", ((2, 2),))
    assert len(crossing(s, "b0", "c0")) == 3, "one of site b, two of site c"


def test_what_left_a_seeded_version_with_its_holders_is_in_a_share_again() -> None:
    """A tracker that has just started takes what agents hold for given; nobody else has to give it but the seeder."""
    s = Script(is_first_start=False)
    s.learn()
    s.join("a0", site="a", have=4, reads_store=False, held=((0, 4),))
    s.seed("seeder")
    s.join("b0", site="b", reads_store=False)
    assert s.heard("seeder", Share)[-1].runs == ((4, 4),)
    s.say("a0", Leave(V))
    for _ in range(5):
        s.run(5.0)
        s.say("b0", Orphans(V, ((0, 4),)))
    assert s.heard("seeder", Share)[-1].runs == ((0, 8),)


def test_who_leaves_takes_along_what_it_brought_before_anybody_wished() -> None:
    s = script()
    s.say("b0", Entered(V, ((0, 8),)))
    s.say("b0", Leave(V))
    wish(s, "b1", ((2, 2),))
    assert crossing(s, "b1") == [2, 3]
