from __future__ import annotations

from pathlib import Path

from bench.memory import AVERAGE, make_data
from swarm.dataset.cutter import StreamCutter, cutter_of


def test_the_data_has_as_many_blocks_as_are_asked_for(tmp_path: Path) -> None:
    make_data(tmp_path / "data", 50)
    data = (tmp_path / "data" / "data.bin").read_bytes()
    ends = StreamCutter(cutter_of(AVERAGE)).cut(memoryview(data), is_last=True)
    assert len(ends) == 50
