"""When an agent's word that nobody has a block is believed."""

from __future__ import annotations

from swarm.protocol.ids import AgentId, Runs
from swarm.tracker.leasing.suspects import ALONE_S, HOLDER_S, UNSERVED_S, Suspects

ONE, OTHER = AgentId(b"1" * 32), AgentId(b"2" * 32)
PAGES: Runs = ((0, 2),)
BLOCKS: Runs = ((2, 10),)


def hear(
    suspects: Suspects, runs: Runs, now: float, *, by: AgentId = ONE, alone: bool = True, held: bool = True
) -> Runs:
    return suspects.hear(by, runs, is_alone=alone, has_holder=held, now=now)


def test_a_holder_that_was_named_has_its_time() -> None:
    suspects = Suspects()
    assert hear(suspects, PAGES, 0) == ()
    assert hear(suspects, PAGES, HOLDER_S - 1) == ()
    assert hear(suspects, PAGES, HOLDER_S) == PAGES


def test_whom_the_holders_let_down_waits_once() -> None:
    suspects = Suspects()
    hear(suspects, PAGES, 0)
    assert hear(suspects, PAGES, HOLDER_S) == PAGES
    assert hear(suspects, BLOCKS, HOLDER_S + 5) == BLOCKS


def test_that_is_for_him_alone_and_only_where_nobody_else_can_confirm_it() -> None:
    suspects = Suspects()
    hear(suspects, PAGES, 0)
    hear(suspects, PAGES, HOLDER_S)
    assert hear(suspects, BLOCKS, HOLDER_S + 1, by=OTHER) == ()
    assert hear(suspects, BLOCKS, HOLDER_S + 1, alone=False) == ()


def test_it_is_forgotten_with_time_and_with_the_agent() -> None:
    for forgets in (True, False):
        suspects = Suspects()
        hear(suspects, PAGES, 0)
        hear(suspects, PAGES, HOLDER_S)
        if forgets:
            suspects.forget(ONE)
        assert hear(suspects, BLOCKS, HOLDER_S + (1 if forgets else UNSERVED_S)) == ()


def test_what_nobody_has_is_believed_at_once_of_who_is_alone_and_else_in_a_while() -> None:
    assert hear(Suspects(), PAGES, 0, held=False) == PAGES
    suspects = Suspects()
    assert hear(suspects, PAGES, 0, held=False, alone=False) == ()
    assert hear(suspects, PAGES, ALONE_S, held=False, alone=False) == PAGES


def test_two_agents_make_a_block_missing() -> None:
    suspects = Suspects()
    assert suspects.hear(ONE, ((0, 5),), is_alone=False, has_holder=False, now=0.0) == ()
    assert suspects.hear(ONE, ((0, 5),), is_alone=False, has_holder=False, now=1.0) == ()
    assert suspects.hear(OTHER, ((3, 5),), is_alone=False, has_holder=False, now=1.0) == ((3, 2),)


def test_one_agent_must_miss_it_for_a_while() -> None:
    suspects = Suspects()
    suspects.hear(ONE, ((0, 5),), is_alone=False, has_holder=False, now=0.0)
    assert suspects.hear(ONE, ((2, 9),), is_alone=False, has_holder=False, now=ALONE_S) == ((2, 3),)
    suspects.hear(ONE, ((0, 1),), is_alone=False, has_holder=False, now=10.0)
    suspects.hear(ONE, (), is_alone=False, has_holder=False, now=11.0)
    assert suspects.hear(ONE, ((0, 1),), is_alone=False, has_holder=False, now=20.0) == (), "it had come meanwhile"


def test_where_there_is_a_holder_it_must_be_missed_longer_and_others_do_not_help() -> None:
    suspects = Suspects()
    suspects.hear(ONE, ((0, 5),), is_alone=False, has_holder=True, now=0.0)
    assert suspects.hear(OTHER, ((0, 5),), is_alone=True, has_holder=True, now=1.0) == ()
    assert suspects.hear(ONE, ((0, 5),), is_alone=False, has_holder=True, now=ALONE_S) == ()
    assert suspects.hear(ONE, ((0, 5),), is_alone=False, has_holder=True, now=HOLDER_S) == ((0, 5),)
