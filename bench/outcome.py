"""What one run of the lab gave, in the terms of the goals: times over the fluid limit, copies out of the origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.contestants.contestant import ORIGIN, Receipts
from bench.counters import Series, into
from bench.race import DONE, READY, Run
from bench.timeline import progress

GIB = 1 << 30

RATIOS = (
    "from_start",
    "from_ready",
    "origin_link",
    "origin_receipts",
    "crossings",
    "wasted",
    "mib_per_s",
    "last_arrived",
    "cpu_s_per_gib",
    "origin_cpu_s_per_gib",
)
"""What is derived, and told beside the facts."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds from the start of the first process; bytes of all consumers together. Who was killed is in no time."""

    contestant: str
    size: int
    limit_s: float
    ready_s: tuple[float, ...]
    finished_s: tuple[float, ...]
    origin_link_bytes: int
    receipts: Receipts | None
    cpu_s: float
    origin_cpu_s: float
    """What the origin's side took during the race; what it did before, as hashing, apart."""
    rss_bytes_max: int
    progress: tuple[tuple[float, float], ...]
    """(seconds, what the consumers' links have received over what they need), a reading each quarter of a second."""
    load: float
    """The machine's load average of the last minute when the run began: above its cores others were at work."""
    into_sites_bytes: tuple[int, ...] = ()
    """What came into each site over its border."""
    killed: int = 0
    arrived: tuple[tuple[float, float], ...] = ()
    """(started, finished) of those who came later; not in the other times."""

    @property
    def from_start(self) -> float:
        """Last finish over the limit, from the first process's start."""
        return max(self.finished_s) / self.limit_s

    @property
    def from_ready(self) -> float | None:
        """The same from when all were ready: what the first ones got before that is in their favour."""
        return (max(self.finished_s) - max(self.ready_s)) / self.limit_s if self.ready_s else None

    @property
    def mib_per_s(self) -> float:
        """To each consumer, from when all were ready where that is told, else from the start."""
        return self.size / (1 << 20) / (max(self.finished_s) - max(self.ready_s, default=0.0))

    @property
    def last_arrived(self) -> float | None:
        """The longest time that one who came later took from its own start, over the limit."""
        return max((done - began for began, done in self.arrived), default=0.0) / self.limit_s if self.arrived else None

    @property
    def cpu_s_per_gib(self) -> float:
        """Of each consumer, its start included."""
        return self.cpu_s / len(self.finished_s + self.arrived) / (self.size / GIB)

    @property
    def origin_cpu_s_per_gib(self) -> float:
        """For each GiB of the data, however many copies it gave."""
        return self.origin_cpu_s / (self.size / GIB)

    @property
    def origin_link(self) -> float:
        """Copies out of the origin by its link, with all that is not data."""
        return self.origin_link_bytes / self.size

    @property
    def origin_receipts(self) -> float | None:
        """Copies out of the origin, by what the consumers received from it."""
        return self.receipts.origin / self.size if self.receipts else None

    @property
    def crossings(self) -> float | None:
        """How often the data came into a site, by its border's counter with all that is not data; of the worst."""
        return max(self.into_sites_bytes) / self.size if self.into_sites_bytes else None

    @property
    def wasted(self) -> float | None:
        """Bytes for nothing over bytes needed."""
        return self.receipts.wasted / (self.size * len(self.finished_s + self.arrived)) if self.receipts else None

    def as_json(self) -> dict[str, Any]:
        """Facts and ratios."""
        return {**asdict(self), **{name: getattr(self, name) for name in RATIOS}}


def outcome(
    contestant: str,
    size: int,
    limit_s: float,
    runs: Sequence[Run],
    series: Series,
    receipts: Receipts | None,
    *,
    sites: Sequence[str],
    origin_cpu_s: float,
    load: float,
) -> Outcome:
    """Of a race that is over; `receipts` are of those who were not killed."""
    stayed = [run for run in runs if not run.is_killed and not run.is_late]
    late = [run for run in runs if run.is_late]
    return Outcome(
        contestant=contestant,
        size=size,
        limit_s=limit_s,
        ready_s=tuple(run.moments[READY] for run in stayed if READY in run.moments),
        finished_s=tuple(run.moments[DONE] for run in stayed),
        origin_link_bytes=series.last(ORIGIN).sent,
        receipts=receipts,
        cpu_s=sum(run.cpu_s for run in stayed + late),
        origin_cpu_s=origin_cpu_s,
        rss_bytes_max=max(run.rss_bytes for run in stayed),
        progress=progress(series, [run.name for run in stayed], size),
        load=load,
        into_sites_bytes=tuple(series.last(into(site)).sent for site in sites),
        killed=sum(run.is_killed for run in runs),
        arrived=tuple((run.started_s, run.moments[DONE]) for run in late),
    )
