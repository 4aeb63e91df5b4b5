"""An agent that has only its pages so far is told apart, by the tracker too, from one that lacks nothing."""

from __future__ import annotations

import pytest

from swarm.exchange import events as e
from swarm.protocol import messages as m
from tests.exchange.script import LENGTH, VERSION, Script, sent


@pytest.mark.parametrize("want_grows", [True, False])
def test_a_tracker_hears_of_wishes_that_will_grow(want_grows: bool) -> None:
    """Who lacks nothing is introduced to nobody: the blocks would wait for the next time that the tracker is asked."""
    node = Script(has_tracker=True)
    node.size = 4
    tracker = node.track()
    pages = ((0, 1),)
    opened = e.SessionOpened(
        VERSION, (LENGTH,), 3, 4 * LENGTH, pages, (), is_origin=False, reads_store=False, want_grows=want_grows
    )
    [join] = sent(node.tell(opened), tracker, m.Join)
    counts = sent(node.wait(4.0, alive=[tracker]), tracker, m.Count)
    assert join.lacks is want_grows
    assert counts
    assert all(count.lacks is want_grows for count in counts)
    node.tell(e.WantChanged(VERSION, pages))
    counts = sent(node.wait(4.0, alive=[tracker]), tracker, m.Count)
    assert counts
    assert not any(count.lacks for count in counts)
