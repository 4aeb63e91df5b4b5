"""Who moved how much in each second of a run: where a link stood idle, the time went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.contestants.contestant import ORIGIN
from bench.counters import Series, Traffic

STEP_S = 1.0


def timeline(series: Series, consumers: Sequence[str]) -> Iterator[str]:
    """One line a second: Mbit/s out of the origin; into and out of the consumers: least, middle, most."""
    yield "     s   origin up   down (least median most)   up (least median most)      Mbit/s"
    samples = series.samples
    began_at, before = samples[0]
    at = began_at
    for now, traffic in samples[1:]:
        if now - at < STEP_S:
            continue
        seconds = now - at
        origin = _mbit(traffic[ORIGIN].sent - before[ORIGIN].sent, seconds)
        down = sorted(_mbit(traffic[name].received - before[name].received, seconds) for name in consumers)
        up = sorted(_mbit(traffic[name].sent - before[name].sent, seconds) for name in consumers)
        yield f"{now - began_at:6.1f}   {origin:9.1f}   {_three(down)}        {_three(up)}"
        at, before = now, traffic


def progress(series: Series, consumers: Sequence[str], size: int) -> tuple[tuple[float, float], ...]:
    """(seconds, what the consumers have received over `size` bytes each)."""
    began_at = series.samples[0][0]
    return tuple((round(at - began_at, 3), round(share(series, n, consumers, size), 4)) for n, at in _times(series))


def share(series: Series, sample: int, consumers: Sequence[str], size: int) -> float:
    """What they had received by that sample, over `size` bytes each."""
    first, now = series.samples[0][1], series.samples[sample][1]
    return sum(now[name].received - first[name].received for name in consumers) / (size * len(consumers))


def _times(series: Series) -> Iterator[tuple[int, float]]:
    return ((number, at) for number, (at, _) in enumerate(series.samples))


def _mbit(count: int, seconds: float) -> float:
    return count * 8 / seconds / 1e6


def _three(rates: Sequence[float]) -> str:
    return f"{rates[0]:6.1f} {rates[len(rates) // 2]:6.1f} {rates[-1]:6.1f}"


def as_json(series: Series) -> list[dict[str, object]]:
    """Every sample: seconds from the first, and (sent, received) of each host."""
    began_at = series.samples[0][0]

    def pair(traffic: Traffic) -> tuple[int, int]:
        return (traffic.sent, traffic.received)

    return [{"s": at - began_at, **{name: pair(one) for name, one in all_.items()}} for at, all_ in series.samples]
