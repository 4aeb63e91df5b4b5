"""What one agent may say."""

from __future__ import annotations

from swarm.tracker.agents.allowance import BURST_S, QUESTIONS_PER_S, Allowance


def test_an_allowance_refills() -> None:
    allowance = Allowance(0.0)
    burst = int(QUESTIONS_PER_S * BURST_S)
    assert all(allowance.take_question(0.0) for _ in range(burst))
    assert not allowance.take_question(0.0)
    assert allowance.take_question(1.0)
