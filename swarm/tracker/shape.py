"""What the catalog learns of a version and leases are made from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """What a root says of its index space: how many indexes there are, and how many of the first are pages."""

    page_count: int
    space: int
