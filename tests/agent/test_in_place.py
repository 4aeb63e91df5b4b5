"""`fetch --in-place` through the exchange: part by part, and what is foretold and told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.agent.notices import Committed, Note, Planned
from swarm.errors import NoSpaceError
from swarm.holdings.space import Space
from tests.agent.world import make_data, open_world, same_trees


async def test_an_update_in_place_is_whole_and_moves_what_was_foretold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.holdings.in_place._room", lambda *_: 0)
    data = make_data(tmp_path / "data", files=8)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
        for number in (0, 2, 5):
            path = next(data.rglob(f"file{number}.bin"))
            path.write_bytes(path.read_bytes()[:-100] + bytes([number]) * 200)
        await world.publish(data, "data:2.0.0")
        await consumer.fetch("data:2.0.0", tmp_path / "copy", dry_run=True, in_place=True)
        foretold = consumer.notices[-1]
        consumer.notices.clear()
        receipt = await consumer.fetch("data:2.0.0", tmp_path / "copy", in_place=True)

    assert same_trees(data, tmp_path / "copy")
    assert isinstance(foretold, Planned)
    (planned,) = [one for one in consumer.notices if isinstance(one, Planned)]
    (committed,) = [one for one in consumer.notices if isinstance(one, Committed)]
    assert not committed.is_atomic
    assert any(isinstance(one, Note) and "updated in place" in one.text for one in consumer.notices)
    assert foretold.bytes_to_fetch == planned.bytes_to_fetch
    # A block that two parts have bytes of may come twice.
    assert planned.bytes_to_fetch <= receipt.bytes_origin <= 2 * planned.bytes_to_fetch


def test_where_there_is_no_room_the_other_way_is_named_with_its_figure() -> None:
    with pytest.raises(NoSpaceError) as found:
        Space(80 << 30, 20 << 30, "/dest", 5 << 30).check()
    assert "--in-place, which needs 5.0 GiB and is not atomic" in (found.value.hint or "")
    with pytest.raises(NoSpaceError) as found:
        Space(80 << 30, 20 << 30, "/dest", 90 << 30).check()
    assert "--in-place" not in (found.value.hint or "")
