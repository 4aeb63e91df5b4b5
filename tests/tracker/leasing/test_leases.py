"""Leases as agents see them: scripts against the whole tracker."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest

from swarm.protocol.messages import (
    Join,
    LeaseFenced,
    LeaseReport,
    Leases,
    LeaseState,
    Leave,
    Orphans,
    Share,
)
from swarm.tracker.commands import PresignAndSend
from swarm.tracker.events import PresignFailed
from swarm.tracker.leasing.budget import OriginBudget
from swarm.tracker.leasing.pace import Pace
from tests.tracker.script import EPOCH, Script, V, agent_id, letters, null_sign

DONE, MOVING, WAITING = LeaseState.DONE, LeaseState.MOVING, LeaseState.WAITING
PASSED, RETURNED = LeaseState.PASSED, LeaseState.RETURNED


def ready(*names: str, space: int = 8, pages: int = 0, **changes: object) -> Script:
    script = Script(**changes)  # type: ignore[arg-type]
    script.join(*names, space=space)
    script.learn(pages=pages, space=space)
    return script


def test_one_block_each_and_the_next_on_its_arrival() -> None:
    script = ready("a", "b")
    script.want("a", "b")
    first, second = script.held("a"), script.held("b")
    assert len(first) == len(second) == 1
    assert first != second
    assert script.report("a", DONE, 100) == first[0]
    assert len(script.held("a")) == 1
    assert script.held("a")[0] not in (*first, *second)


def test_pages_come_first_and_in_order() -> None:
    script = ready("a", space=40, pages=3)
    script.want("a")
    indexes = [script.report("a", DONE, 10) for _ in range(5)]
    assert indexes[:3] == [0, 1, 2]
    assert all(index >= 3 for index in indexes[3:])


def test_an_agent_whose_link_is_not_full_holds_several() -> None:
    script = ready("a")
    script.want("a", count=3)
    assert len(script.held("a")) == 3
    script.want("a", count=1)
    script.report("a", DONE, 1)
    script.report("a", DONE, 1)
    assert len(script.held("a")) == 1, "a smaller wish is not filled up again"
    script.report("a", DONE, 1)
    assert len(script.held("a")) == 1


def test_a_lone_agent_gets_everything_and_nothing_twice() -> None:
    script = ready("a", space=50, pages=2)
    script.want("a", count=4)
    seen = [script.report("a", DONE, 1) for _ in range(50)]
    assert sorted(seen) == list(range(50))
    assert script.held("a") == []


def test_an_agent_is_given_only_what_it_lacks() -> None:
    script = ready("a", space=100)
    script.want("a", count=2, lacks=((7, 1), (90, 2)))
    seen = {script.report("a", DONE, 1) for _ in range(3)}
    assert seen == {7, 90, 91}
    assert script.held("a") == []


def test_a_wish_before_the_shape_is_known_waits_for_it() -> None:
    script = Script()
    script.join("a")
    script.want("a")
    assert script.held("a") == []
    script.learn()
    assert len(script.held("a")) == 1


def test_who_cannot_read_the_store_gets_no_lease() -> None:
    script = Script()
    script.join("a", reads_store=False)
    script.learn()
    script.want("a")
    assert script.held("a") == []


def test_where_the_tracker_presigns_nobody_needs_credentials() -> None:
    script = Script(presigns=True)
    script.join("a", reads_store=False)
    script.learn()
    script.want("a")
    (command,) = script.other
    assert isinstance(command, PresignAndSend)
    assert command.agent == agent_id("a")
    assert command.seconds == 30
    script.event(PresignFailed(command.agent, command.number, "no such page"))
    script.run(1.0)
    assert len(script.other) >= 2, "the lease went back and is granted again"


def test_a_waiting_lease_lives_as_long_as_it_is_reported() -> None:
    script = ready("a")
    script.want("a")
    for _ in range(60):
        script.run(1.0)
        script.report("a", WAITING)
    assert script.heard("a", LeaseFenced) == []
    assert script.tracker.statistics().leases_fenced == 0


def test_a_lease_that_is_not_heard_of_is_fenced_and_granted_again() -> None:
    script = ready("a", "b", space=1)
    script.want("a", "b")
    holder, other = ("a", "b") if script.held("a") else ("b", "a")
    script.run(4.9)
    assert script.held(other) == []
    script.run(1.0)
    (fenced,) = script.heard(holder, LeaseFenced)
    assert fenced.tracker_epoch == EPOCH
    assert script.tracker.statistics().leases_fenced >= 1
    assert script.held(holder) == []
    assert script.held(other) == [0]


def test_moving_without_new_bytes_is_fenced_though_reported() -> None:
    script = ready("a")
    script.want("a")
    for second in range(4):
        script.run(1.0)
        script.report("a", MOVING, 100 * second)
    assert script.heard("a", LeaseFenced) == []
    for _ in range(4):
        script.run(1.0)
        script.report("a", MOVING, 300)
    assert script.heard("a", LeaseFenced) == []
    script.run(1.0)
    assert len(script.heard("a", LeaseFenced)) == 1


def test_a_dead_agents_blocks_are_granted_again_unless_passed_on() -> None:
    script = ready("a", "b", space=3)
    script.want("a", count=3)
    numbers = sorted(script.leases["a"])
    leases = {number: script.leases["a"][number].indexes[0][0] for number in numbers}
    script.report("a", DONE, 1, number=numbers[0])
    script.report("a", DONE, 1, number=numbers[1])
    script.report("a", PASSED, 1, number=numbers[1])
    script.want("b", count=3)
    assert script.held("b") == []
    script.disconnect("a")
    script.run(6.0)
    assert script.held("b") == sorted({leases[numbers[0]], leases[numbers[2]]})


def test_an_agent_that_leaves_gives_back_at_once() -> None:
    script = ready("a", "b", space=1)
    script.want("a")
    script.want("b")
    script.say("a", Leave(V))
    assert script.held("b") == [0]


def test_an_agent_that_comes_back_in_time_keeps_its_lease() -> None:
    script = ready("a", "b", space=1)
    script.want("a", "b")
    holder = "a" if script.held("a") else "b"
    token = null_sign(next(iter(script.leases[holder].values())))
    script.disconnect(holder)
    script.run(2.0)
    script.join(holder, space=1, leases=(token,))
    script.report(holder, MOVING, 5)
    script.run(3.0)
    script.report(holder, DONE, 9)
    assert script.tracker.statistics().leases_granted == 1


def test_nothing_is_granted_to_who_cannot_be_told() -> None:
    script = ready("a", "b", space=2)
    script.want("a")
    script.disconnect("a")
    script.join("b", space=2)
    script.want("b", count=2)
    assert len(script.held("b")) == 1
    assert script.tracker.statistics().leases_live == 2


def test_a_returned_lease_slows_the_grants() -> None:
    script = ready("a", "b")
    script.want("a")
    script.report("a", RETURNED)
    script.want("b")
    assert script.held("b") == [], "a pause"
    script.run(0.2)
    assert len(script.held("b")) == 1
    assert len(script.held("a")) == 1


def test_a_block_that_the_store_never_gives_does_not_hold_up_the_others() -> None:
    script = ready("a", space=20)
    script.want("a")
    arrived = set()
    for _ in range(200):
        script.run(0.5)
        if not script.held("a"):
            continue
        if script.held("a") == [13]:
            script.report("a", RETURNED)
        else:
            arrived.add(script.report("a", DONE, 1))
    assert arrived == set(range(20)) - {13}
    assert script.tracker.statistics().leases_returned < 20


def test_a_late_arrival_under_a_fenced_lease_still_counts() -> None:
    script = ready("a", space=1)
    script.want("a")
    (number,) = script.leases["a"]
    script.want("a", count=0)
    script.run(6.0)
    assert len(script.heard("a", LeaseFenced)) == 1
    script.report("a", DONE, 7, number=number)
    script.join("b", space=1)
    script.want("b")
    assert script.held("b") == []


def test_a_report_on_an_unknown_lease_is_fenced() -> None:
    script = ready("a")
    script.say("a", Leases((LeaseReport(4711, MOVING, 5),)))
    assert [fenced.number for fenced in script.heard("a", LeaseFenced)] == [4711]


def test_nobody_reports_on_another_agents_lease() -> None:
    script = ready("a", "b", space=1)
    script.want("a")
    (number,) = script.leases["a"]
    script.say("b", Leases((LeaseReport(number, RETURNED, 0),)))
    script.want("b")
    assert script.held("b") == []


def test_at_most_so_many_leases_are_out() -> None:
    names = list(letters(40))
    script = ready(*names, space=200, pace=Pace(least=10, most=10))
    script.want(*names)
    assert sum(len(script.held(name)) for name in names) == 10


def test_where_the_origin_is_short_the_fast_come_first() -> None:
    names = list(letters(24))
    script = ready(*names, space=4000, pace=Pace(least=8, most=8))
    slow = set(names[:8])
    script.want(*names)
    given: Counter[str] = Counter()
    for _ in range(120):
        script.run(0.25)
        for name in [name for name in names if script.held(name)]:
            if name in slow and script.now % 5.0 >= 0.25:
                script.report(name, MOVING, int(script.now * 1000))
            else:
                given[name] += 1
                script.report(name, DONE, 1_000_000)
    fast = [given[name] for name in names if name not in slow]
    assert min(fast) > 20
    assert max(given[name] for name in slow) <= 3


# --- budgets ----------------------------------------------------------------------------------------


def test_one_copy_for_each_site() -> None:
    script = Script(budget=OriginBudget(copies=1, is_per_site=True))
    script.join("a", site="north", space=4)
    script.join("b", site="south", space=4)
    script.learn(space=4)
    script.want("a", "b", count=4)
    assert script.held("a") == script.held("b") == [0, 1, 2, 3]


def test_a_second_copy_starts_when_the_first_has_left() -> None:
    script = ready("a", "b", space=3, budget=OriginBudget(copies=2))
    script.want("a", count=3, lacks=((0, 3),))
    script.want("b", count=3, lacks=((0, 3),))
    assert script.held("a") == script.held("b") == [0, 1, 2]
    for _ in range(3):
        script.report("b", DONE, 1)
    script.want("b", count=3, lacks=((0, 3),))
    assert script.held("b") == [], "two copies are two copies"


@pytest.mark.parametrize(("fails_closed", "expected"), [(True, []), (False, [0])])
def test_what_is_lost_beyond_the_budget(fails_closed: bool, expected: list[int]) -> None:
    script = ready("a", "b", space=1, budget=OriginBudget(fails_closed=fails_closed))
    script.want("a")
    script.report("a", DONE, 1)
    script.want("b")
    script.disconnect("a")
    script.run(6.0)
    assert script.held("b") == expected


def test_a_lease_that_never_arrived_is_no_copy() -> None:
    script = ready("a", "b", space=1, budget=OriginBudget(fails_closed=True))
    script.want("a")
    script.want("b")
    script.disconnect("a")
    script.run(6.0)
    assert script.held("b") == [0]


def test_a_budget_in_bytes() -> None:
    script = ready("a", "b", space=10, budget=OriginBudget(total_bytes=250))
    script.want("a")
    for _ in range(3):
        script.report("a", DONE, 100)
    assert script.held("a") == [], "300 of 250 bytes are spent"
    script.want("b")
    script.disconnect("a")
    script.run(6.0)
    assert len(script.held("b")) == 1, "it fails open: what was lost may be read again"


@pytest.mark.parametrize("fails_closed", [False, True])
def test_bytes_that_are_spent_end_the_fetch_only_where_the_budget_fails_closed(fails_closed: bool) -> None:
    """What never left can be had from nobody: it is read when agents have missed it for a while, and counted."""
    script = ready("a", "b", space=6, budget=OriginBudget(total_bytes=250, fails_closed=fails_closed))
    script.want("a", "b")
    for _ in range(3):
        script.report("a", DONE, 100)
    script.report("b", DONE, 100)
    assert (script.held("a"), script.held("b")) == ([], [])
    assert script.tracker.statistics().leases_beyond_budget == 0
    left = ((0, 6),)
    script.say("a", Orphans(V, left))
    assert script.held("a") == [], "one alone is not believed"
    script.say("b", Orphans(V, left))
    got = [*script.held("a"), *script.held("b")]
    beyond = script.tracker.statistics().leases_beyond_budget
    assert (len(got), beyond) == ((0, 0) if fails_closed else (2, 2))


# --- orphans ----------------------------------------------------------------------------------------


def test_an_orphan_is_granted_again_when_a_second_agent_misses_it() -> None:
    script = ready("a", "b", "c", space=4)
    script.say("a", Join(V, 4, 3, True, False, True, "", (), held=((0, 3),)))
    script.want("a", "b", "c", count=4)
    taken = {name: script.held(name) for name in "abc"}
    assert sorted(chain(*taken.values())) == [3], "what somebody holds is not read"
    script.say("b", Orphans(V, ((0, 2),)))
    assert {name: script.held(name) for name in "abc"} == taken
    script.say("c", Orphans(V, ((1, 2),)))
    assert sorted(chain(*map(script.held, "abc"))) == [1, 3]


def test_one_agent_alone_is_believed_after_a_while() -> None:
    script = ready("a", "b", space=2)
    script.say("a", Join(V, 2, 1, True, False, True, "", (), held=((0, 1),)))
    script.want("b", count=2)
    script.say("b", Orphans(V, ((0, 1),)))
    assert script.held("b") == [1]
    script.run(5.0, renewing=("b",))
    script.say("b", Orphans(V, ((0, 1),)))
    assert 0 in script.held("b")


def test_an_agent_that_alone_lacks_something_is_believed_at_once() -> None:
    script = ready("a", space=2)
    script.say("a", Join(V, 2, 1, True, False, True, "", (), held=((0, 1),)))
    script.want("a", count=2)
    assert script.held("a") == [1]
    script.say("a", Orphans(V, ((0, 1),)))
    assert script.held("a") == [0, 1]


def test_what_is_being_read_is_no_orphan() -> None:
    script = ready("a", "b", "c", space=1)
    script.want("a")
    for name in "bc":
        script.want(name)
        script.say(name, Orphans(V, ((0, 1),)))
    assert script.held("b") == script.held("c") == []


# --- seeders ----------------------------------------------------------------------------------------


def test_while_a_seeder_lives_everything_is_its_share() -> None:
    script = Script()
    script.learn()
    script.seed("s")
    script.join("a")
    script.want("a")
    assert script.heard("s", Share) == [Share(EPOCH, V, ((0, 8),))]
    assert script.held("a") == []


def test_two_seeders_split_evenly_and_the_first_one_back_takes_over() -> None:
    script = Script()
    script.learn()
    script.seed("s", "t")
    script.join("a")
    assert script.heard("s", Share)[-1].runs == ((0, 4),)
    assert script.heard("t", Share)[-1].runs == ((4, 4),)
    script.count("a", 3, lacks=True)
    script.disconnect("s")
    script.run(6.0)
    assert script.heard("t", Share)[-1].runs == ((0, 8),)


def test_a_seeder_that_comes_late_gets_what_falls_free() -> None:
    script = Script()
    script.learn()
    script.seed("s")
    script.join("a")
    script.count("a", 3, lacks=True)
    script.seed("t")
    assert script.heard("t", Share)[-1].runs == ()
    script.disconnect("s")
    script.run(6.0)
    assert script.heard("t", Share)[-1].runs == ((0, 8),)


def test_when_the_last_seeder_dies_before_giving_anything_the_store_is_read() -> None:
    script = Script()
    script.learn()
    script.seed("s")
    script.join("a")
    script.want("a", count=8)
    script.disconnect("s")
    script.run(6.0)
    assert script.held("a") == list(range(8))


def test_when_the_last_seeder_dies_later_only_what_is_missed_is_read() -> None:
    script = Script()
    script.learn()
    script.seed("s")
    script.join("a", "b")
    script.want("a", "b", count=8)
    script.count("a", 3, lacks=True)
    script.disconnect("s")
    script.run(6.0)
    assert script.held("a") == script.held("b") == []
    script.say("a", Orphans(V, ((2, 6),)))
    script.say("b", Orphans(V, ((0, 4),)))
    assert sorted(script.held("a") + script.held("b")) == [2, 3]


def test_a_seeder_takes_over_from_the_store_what_has_not_left() -> None:
    script = ready("a")
    script.want("a")
    (index,) = script.held("a")
    script.seed("s")
    share = script.heard("s", Share)[-1].runs
    assert sum(count for _, count in share) == 7
    assert all(not first <= index < first + count for first, count in share)
    script.report("a", DONE, 1)
    assert script.held("a") == [], "from here on the seeder gives"
    script.disconnect("a")
    script.run(6.0)
    assert script.heard("s", Share)[-1].runs == ((0, 8),), "the only holder is dead"


def test_who_has_everything_spares_the_store() -> None:
    script = Script()
    script.learn()
    script.join("done", have=8)
    script.join("a")
    script.want("a")
    assert script.held("a") == []


# --- restart ----------------------------------------------------------------------------------------


def test_a_tracker_that_has_just_started_listens_first() -> None:
    script = Script(is_first_start=False)
    script.join("a")
    script.learn()
    script.want("a")
    script.run(2.9)
    assert script.held("a") == []
    script.run(0.2)
    assert len(script.held("a")) == 1


def test_it_listens_longer_while_holders_announce_but_not_for_ever() -> None:
    script = Script(is_first_start=False)
    script.join("a", space=100)
    script.learn(space=100)
    script.want("a")
    for number in range(20):
        script.run(0.5)
        script.join(f"h{number}", space=100, receiving=((number, 1),))
        assert (script.held("a") == []) == (script.now < 8.0)


def test_leases_of_a_forerunner_are_honoured() -> None:
    before = ready("a", "b", space=2)
    before.want("a")
    (lease,) = before.leases["a"].values()
    after = Script(is_first_start=False, epoch=EPOCH + 60_000, first_number=1000)
    after.join("a", space=2, leases=(null_sign(lease),))
    after.learn(space=2)
    after.join("b", space=2)
    after.want("b", count=2)
    for _ in range(5):
        after.run(1.0)
        after.say("a", Leases((LeaseReport(lease.number, WAITING, 0),)))
    assert after.held("b") == [1 - lease.indexes[0][0]]
    after.say("a", Leases((LeaseReport(lease.number, DONE, 5),)))
    after.disconnect("a")
    for _ in range(6):
        after.run(1.0)
        after.report("b", WAITING)
    assert after.held("b") == [0, 1]


def test_a_lease_of_somebody_else_is_not_honoured() -> None:
    before = ready("a", space=1)
    before.want("a")
    (lease,) = before.leases["a"].values()
    after = Script(is_first_start=False)
    after.join("b", space=1, leases=(null_sign(lease), b"garbage"))
    after.learn(space=1)
    assert after.tracker.statistics().leases_restored == 0


def test_who_comes_back_too_late_is_told_that_its_lease_is_gone() -> None:
    script = ready("a", "b", space=1)
    script.want("a")
    script.want("b")
    token = null_sign(next(iter(script.leases["a"].values())))
    script.disconnect("a")
    script.run(6.0)
    assert script.held("b") == [0]
    script.join("a", space=1, leases=(token,))
    assert len(script.heard("a", LeaseFenced)) == 1
    assert script.held("a") == []


def test_a_block_that_rests_is_not_freed_twice() -> None:
    script = ready("a", "b", space=1)
    script.want("a")
    for _ in range(2):
        script.run(0.3)
        script.report("a", RETURNED)
    script.want("b")
    script.want("a", count=0)
    for name in "ab":
        script.say(name, Orphans(V, ((0, 1),)))
    script.run(0.5, renewing=("b",))
    assert script.held("b") == []
    script.run(3.0, renewing=("b",))
    assert script.held("b") == [0]


def test_what_a_living_seeder_does_not_give_is_read_from_the_store_at_last() -> None:
    script = Script()
    script.learn()
    script.seed("s")
    script.join("a", "b")
    script.want("a", "b", count=2)
    for _ in range(2):
        for name in "ab":
            script.say(name, Orphans(V, ((2, 2),)))
        assert script.held("a") == script.held("b") == [], "it is given time"
        script.run(2.5)
    script.say("a", Orphans(V, ((2, 2),)))
    assert sorted(script.held("a") + script.held("b")) == [2, 3]
    assert script.heard("s", Share)[-1].runs == ((0, 8),), "the seeder may still give them"


def test_a_seeder_that_has_lost_something_is_one_no_longer() -> None:
    script = Script()
    script.learn()
    script.seed("s", "t")
    script.join("a")
    script.count("a", 1, lacks=True)
    script.count("s", 7, lacks=True)
    assert script.heard("t", Share)[-1].runs == ((0, 8),)
    script.count("s", 8, lacks=False)
    assert script.heard("s", Share)[-1].runs == ()
    script.join("t", have=8)
    assert script.heard("s", Share)[-1].runs == ((0, 8),)
