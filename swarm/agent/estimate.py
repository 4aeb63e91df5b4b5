"""What a fetch would cost, for `--dry-run`: nothing is staged, locked or written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swarm.dataset.selection import Selection
from swarm.holdings.holdings import Holdings
from swarm.protocol.ids import BlockId, VersionId
from swarm.protocol.version import Version


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes: of the distinct blocks that the chosen files need, of those that are on no holding of this machine, of
    room that is needed and free."""

    bytes_wanted: int
    bytes_lacking: int
    bytes_needed: int
    bytes_free: int


async def estimate(holdings: Holdings, version: Version, dest: Path, selection: Selection, *, repair: bool) -> Estimate:
    """Root and pages are kept. Raises what `Holdings.stage` would refuse with, NoSpaceError not among it.

    What an earlier, interrupted run has staged counts as lacking: only staging itself looks at that.
    """
    plan, space = await holdings.plan(version, dest, selection, repair=repair)
    lengths = version.block_lengths
    wanted = sum(lengths[block] for block in plan.scope.needed)
    lacking = {block: version.block_ids[block] for block in plan.staged.needed} if plan.staged is not None else {}
    if lacking:
        here = await _held(holdings)
        lacking = {block: name for block, name in lacking.items() if name not in here}
    return Estimate(wanted, sum(lengths[block] for block in lacking), space.required, space.free)


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
