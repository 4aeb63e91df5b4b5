"""What a fetch would cost, for `--dry-run`: nothing is staged, locked or written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from swarm.agent.notices import Planned
from swarm.dataset.selection import Selection
from swarm.holdings.holdings import Holdings
from swarm.holdings.preview import Changes
from swarm.holdings.space import Space
from swarm.protocol.ids import BlockId, VersionId
from swarm.protocol.version import Version


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes: of the distinct blocks that the chosen files need, of those that an interrupted run has left, of those
    that are nowhere on this machine; the room that it takes; and what becomes of the files in DEST."""

    bytes_wanted: int
    bytes_resumed: int
    bytes_lacking: int
    space: Space
    changes: Changes

    def in_full(self, planned: Planned) -> Planned:
        """What a fetch would tell, with what only a dry run looks at."""
        changes = self.changes
        return replace(
            planned,
            files_added=changes.added,
            files_changed=changes.changed,
            files_removed=changes.removed,
            is_dry_run=True,
        )


async def estimate(
    holdings: Holdings,
    version: Version,
    dest: Path,
    selection: Selection,
    *,
    repair: bool,
    in_place: bool = False,
) -> Estimate:
    """Root and pages are kept. Raises what `Holdings.stage` would refuse with, NoSpaceError not among it."""
    found = await holdings.plan(version, dest, selection, repair=repair, in_place=in_place)
    plan, lengths = found.plan, version.block_lengths
    outstanding = plan.outstanding
    needed = outstanding.needed - found.resumed - found.shared if outstanding is not None else ()
    lacking = {block: version.block_ids[block] for block in needed}
    if lacking:
        here = await _held(holdings)
        lacking = {block: name for block, name in lacking.items() if name not in here}
    return Estimate(
        bytes_wanted=sum(lengths[block] for block in plan.scope.needed),
        bytes_resumed=sum(lengths[block] for block in found.resumed),
        bytes_lacking=sum(lengths[block] for block in lacking),
        space=found.space,
        changes=found.changes,
    )


async def _held(holdings: Holdings) -> set[BlockId]:
    """The names of all blocks that can be read here."""
    found: set[BlockId] = set()
    for held in dict.fromkeys(record.version for record in await holdings.records()):
        found |= await _blocks_of(holdings, held)
    return found


async def _blocks_of(holdings: Holdings, held: VersionId) -> set[BlockId]:
    version, have = await holdings.version(held), await holdings.have(held)
    if version is None or have is None:
        return set()
    return {version.id_of(index) for index in have if not version.space.is_page(index)}
