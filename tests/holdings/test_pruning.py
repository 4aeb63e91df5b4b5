"""`swarm prune`: what goes, in which order, and what never does."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from swarm.holdings import Holdings
from swarm.holdings.pins import Pin, Pins, name_of
from swarm.holdings.pruning import STALE_STAGING_S, Pruned, Targets
from tests.holdings.versions import fetch, fill, keep, make, some_bytes

SIZE = 40_000


@pytest.fixture
async def three(holdings: Holdings, tmp_path: Path) -> list[Path]:
    """Three holdings of `maps`, the oldest first."""
    found = []
    for number in range(3):
        dest = tmp_path / f"maps-{number}"
        await fetch(holdings, make({"a": some_bytes(SIZE, number)}, piece=SIZE), dest, label=f"maps:{number}")
        found.append(dest)
    return found


def gone(pruned: Pruned) -> list[str]:
    return [os.path.basename(os.fsdecode(one.record.directory)) for one in pruned.removed]


async def test_without_a_target_holdings_stay(holdings: Holdings, three: list[Path]) -> None:
    assert gone(await holdings.prune(Targets())) == []
    assert all((dest / "a").exists() for dest in three)


async def test_the_oldest_of_a_name_go(holdings: Holdings, three: list[Path], tmp_path: Path) -> None:
    await fetch(holdings, make({"a": some_bytes(SIZE, 9)}), tmp_path / "other", label="@scope/maps:1")
    pruned = await holdings.prune(Targets(keep_last=1))
    assert gone(pruned) == ["maps-0", "maps-1"]
    assert [dest.exists() for dest in three] == [False, False, True]
    assert len(await holdings.records()) == 2
    assert (pruned.unmet, pruned.kept) == ([], [])


async def test_the_newest_stay_whatever_stays_besides(holdings: Holdings, three: list[Path], home: Path) -> None:
    """Or to pin an old version would cost the one that is in use."""
    for directory in three[:2]:
        Pins(home).add(Pin(directory=os.fsencode(directory.resolve())))
    pruned = await holdings.prune(Targets(keep_last=1))
    assert gone(pruned) == []
    assert [one.record.label for one, _ in pruned.kept] == ["maps:0", "maps:1"]
    assert [(one.target, one.wanted, one.actual) for one in pruned.unmet] == [("keep-last", 1, 3)]


async def test_a_size_is_met_and_not_more(holdings: Holdings, three: list[Path]) -> None:
    pruned = await holdings.prune(Targets(size_bytes=2 * SIZE + SIZE // 2))
    assert gone(pruned) == ["maps-0"]
    assert not pruned.unmet


async def test_room_is_made_on_the_file_system(
    holdings: Holdings, three: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def free(_directory: bytes) -> int:
        return 1000 * sum(not dest.exists() for dest in three)

    monkeypatch.setattr("swarm.holdings.pruning._free_bytes", free)
    assert gone(await holdings.prune(Targets(free_bytes=1500))) == ["maps-0", "maps-1"]
    pruned = await holdings.prune(Targets(free_bytes=5000))
    assert gone(pruned) == ["maps-2"]
    assert (pruned.unmet[0].target, pruned.unmet[0].wanted) == ("free", 5_000)
    assert pruned.unmet[0].place is not None


async def test_a_dry_run_says_the_same_and_touches_nothing(holdings: Holdings, three: list[Path]) -> None:
    targets = {"keep_last": 2, "size_bytes": SIZE + SIZE // 2}
    dry = await holdings.prune(Targets(**targets, is_dry_run=True))  # type: ignore[arg-type]
    assert all((dest / "a").exists() for dest in three)
    assert gone(dry) == gone(await holdings.prune(Targets(**targets)))  # type: ignore[arg-type]
    assert gone(dry) == ["maps-0", "maps-1"]


@pytest.mark.parametrize("label", ["", "maps:0", "maps"])
async def test_what_is_pinned_stays(holdings: Holdings, three: list[Path], home: Path, label: str) -> None:
    pin = Pin(label=label) if label else Pin(directory=os.fsencode(three[0].resolve()))
    pins = Pins(home)
    assert pins.add(pin)
    assert not pins.add(pin)
    assert pins.all() == [pin]
    pruned = await holdings.prune(Targets(keep_last=0))
    assert gone(pruned) == ([] if label == "maps" else ["maps-1", "maps-2"])
    assert {why for _, why in pruned.kept} == {"pinned"}
    assert pruned.unmet
    assert pins.remove(pin)
    assert not pins.remove(pin)
    assert "maps-0" in gone(await holdings.prune(Targets(keep_last=0)))


@pytest.mark.parametrize("change", ["edited", "added"])
async def test_what_a_user_has_changed_stays_unless_forced_and_his_files_always(
    holdings: Holdings, three: list[Path], change: str
) -> None:
    mine = three[0] / ("a" if change == "edited" else "mine")
    mine.write_bytes(b"mine")
    pruned = await holdings.prune(Targets(keep_last=1))
    assert gone(pruned) == ["maps-1"]
    assert "edited or added" in pruned.kept[0][1]
    assert gone(await holdings.prune(Targets(keep_last=0, is_forced=True))) == ["maps-0", "maps-2"]
    assert mine.read_bytes() == b"mine"


async def test_what_a_follower_keeps_stays(holdings: Holdings, tmp_path: Path) -> None:
    dest = tmp_path / "follower"
    (dest / "versions").mkdir(parents=True)
    await fetch(holdings, make({"a": some_bytes(SIZE, 1)}), dest / "versions" / "ab", label="maps:stable")
    (dest / "current").symlink_to("versions/ab")
    pruned = await holdings.prune(Targets(keep_last=0))
    assert (gone(pruned), pruned.kept[0][1]) == ([], "a follower keeps it")


async def test_what_another_command_is_at_work_on_stays(holdings: Holdings, three: list[Path]) -> None:
    made = make({"a": some_bytes(SIZE, 7)})
    await keep(holdings, made)
    async with holdings.stage(made.version, three[0]):
        pruned = await holdings.prune(Targets(keep_last=0))
    assert gone(pruned) == ["maps-1", "maps-2"]
    assert "at work" in pruned.kept[0][1]


async def test_staging_areas_that_nobody_goes_on_with_go_after_a_week(
    holdings: Holdings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make({"a": some_bytes(3000, 1)})
    await keep(holdings, made)
    async with holdings.stage(made.version, tmp_path / "new") as staging:
        await fill(staging, made)
    assert (await holdings.prune(Targets())).areas == []
    later = time.time() + STALE_STAGING_S + 60
    monkeypatch.setattr("swarm.holdings.pruning.time.time", lambda: later)
    (area,) = (await holdings.prune(Targets(is_dry_run=True))).areas
    assert os.path.isdir(area)
    assert (await holdings.prune(Targets())).areas == [area]
    assert not os.path.exists(area)


def test_the_name_in_a_label() -> None:
    assert name_of("maps:1.0.0") == "maps"
    assert name_of("@scope/maps:1.0.0") == "@scope/maps"
    assert name_of("@scope/maps@abcdef") == "@scope/maps"
    assert name_of("maps@abcdef") == "maps"
    assert name_of("maps") == "maps"


def test_files_that_are_no_pins_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    for number, data in enumerate((b"", b"label ", b"label \xff", b"directory x", b"junk junk")):
        (tmp_path / "kept" / str(number)).write_bytes(data)
    assert Pins(tmp_path).all() == []
