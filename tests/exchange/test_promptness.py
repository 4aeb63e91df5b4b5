"""How long answers take, with queues: smoothed, and never believed without end."""

from __future__ import annotations

import pytest

from swarm.exchange.promptness import ANSWER_S_MAX, Promptness


def test_the_first_answer_counts_whole() -> None:
    promptness = Promptness()
    assert promptness.answer_s == 0.0
    promptness.note(0.04)
    assert promptness.answer_s == 0.04


def test_it_follows_what_answers_take() -> None:
    promptness = Promptness()
    promptness.note(0.1)
    for _ in range(40):
        promptness.note(0.02)
    assert promptness.answer_s == pytest.approx(0.02, rel=0.05)


def test_one_late_answer_moves_it_little_and_none_is_believed_without_end() -> None:
    promptness = Promptness()
    promptness.note(0.01)
    promptness.note(1000.0)
    assert promptness.answer_s < 0.1
    for _ in range(1000):
        promptness.note(1000.0)
    assert promptness.answer_s <= ANSWER_S_MAX
