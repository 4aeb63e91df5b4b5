"""What a simulation showed, as numbers: one frozen record, a table for people, a dict for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MIB = 1 << 20

SHOWN = 5
"""Problems that are listed for people."""


@dataclass(frozen=True)
class Report:
    """Times in virtual seconds, bytes of pages and blocks; `..._ratio`: over the fluid limit, or over the dataset."""

    scenario: str
    seed: int
    peers: int
    blocks: int
    sites: int
    bytes: int
    limit_s: float
    finished: int
    expected: int
    p50_s: float
    p90_s: float
    p99_s: float
    last_s: float
    p50_ratio: float
    p90_ratio: float
    p99_ratio: float
    last_ratio: float
    fast_p99_s: float
    origin_bytes: int
    origin_ratio: float
    wasted_bytes: int
    wasted_ratio: float
    duplicates: int
    refused_bytes: int
    border_bytes: int
    border_ratio: float
    worst_stall_s: float
    messages: int
    messages_per_block: float
    events: int
    problems: tuple[str, ...]
    commit: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the same for the same seed, whatever the hash seed."""
        return {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(self).items()}

    def _border(self) -> list[str]:
        if self.sites == 1:
            return []
        return [f"  borders     {self.border_bytes / MIB:8.1f} MiB {self.border_ratio:.4f}   of {self.sites} sites"]

    def as_text(self) -> str:
        """A few lines for people."""
        lines = [
            f"{self.scenario}: {self.peers} peers, {self.blocks} blocks, {self.bytes / MIB:.0f} MiB, seed {self.seed}"
            + (f", commit {self.commit}" if self.commit else ""),
            f"  fluid limit {self.limit_s:8.2f} s   finished {self.finished} of {self.expected}",
            f"  p50         {self.p50_s:8.2f} s   {self.p50_ratio:.3f}",
            f"  p90         {self.p90_s:8.2f} s   {self.p90_ratio:.3f}",
            f"  p99         {self.p99_s:8.2f} s   {self.p99_ratio:.3f}",
            f"  last        {self.last_s:8.2f} s   {self.last_ratio:.3f}",
            f"  origin      {self.origin_bytes / MIB:8.1f} MiB {self.origin_ratio:.4f}",
            f"  wasted      {self.wasted_bytes / MIB:8.1f} MiB {max(0.0, self.wasted_ratio):.4f}   "
            f"duplicates {self.duplicates}   refused {self.refused_bytes / MIB:.1f} MiB",
            *self._border(),
            f"  worst stall {self.worst_stall_s:8.2f} s   messages {self.messages}"
            f" ({self.messages_per_block:.1f} a block)",
        ]
        return "\n".join(lines + [f"  PROBLEM: {problem}" for problem in self.problems[:SHOWN]])


def percentile(ordered: list[float], part: float) -> float:
    """The smallest value that at least `part` of them do not exceed; infinite where there is none."""
    if not ordered:
        return float("inf")
    return ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))]
