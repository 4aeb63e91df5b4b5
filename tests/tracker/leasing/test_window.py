"""The window finds how many readers fill an origin, whatever the origin is."""

from __future__ import annotations

from collections.abc import Callable

from swarm.tracker.leasing.window import Window

BLOCK = 1_000_000


def run(
    window: Window, seconds: float, rate_of: Callable[[int], float], *, wanted: int = 10_000, now: float = 0.0
) -> list[int]:
    """Blocks arrive one after the other at `rate_of(leases out)` bytes a second; returns the sizes on the way."""
    sizes = []
    end = now + seconds
    while now < end:
        out = min(window.size, wanted)
        now += BLOCK / rate_of(out)
        if wanted > window.size:
            window.was_full()
        window.arrived(BLOCK, now)
        sizes.append(window.size)
    return sizes


def test_a_thin_line_keeps_few_out() -> None:
    sizes = run(Window(4, 1024), 600.0, lambda _: 12e6)
    assert max(sizes) == 8
    assert sizes.count(8) < 0.35 * len(sizes), "tries are seldom"


def test_a_rich_store_is_read_by_all() -> None:
    window = Window(4, 1024)
    run(window, 30.0, lambda out: out * 5e6, wanted=500)
    assert 500 <= window.size <= 1024


def test_it_stops_where_more_readers_bring_nothing() -> None:
    window = Window(4, 1024)
    sizes = run(window, 60.0, lambda out: min(out * 5e6, 200e6))
    assert max(sizes) <= 128
    assert window.size >= 32


def test_it_grows_when_the_line_does() -> None:
    window = Window(4, 1024)
    run(window, 60.0, lambda _: 12e6)
    run(window, 60.0, lambda out: min(out * 12e6, 900e6), now=60.0)
    assert window.size >= 64


def test_who_is_not_waited_for_says_nothing_about_the_window() -> None:
    window = Window(4, 1024)
    run(window, 60.0, lambda out: out * 5e6, wanted=3)
    assert window.size == 4


def test_a_refusal_halves_it_and_it_holds_for_a_while() -> None:
    window = Window(4, 1024)
    run(window, 30.0, lambda out: out * 5e6)
    size = window.size
    window.refused(30.0)
    assert window.size == size // 2
    assert max(run(window, 4.0, lambda out: out * 5e6, now=30.0)) == size // 2
    for _ in range(20):
        window.refused(40.0)
    assert window.size == 4
