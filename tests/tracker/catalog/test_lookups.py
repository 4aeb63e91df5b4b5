"""Questions on their way to the store."""

from __future__ import annotations

from swarm.protocol.ids import ConnectionId
from swarm.protocol.messages import Resolve
from swarm.tracker.catalog import lookups
from swarm.tracker.catalog.lookups import LookUps, Waiting
from swarm.tracker.commands import TagQuestion


def test_waiting_is_bounded() -> None:
    asked = LookUps()
    question = TagQuestion("maps", "latest")
    waiting = Waiting(ConnectionId(1), Resolve(1, "maps", "latest"))
    assert asked.wait(question, waiting) is True
    for _ in range(lookups.WAITING_MAX - 1):
        assert asked.wait(question, waiting) is False
    assert asked.wait(question, waiting) is None
    asked.check()
    assert len(asked.answered(question, "", 0.0)) == lookups.WAITING_MAX
    asked.check()
