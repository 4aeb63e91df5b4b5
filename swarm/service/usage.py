"""Who takes part in which version now, as the configured trackers say it: for people, best effort."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from swarm.errors import SwarmError


async def ask_trackers(urls: tuple[str, ...]) -> dict[str, Any]:
    """`versions`: the counts, of the first tracker that knows the version, since agents tell all of them the same;
    `failures`: why others did not answer. Raises nothing.
    """
    from swarm.tracker.http.client import read_uses  # noqa: PLC0415  # only where a tracker is configured

    versions: dict[str, dict[str, Any]] = {}
    failures = []
    for url in urls:
        try:
            for use in await read_uses(url):
                versions.setdefault(use.version, asdict(use))
        except SwarmError as error:
            failures.append(f"{url}: {error.message}")
    return {"versions": list(versions.values()), "failures": failures}
