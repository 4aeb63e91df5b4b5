"""What one run of the lab gave, in the terms of the goals: times over the fluid limit, copies out of the origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.contestants.contestant import ORIGIN, Receipts
from bench.counters import Series
from bench.race import DONE, READY, Run


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds from the start of the first process; bytes of all consumers together."""

    contestant: str
    size: int
    limit_s: float
    ready_s: tuple[float, ...]
    finished_s: tuple[float, ...]
    origin_link_bytes: int
    receipts: Receipts | None
    cpu_s: float
    rss_bytes_max: int
    load: float
    """The machine's load average of the last minute when the run began: above its cores others were at work."""

    @property
    def from_start(self) -> float:
        """Last finish over the limit, from the first process's start."""
        return max(self.finished_s) / self.limit_s

    @property
    def from_ready(self) -> float | None:
        """The same from when all were ready: what the first ones got before that is in their favour."""
        return (max(self.finished_s) - max(self.ready_s)) / self.limit_s if self.ready_s else None

    @property
    def origin_link(self) -> float:
        """Copies out of the origin by its link, with all that is not data."""
        return self.origin_link_bytes / self.size

    @property
    def origin_receipts(self) -> float | None:
        """Copies out of the origin, by what the consumers received from it."""
        return self.receipts.origin / self.size if self.receipts else None

    @property
    def wasted(self) -> float | None:
        """Bytes for nothing over bytes needed."""
        return self.receipts.wasted / (self.size * len(self.finished_s)) if self.receipts else None

    def as_json(self) -> dict[str, Any]:
        """Facts and ratios."""
        names = ("from_start", "from_ready", "origin_link", "origin_receipts", "wasted")
        return {**asdict(self), **{name: getattr(self, name) for name in names}}


def outcome(
    contestant: str,
    size: int,
    limit_s: float,
    runs: Sequence[Run],
    series: Series,
    receipts: Receipts | None,
    load: float,
) -> Outcome:
    """Of a race that is over."""
    return Outcome(
        contestant=contestant,
        size=size,
        limit_s=limit_s,
        ready_s=tuple(run.moments[READY] for run in runs if READY in run.moments),
        finished_s=tuple(run.moments[DONE] for run in runs),
        origin_link_bytes=series.last(ORIGIN).sent,
        receipts=receipts,
        cpu_s=sum(run.cpu_s for run in runs),
        rss_bytes_max=max(run.rss_bytes for run in runs),
        load=load,
    )
