"""Rate limits in virtual time: the rate over ten seconds, fairness, changes while tasks wait."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from swarm.agent.pacing import QUANTUM_BYTES, Pacer

KB = 1000


async def run_for(seconds: float, *tasks: object) -> None:
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for task in tasks:
                nursery.start_soon(task)  # type: ignore[arg-type]


class Taker:
    """Takes again and again, and counts."""

    def __init__(self, pacer: Pacer, size: int, *, busy_s: float = 0.0) -> None:
        self.pacer, self.size, self.busy_s, self.taken = pacer, size, busy_s, 0

    async def run(self) -> None:
        while True:
            await self.pacer.take(self.size)
            self.taken += self.size
            await trio.sleep(self.busy_s)


@pytest.mark.parametrize("rate", [32 * KB, 1000 * KB, 100_000 * KB])
@pytest.mark.parametrize("count", [1, 8])
async def test_the_rate_holds_within_five_per_cent_over_ten_seconds(
    autojump_clock: trio.testing.MockClock, rate: int, count: int
) -> None:
    pacer = Pacer(rate)
    takers = [Taker(pacer, pacer.frame_bytes(65_483)) for _ in range(count)]
    await run_for(10.0, *(taker.run for taker in takers))
    taken = sum(taker.taken for taker in takers)
    assert 0.95 * 10 * rate <= taken <= 1.05 * 10 * rate + count * 65_483


async def test_links_share_a_limit_evenly_though_one_takes_whole_blocks(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pacer = Pacer(1000 * KB)
    frames, blocks = Taker(pacer, 65_483), Taker(pacer, 16 * QUANTUM_BYTES)
    await run_for(60.0, frames.run, blocks.run)
    assert frames.taken == pytest.approx(blocks.taken, rel=0.1)


async def test_who_asks_first_passes_first_and_a_block_is_no_wall(autojump_clock: trio.testing.MockClock) -> None:
    pacer = Pacer(QUANTUM_BYTES)
    passed: list[str] = []

    async def take(name: str, count: int) -> None:
        await pacer.take(count)
        passed.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, "block", 100 * QUANTUM_BYTES)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(take, "frame", QUANTUM_BYTES)
    assert passed == ["frame", "block"]


async def test_lateness_is_made_up_for_and_idleness_is_not(autojump_clock: trio.testing.MockClock) -> None:
    pacer = Pacer(1000 * KB)
    late = Taker(pacer, 65_483, busy_s=0.05)
    await run_for(10.0, late.run)
    assert late.taken >= 0.95 * 10 * 1000 * KB
    await trio.sleep(100)
    eager = Taker(pacer, 65_483)
    await run_for(1.0, eager.run)
    assert eager.taken <= 1.35 * 1000 * KB


async def test_without_a_limit_nothing_waits(autojump_clock: trio.testing.MockClock) -> None:
    started_at = trio.current_time()
    for _ in range(1000):
        await Pacer().take(1 << 30)
    assert trio.current_time() == started_at


@pytest.mark.parametrize("before", [None, 10 * KB, 10_000 * KB])
@pytest.mark.parametrize("after", [None, 100 * KB, 1000 * KB])
async def test_a_change_counts_at_once_also_for_who_waits(
    autojump_clock: trio.testing.MockClock, before: int | None, after: int | None
) -> None:
    """At 10 KB a second eight waiting quanta alone would keep a raised limit down for 52 s."""
    pacer = Pacer(before)
    takers = [Taker(pacer, 65_483, busy_s=0.005) for _ in range(8)]
    taken = 0

    async def change_and_count() -> None:
        nonlocal taken
        await trio.sleep(1)
        pacer.set_rate(after)
        already = sum(taker.taken for taker in takers)
        await trio.sleep(10)
        taken = sum(taker.taken for taker in takers) - already

    await run_for(11.5, change_and_count, *(taker.run for taker in takers))
    if after is None:
        assert taken > 100_000_000
    else:
        assert 0.95 * 10 * after - 65_483 <= taken <= 1.05 * 10 * after + 8 * 65_483


async def test_a_limit_that_is_lowered_again_and_again_is_never_exceeded(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pacer = Pacer(8000 * KB)
    takers = [Taker(pacer, 16_000) for _ in range(4)]
    allowed = 0.0

    async def change() -> None:
        nonlocal allowed
        while True:
            for rate in (8000 * KB, 100 * KB, 1000 * KB, 400 * KB):
                pacer.set_rate(rate)
                allowed += rate * 0.5
                await trio.sleep(0.5)

    await run_for(19.99, change, *(taker.run for taker in takers))
    taken = sum(taker.taken for taker in takers)
    assert 0.95 * allowed <= taken <= 1.05 * allowed


async def test_it_says_whether_it_holds_anybody_up(autojump_clock: trio.testing.MockClock) -> None:
    pacer = Pacer(100 * KB)
    assert not pacer.is_holding
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pacer.take, 1000 * KB)
        await trio.sleep(1)
        assert pacer.is_holding
    assert not pacer.is_holding


def test_a_low_limit_makes_short_frames() -> None:
    assert Pacer().frame_bytes(65_483) == 65_483
    assert Pacer(100_000 * KB).frame_bytes(65_483) == 65_483
    assert Pacer(32 * KB).frame_bytes(65_483) == 3200
    assert Pacer(1).frame_bytes(65_483) == 1
