"""A plan says what a rollout takes: from a fleet's file and a version's size, by simulation, above the fluid limit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sim.__main__ import main
from sim.limit import BORDER, DOWNLINK, ORIGIN, PROCESSORS, UPLINKS
from sim.plan import forecast as forecasting
from sim.plan.advice import CORES, variants
from sim.plan.fleet_file import Fleet, FleetError, make_fleet, read_fleet
from sim.plan.forecast import forecast, least_s, limits_of, scenario_of
from sim.plan.plan import GB, make_plan, show_time
from sim.plan.shape import Shape, ShapeError, make_shape, read_shape
from sim.processor import COSTS
from sim.scenario import MBIT, Computers, Group
from sim.simulation import Simulation
from swarm.protocol.ids import digest
from swarm.protocol.version_builder import build_version
from tests.protocol.samples import CUTTER, file

DOCS = Path(__file__).parents[2] / "docs"
MIB = 1 << 20

EIGHT = Fleet((Group("boxes", 8, 100 * MBIT, 100 * MBIT),), origin_up=100 * MBIT)
SMALL = Shape(24 * MIB, 24)


def mixed(**changes: object) -> Fleet:
    racks = Group("racks", 6, 100 * MBIT, 100 * MBIT, "dc")
    homes = Group("homes", 2, 20 * MBIT, 20 * MBIT, "edge")
    return replace(Fleet((racks, homes), origin_up=100 * MBIT, origin_site="dc"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fleet", "bottleneck"),
    [
        (replace(EIGHT, origin_up=10 * MBIT), ORIGIN),
        (mixed(), DOWNLINK),
        (Fleet((Group("a", 8, 10 * MBIT, 100 * MBIT),), origin_up=100 * MBIT), UPLINKS),
        (mixed(borders=(("edge", 5.0 * MBIT),)), BORDER),
    ],
)
def test_the_bottleneck_is_the_part_that_needs_longest(fleet: Fleet, bottleneck: str) -> None:
    limits = limits_of(fleet, SMALL)
    assert max(limits, key=limits.__getitem__) == bottleneck
    assert max(limits.values()) == pytest.approx(Simulation(scenario_of(fleet, 24, MIB), 1).limit_s, rel=0.2)


def test_a_small_rollout_is_simulated_as_it_is() -> None:
    found = forecast(EIGHT, SMALL)
    assert (found.peers, found.blocks, found.problems) == (8, 24, ())
    assert found.limit_s < found.times.p50_s <= found.times.p99_s <= found.times.last_s
    assert found.origin_bytes == pytest.approx(SMALL.bytes, rel=0.05)


@pytest.mark.slow
def test_a_great_rollout_is_carried_over_and_near_what_its_simulation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 machines and 64 blocks out of 6 machines and at most 32 blocks."""
    fleet, shape = Fleet((Group("a", 10, 50 * MBIT, 50 * MBIT),), origin_up=50 * MBIT), Shape(64 * MIB, 64)
    whole = forecast(fleet, shape)
    assert (whole.peers, whole.blocks) == (10, 64)
    for name, value in (("WHOLE_MAX", 1), ("PEERS_MAX", 6), ("BLOCKS_MAX", 32), ("LINE_MIN", 2)):
        monkeypatch.setattr(forecasting, name, value)
    carried = forecast(fleet, shape)
    assert (carried.peers, carried.blocks) == (6, 32)
    assert carried.times.last_s == pytest.approx(whole.times.last_s, rel=0.15)
    assert carried.times.last_s >= carried.limit_s


def test_the_quick_are_no_quicker_than_their_links() -> None:
    fleet = read_fleet(DOCS / "fleet.toml")
    size = 4_000_000_000
    racks = next(group for group in fleet.groups if group.name == "racks")
    slow = min(group.down for group in fleet.groups)
    assert least_s(fleet, size, 0.5) == size / min(racks.down, fleet.origin_up)
    assert least_s(fleet, size, 0.99) == size / slow


def test_groups_are_carried_over_in_proportion_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "PEERS_MAX", 4)
    part = forecasting._part(mixed(groups=(Group("a", 90, 1, 1), Group("b", 10, 1, 1))))
    assert [group.count for group in part.groups] == [3, 1]


def test_what_helps_is_what_moves_the_limit_and_is_simulated() -> None:
    fleet = replace(EIGHT, origin_up=20 * MBIT)
    before, (best, *rest) = forecast(fleet, SMALL), variants(fleet, SMALL)
    assert best.change == "twice the uplink of the origin"
    assert rest == []
    assert best.forecast.times.last_s < 0.6 * before.times.last_s


def test_a_plan_says_bytes_and_money_beside_the_origin_alone() -> None:
    found = make_plan(replace(EIGHT, price_per_gb=0.1), SMALL)
    told = found.as_dict()
    assert told["alone_bytes"] == 8 * SMALL.bytes
    assert told["bottleneck"] == f"{ORIGIN} and {DOWNLINK}"
    assert told["alone_cost"] == pytest.approx(0.1 * 8 * SMALL.bytes / GB)
    assert told["cost"] < 0.2 * told["alone_cost"]
    assert told["alone_s"] == pytest.approx(8 * SMALL.bytes / (100 * MBIT))
    assert told["last_s"] < told["alone_s"]
    assert "costs" in found.as_text()
    assert "costs" not in replace(found, fleet=EIGHT).as_text()


def crowded(cores: int) -> Fleet:
    """Eight agents and their origin on one computer."""
    group = replace(EIGHT.groups[0], computers="box")
    computers = (("box", Computers(cores=cores, agents=9)),)
    return replace(EIGHT, groups=(group,), computers=computers, origin_computers="box")


