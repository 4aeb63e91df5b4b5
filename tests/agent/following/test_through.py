"""What of the notices of others a follower passes on."""

from __future__ import annotations

import pytest

from swarm.agent.following import through
from swarm.agent.following.through import Once
from swarm.agent.notices import Level, Note
from tests.agent.following.followed import Told


def test_a_sentence_that_several_tasks_say_is_said_once() -> None:
    told = Told()
    once = Once(told)
    for _ in range(2):
        once.notify(Note("from now on the publisher is that one"))
        once.notify(Note("something else"))
    assert [note.text for note in told if isinstance(note, Note)] == [
        "from now on the publisher is that one",
        "something else",
    ]


def test_warnings_may_come_again_and_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "WARNINGS_MAX", 2)
    told = Told()
    once = Once(told)
    for _ in range(2):
        once.notify(Note("away", Level.WARNING))
    for text in "abca":
        once.notify(Note(text))
    assert [note.text for note in told if isinstance(note, Note)] == ["away", "away", "a", "b", "c", "a"]
