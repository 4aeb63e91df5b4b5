"""A publisher's marker: renewed while he works, and an old one stops his commit."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from swarm.errors import UnavailableError
from swarm.store.ages import COMMIT_AGE_MAX_S, RENEW_INTERVAL_S
from swarm.store.layout import marker_key
from swarm.store.marker import marked
from swarm.store.memory import MemoryObjects, forget
from tests.store.faults import Faulty, times


@pytest.fixture
def objects() -> Faulty:
    forget("memory://marker")
    return Faulty(MemoryObjects("memory://marker"))


async def test_it_is_renewed_hourly(objects: Faulty, autojump_clock: MockClock) -> None:
    async with marked(objects) as marker:
        await trio.sleep(50.5 * RENEW_INTERVAL_S)
        await marker.check_age()
        assert objects.calls["put"] == 51


async def test_a_failed_renewal_is_tried_again_soon(objects: Faulty, autojump_clock: MockClock) -> None:
    async with marked(objects) as marker:
        objects.fault = times(3, "put")
        await trio.sleep(RENEW_INTERVAL_S + 300)
        stat = await objects.stat(marker_key(marker.run))
        assert stat is not None
        assert stat.modified_s > RENEW_INTERVAL_S


async def test_a_marker_that_could_not_be_renewed_stops_a_commit(objects: Faulty, autojump_clock: MockClock) -> None:
    async with marked(objects) as marker:
        objects.fault = times(1_000_000, "put")
        await trio.sleep(COMMIT_AGE_MAX_S - 60)
        await marker.check_age()
        await trio.sleep(120)
        with pytest.raises(UnavailableError, match="may not commit"):
            await marker.check_age()


async def test_a_marker_that_somebody_removed_stops_a_commit(objects: Faulty, autojump_clock: MockClock) -> None:
    async with marked(objects) as marker:
        await objects.delete(marker_key(marker.run))
        with pytest.raises(UnavailableError, match="may not commit"):
            await marker.check_age()


async def test_it_goes_away_with_a_cancelled_publisher(objects: Faulty, autojump_clock: MockClock) -> None:
    scope = trio.CancelScope(deadline=10)
    runs: list[str] = []
    with scope:
        async with marked(objects) as marker:
            runs.append(marker.run)
            await trio.sleep(1000)
    assert scope.cancelled_caught
    assert await objects.stat(marker_key(runs[0])) is None


async def test_a_publisher_is_not_held_up_by_a_marker_that_cannot_be_removed(
    objects: Faulty, autojump_clock: MockClock
) -> None:
    async with marked(objects):
        objects.fault = times(1_000_000, "delete")
