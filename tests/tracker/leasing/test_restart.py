"""How long a tracker that has just started listens."""

from __future__ import annotations

from swarm.tracker.leasing.restart import Settling


def test_listening_ends_one_second_after_the_last_holder_and_at_last_anyway() -> None:
    settling = Settling(100.0, is_first_start=False)
    assert settling.settles_at == 103.0
    settling.heard_holder(101.0)
    assert settling.settles_at == 103.0
    settling.heard_holder(102.9)
    assert settling.settles_at == 103.9
    for tenth in range(60):
        settling.heard_holder(103.0 + tenth / 10)
    assert settling.settles_at == 108.0
    settling.heard_holder(108.5)
    assert settling.is_settled(108.5)


def test_a_first_start_does_not_listen() -> None:
    settling = Settling(5.0, is_first_start=True)
    settling.heard_holder(5.0)
    assert settling.is_settled(5.0)
