"""Subscriptions."""

from __future__ import annotations

from swarm.protocol.ids import ConnectionId
from swarm.tracker.catalog import subscriptions
from swarm.tracker.catalog.subscriptions import Subscriptions


def test_subscriptions_are_bounded() -> None:
    subscribed = Subscriptions()
    one = ConnectionId(1)
    assert all(subscribed.add(one, f"n{number}", None) for number in range(subscriptions.PER_CONNECTION_MAX))
    assert subscribed.add(one, "n0", None)
    assert not subscribed.add(one, "more", None)
    subscribed.check()
    subscribed.remove(one)
    subscribed.remove(one)
    subscribed.check()
    assert subscribed.of("n0", "latest") == []