def test_agents_that_share_cores_are_slower_and_more_cores_help() -> None:
    shape = Shape(8 * MIB, 32)
    free, crowd = forecast(EIGHT, shape), make_plan(crowded(1), shape)
    assert crowd.forecast.bottleneck == PROCESSORS
    assert crowd.forecast.times.last_s > 3 * free.times.last_s
    (best, *_) = crowd.variants
    assert best.change == CORES
    assert best.forecast.times.last_s < 0.7 * crowd.forecast.times.last_s


def test_cores_enough_cost_nothing_but_the_start() -> None:
    shape = Shape(8 * MIB, 32)
    extra_s = forecast(crowded(64), shape).times.last_s - forecast(EIGHT, shape).times.last_s
    assert COSTS.start_s - 0.1 < extra_s < COSTS.start_s + 0.3


def test_the_example_of_the_docs_is_a_fleet() -> None:
    fleet = read_fleet(DOCS / "fleet.toml")
    assert fleet.count == 224
    assert fleet.origin_is_store
    assert fleet.borders == (("edge", 200.0 * MBIT),)


def test_the_labs_fleet_takes_longer_than_it_would_with_a_core_each() -> None:
    fleet = read_fleet(DOCS / "lab.toml")
    shape = Shape(16 * MIB, 64)
    free = replace(fleet, groups=tuple(replace(group, computers="") for group in fleet.groups), origin_computers="")
    assert forecast(fleet, shape).times.last_s > forecast(free, shape).times.last_s + 1.0


GROUP = {"count": 2, "up": 100, "down": 100}


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({}, "no [[group]]"),
        ({"group": [{"count": 2, "up": 1}]}, "down is missing"),
        ({"group": [GROUP | {"count": 0}]}, "count must be"),
        ({"group": [GROUP | {"count": 10**9}]}, "more than"),
        ({"group": [GROUP | {"up": -1}]}, "up cannot be -1"),
        ({"group": [GROUP | {"up": True}]}, "up cannot be True"),
        ({"group": [GROUP | {"down": float("nan")}]}, "down cannot be nan"),
        ({"group": [GROUP | {"latency_ms": 1e9}]}, "latency_ms cannot be"),
        ({"group": [GROUP | {"site": 3}]}, "site must be text"),
        ({"group": [GROUP | {"cuont": 3}]}, "did you mean 'count'"),
        ({"group": [3]}, "must be a table"),
        ({"group": [GROUP], "origin": {"kind": "cdn"}}, '"seeder" or "store"'),
        ({"group": [GROUP], "origin": {"up": 0}}, "[origin]: up"),
        ({"group": [GROUP], "borders": {"mars": 3}}, "no 'mars'"),
        ({"group": [GROUP], "price_per_gb": -1}, "price_per_gb cannot be"),
        ({"group": [GROUP | {"computers": "box"}]}, "[computers.NAME] with cores"),
        ({"group": [GROUP | {"computers": "box"}], "computers": {"bax": {"cores": 2}}}, "there are: bax"),
        ({"group": [GROUP], "computers": {"box": {"cores": 0}}}, "cores must be a whole number"),
        ({"group": [GROUP], "computers": {"box": {"speed": 0}}}, "speed cannot be 0"),
        ({"group": [GROUP], "computers": 3}, "[computers] must be a table"),
        ({"group": [GROUP], "grup": []}, "did you mean 'group'"),
    ],
)
def test_what_a_fleet_file_cannot_say_is_refused_with_the_reason(table: dict[str, object], text: str) -> None:
    with pytest.raises(FleetError) as caught:
        make_fleet(table)
    assert text in str(caught.value)


def test_the_command_prints_a_page_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text("[[group]]\ncount = 3\nup = 50\ndown = 50\n")
    words = ["plan", "--bytes", str(4 * MIB), "--blocks", "8", "--fleet", str(path)]
    assert main([*words, "--price", "0.5"]) == 0
    assert "3 machines, 4 MiB in 8 blocks" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["machines"], told["cost"], told["problems"]) == (3, None, [])


@pytest.mark.parametrize("words", [[], ["root", "--bytes", "3"], ["no-such-root"]])
def test_a_plan_without_a_version_is_a_user_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *words, "--fleet", str(DOCS / "fleet.toml")]) == 2
    assert "--bytes" in capsys.readouterr().err


def test_the_blocks_of_a_size_are_those_that_seed_would_cut() -> None:
    assert make_shape(1 << 30, None) == Shape(1 << 30, 1024)
    assert make_shape(1000, None) == Shape(1000, 1)
    with pytest.raises(ShapeError):
        make_shape(0, None)


def test_times_are_shown_as_people_say_them() -> None:
    assert [show_time(time) for time in (12.34, 179.6, 245.0, 7380.0)] == [
        "12.3 s",
        "3 min 00 s",
        "4 min 05 s",
        "2 h 03 min",
    ]


def test_a_root_says_how_large_the_version_is(tmp_path: Path) -> None:
    stream = [(digest(bytes([number])), 1000) for number in range(3)]
    built = build_version([file(b"f", size=3000)], stream, CUTTER)
    (tmp_path / "root").write_bytes(built.root_bytes)
    assert read_shape(tmp_path) == read_shape(tmp_path / "root") == Shape(3000, 3)


def test_what_is_no_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(b"nonsense")
    with pytest.raises(ShapeError, match="is not a version's root"):
        read_shape(tmp_path)
