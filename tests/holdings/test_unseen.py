"""What is told before anything is looked at closely: blocks that are surely not here, and the room that files need."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.holdings import Holdings
from swarm.holdings.scope import Body, everything
from swarm.holdings.space import UNIT_BYTES, space_for
from swarm.holdings.tree import Tree
from tests.holdings.versions import Made, fetch, fill, keep, make, some_bytes

OLD = make({"a": some_bytes(2_500, 1), "b/c": some_bytes(1_500, 2)})
NEW = make({"a": some_bytes(2_500, 1), "b/c": some_bytes(1_500, 2), "z": some_bytes(5_000, 3)})


async def unseen(holdings: Holdings, made: Made, dest: Path) -> set[int]:
    ids = made.version.block_ids
    return set(await holdings.unseen(dest, made.id, made.version.root, ids))


async def test_a_free_dest_of_a_machine_without_holdings_needs_everything(holdings: Holdings, dest: Path) -> None:
    assert await unseen(holdings, NEW, dest) == set(range(len(NEW.blocks)))


async def test_blocks_of_any_version_that_is_held_or_staged_here_are_not_unseen(holdings: Holdings, dest: Path) -> None:
    await fetch(holdings, OLD, dest)
    found = await unseen(holdings, NEW, dest.parent / "other")
    old = set(OLD.version.block_ids)
    assert found == {place for place, name in enumerate(NEW.version.block_ids) if name not in old}
    assert found
    assert await unseen(holdings, OLD, dest) == set()


async def test_nothing_is_unseen_where_a_version_has_no_sketch(holdings: Holdings, home: Path, dest: Path) -> None:
    await fetch(holdings, OLD, dest)
    (home / "versions" / OLD.id.hex() / "sketch").unlink()
    assert await unseen(holdings, NEW, dest.parent / "other") == set()


async def test_nothing_is_unseen_over_what_an_interrupted_run_left(holdings: Holdings, dest: Path) -> None:
    await keep(holdings, NEW)
    async with holdings.stage(NEW.version, dest) as staging:
        await staging.write(NEW.block_indexes()[0], NEW.blocks[0])
    assert await unseen(holdings, NEW, dest) == set()


@pytest.mark.parametrize("is_file", [False, True])
async def test_nothing_is_unseen_where_dest_is_not_free(holdings: Holdings, dest: Path, *, is_file: bool) -> None:
    if is_file:
        dest.parent.mkdir(parents=True, exist_ok=True)
        dest.write_bytes(b"mine")
    else:
        dest.mkdir(parents=True)
        (dest / "precious").write_bytes(b"mine")
    assert await unseen(holdings, NEW, dest) == set()


def test_what_is_staged_already_needs_no_room(tmp_path: Path) -> None:
    scope = everything(Body(NEW.version))
    tree = Tree(bytes(tmp_path / "tree"))
    (tmp_path / "tree").mkdir()
    needed = [space_for(scope, tree, bytes(tmp_path)).required]
    (tmp_path / "tree" / "b").mkdir()
    needed.append(space_for(scope, tree, bytes(tmp_path)).required)
    (tmp_path / "tree" / "b" / "c").write_bytes(some_bytes(1_500, 2))
    needed.append(space_for(scope, tree, bytes(tmp_path)).required)
    tree.close()
    names, units = 4 * UNIT_BYTES, 4 * UNIT_BYTES
    assert needed == [names + units, names + units - UNIT_BYTES, names + units - 3 * UNIT_BYTES]


async def test_a_plan_counts_the_same_room_as_a_staging_does(holdings: Holdings, dest: Path) -> None:
    await keep(holdings, NEW)
    preview = await holdings.plan(NEW.version, dest)
    async with holdings.stage(NEW.version, dest) as staging:
        assert staging.space.required == preview.space.required
        await fill(staging, NEW)
