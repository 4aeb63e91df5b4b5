"""Goes through the history of a name and gathers what its versions cost; can be stopped and still shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from swarm.analysis.cost import Ledger, VersionCost
from swarm.analysis.heat import Heat, HotFile
from swarm.analysis.timeline import GetBlock, Manifests, Moment, Timeline
from swarm.analysis.what_if import Step, WhatIf
from swarm.errors import CorruptError, MissingError, SwarmError, most_telling
from swarm.protocol.keys import fingerprint
from swarm.protocol.version import Version
from swarm.store import Store

HOT_FILES = 20
"""Of those that cost most, and of those that changed most often, so many are told."""

ManifestRead = Callable[[int, int], None]
"""Told how many versions are done, and how many bytes of manifests were read for them."""

BytesRead = Callable[[int, int | None], None]
"""Told (done, total) of a version's bytes, of each version anew."""


class Survey:
    """What was found so far; `is_whole` once all of it was."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.ledger = Ledger()
        self.heat = Heat()
        self.gone: list[Moment] = []
        """Versions whose manifest is no longer there, or damaged."""
        self.what_if: WhatIf | None = None
        self.what_if_lacks = ""
        """Why the what-if ends before the last version; empty where it does not."""
        self.is_whole = False
        self._bytes_read = 0

    async def run(
        self, records: Store, get: GetBlock, *, with_data: bool, versions: ManifestRead, data: BytesRead
    ) -> None:
        """Reads every manifest and, `with_data`, every byte of every version. Raises StoreError."""
        manifests = Manifests(records, get)
        if with_data:
            self.what_if = WhatIf()
        for number, moment in enumerate(self.timeline.moments):
            versions(number, manifests.bytes_read)
            version = await manifests.load(moment.version)
            if version is None:
                self.gone.append(moment)
                continue
            self.heat.add(self.ledger.add(moment, version))
            if self.what_if is not None and not self.what_if_lacks:
                await self._recut(self.what_if, moment, version, get, data)
        versions(len(self.timeline.moments), manifests.bytes_read)
        self.is_whole = True

    async def _recut(self, what_if: WhatIf, moment: Moment, version: Version, get: GetBlock, data: BytesRead) -> None:
        before = self._bytes_read

        def tell(count: int) -> None:
            self._bytes_read += count
            data(self._bytes_read - before, version.root.totals.bytes)

        try:
            await what_if.add(version, get, tell)
        except (MissingError, CorruptError, BaseExceptionGroup) as error:
            cause = most_telling(error)
            if isinstance(cause, (MissingError, CorruptError)):
                self.what_if_lacks = f"{label_of(moment)}: {cause}"
            elif isinstance(cause, SwarmError):
                raise cause from None
            else:
                raise

    def as_dict(self) -> dict[str, Any]:
        """For JSON. Paths are text, as the file system has them."""
        totals = self.ledger.totals
        return {
            "name": self.timeline.name,
            "tag": self.timeline.tag,
            "is_partial": not self.is_whole,
            "versions_left_out": self.timeline.left_out,
            "versions_gone": [_moment(moment) for moment in self.gone],
            "totals": {**asdict(totals), "deduplication": round(totals.deduplication, 4)},
            "versions": [_version(cost) for cost in self.ledger.costs],
            "hot_files": [_file(hot) for hot in self.heat.hottest(HOT_FILES)],
            "busy_files": [_file(hot) for hot in self.heat.busiest(HOT_FILES)],
            "what_if": None if self.what_if is None else _what_if(self.what_if),
            "what_if_lacks": self.what_if_lacks,
        }


def label_of(moment: Moment) -> str:
    """What a version is called in a table: its first full tag, else the beginning of its digest."""
    return moment.tags[0] if moment.tags else moment.version.hex()[:12]


def _moment(moment: Moment) -> dict[str, Any]:
    return {
        "digest": moment.version.hex(),
        "tags": list(moment.tags),
        "time": moment.time_ms,
        "publisher": fingerprint(moment.publisher),
    }


def _version(cost: VersionCost) -> dict[str, Any]:
    fields = asdict(cost)
    del fields["moment"]
    shares = {"repetition": round(cost.repetition, 4), "share_moved": round(cost.share_moved, 4)}
    return {**_moment(cost.moment), **fields, **shares}


def _file(hot: HotFile) -> dict[str, Any]:
    return {"path": os.fsdecode(hot.path), "changes": hot.changes, "bytes_new": hot.bytes_new, "size": hot.size}


def _what_if(found: WhatIf) -> list[dict[str, Any]]:
    """Without the first version, which is no step and costs the same with every average."""
    rows = []
    for average, steps in found.steps.items():
        later = steps[1:]
        rows.append(
            {
                "average": average,
                "steps": [_step(step) for step in later],
                "moved_bytes": sum(step.moved_bytes for step in later),
                "manifest_bytes": sum(step.page_bytes + step.root_bytes for step in later),
                "objects": sum(step.objects for step in later),
            }
        )
    return rows


def _step(step: Step) -> dict[str, int]:
    return {**asdict(step), "moved_bytes": step.moved_bytes, "objects": step.objects}
