"""How far behind: versions by number, seconds since the first that is missed."""

from __future__ import annotations

from dataclasses import replace

from swarm.agent.following.backlog import Backlog
from swarm.agent.following.record import Step

ONE = Step("11" * 32, "stable", "cd" * 16, 100, 1, 1_000)
TWO = replace(ONE, digest="22" * 32, seq=2, time=2_000)
FIVE = replace(ONE, digest="55" * 32, seq=5, time=5_000)


def test_nothing_heard_is_nothing_missed() -> None:
    backlog = Backlog()
    assert (backlog.versions(None), backlog.seconds(9_000)) == (None, 0.0)


def test_seconds_count_from_the_first_missed_step_and_versions_by_number() -> None:
    backlog = Backlog()
    assert backlog.hear(ONE, ONE)
    assert (backlog.versions(ONE), backlog.seconds(9_000)) == (0, 0.0)
    assert backlog.hear(TWO, ONE)
    assert backlog.hear(FIVE, ONE)
    assert (backlog.versions(ONE), backlog.seconds(9_000)) == (4, 7.0)
    assert not backlog.hear(TWO, ONE), "older news is no news"
    backlog.arrive(TWO)
    assert (backlog.versions(TWO), backlog.seconds(9_000)) == (3, 4.0)
    backlog.arrive(FIVE)
    assert (backlog.versions(FIVE), backlog.seconds(9_000)) == (0, 0.0)


def test_a_new_number_for_what_is_here_is_not_behind() -> None:
    backlog = Backlog()
    backlog.hear(TWO, ONE)
    assert backlog.hear(replace(ONE, seq=3, time=3_000), ONE), "rolled back before it came"
    assert (backlog.versions(ONE), backlog.seconds(9_000)) == (0, 0.0)


def test_numbers_of_other_tags_and_epochs_say_nothing_and_clocks_may_be_wrong() -> None:
    backlog = Backlog()
    backlog.hear(replace(TWO, tag="2.1.0"), ONE)
    assert backlog.versions(ONE) is None
    backlog.hear(replace(TWO, tag="2.1.0", epoch=200), ONE)
    assert backlog.versions(ONE) is None
    assert backlog.seconds(10) == 0.0
