"""`python -m sim`: sweeps name failing seeds and how to run them again; scenario files; errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim.__main__ as command
from sim.__main__ import main, replay
from sim.scenario import MBIT, Outage
from sim.scenario_file import ScenarioError, make_scenario, read_scenario

SMALL = ("--peers", "3", "--blocks", "4")
DOCS = Path(__file__).parents[2] / "docs"


def test_a_sweep_ends_with_the_seeds_that_fail_and_the_command_for_each(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "late.toml"
    path.write_text("peers = 3\nblocks = 4\nlast_max = 0.01\ngrace_s = 0\n")
    assert main(["--file", str(path), "--seeds", "4..5", "--latency", "0", "--spread", "0"]) == 1
    shown = capsys.readouterr().err.splitlines()
    assert shown[0].startswith("failing seeds at ")
    assert shown[0].endswith(": 4 5")
    assert shown[2].strip() == f"python -m sim --file {path} --latency 0 --spread 0 --seed 5"


def test_a_sweep_in_which_all_is_well_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--seeds", "0..1", "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert [json.loads(line)["seed"] for line in shown.out.splitlines()] == [0, 1]


def test_seed_and_commit_are_in_the_report(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "commit_here", lambda: "abc1234+")
    assert main([*SMALL, "--seed", "3"]) == 0
    assert "seed 3, commit abc1234+" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--seeds", "0..9"], ["--seeds=0..9"], ["--seed", "2"], []])
def test_a_replay_replaces_the_seeds_and_keeps_the_rest(words: list[str]) -> None:
    assert replay(["--peers", "8", *words, "--json"], 7) == "python -m sim --peers 8 --json --seed 7"


@pytest.mark.parametrize("seeds", ["9..0", "a..b", "", "1...3", "-1..3"])
def test_seeds_that_are_none_are_refused(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([f"--seeds={seeds}"])
    assert "A..B" in capsys.readouterr().err


def test_a_file_says_every_kind_of_field() -> None:
    scenario = make_scenario(
        {
            "name": "mine",
            "peers": 5,
            "up": "20 Mbit/s",
            "down": 1000,
            "is_cut": True,
            "latency_s": 1,
            "links": [[1, "1 Gbit", "500 kbit"]],
            "store_outage": {"begins": 0.1, "ends": 1},
            "first_byte_s": [0.01, 0.02],
            "without": ["linger"],
        }
    )
    assert (scenario.up, scenario.down, scenario.latency_s) == (20 * MBIT, 1000.0, 1.0)
    assert scenario.links == ((1.0, 1000 * MBIT, 0.5 * MBIT),)
    assert scenario.store_outage == Outage(0.1, 1.0)
    assert scenario.first_byte_s == (0.01, 0.02)
    assert not scenario.policies.lingers


def test_the_example_of_the_docs_is_a_scenario() -> None:
    scenario = read_scenario(DOCS / "scenario.toml")
    assert scenario.name == "cupboard"
    assert scenario.store_outage is not None


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"peerz": 3}, "did you mean 'peers'"),
        ({"policies": 3}, "there is no 'policies'"),
        ({"peers": "three"}, "peers must be a whole number"),
        ({"peers": True}, "peers must be a whole number"),
        ({"peers": 0}, "at least 1"),
        ({"peers": 10**9}, "can be simulated"),
        ({"up": "fast"}, "up must be a rate"),
        ({"up": "20 apples"}, "up must be a rate"),
        ({"up": 0}, "up must be a rate"),
        ({"killed": 2}, "between 0 and 1"),
        ({"spread_s": -1}, "cannot be negative"),
        ({"seeders": 0}, "no origin"),
        ({"links": []}, "links must be a list"),
        ({"links": [[1, 2]]}, "links must be a list"),
        ({"links": [[0, 2, 3]]}, "above 0"),
        ({"tracker_outage": 3}, "`begins` and `ends`"),
        ({"tracker_outage": {"begins": "a", "ends": 1}}, "must be 2 numbers"),
        ({"without": ["lingr"]}, "did you mean 'linger'"),
        ({"without": "linger"}, "list of rules"),
        ({"latency_to_s": 0.0001}, "latency_to_s"),
    ],
)
def test_what_a_file_cannot_say_is_refused_with_the_reason(table: dict[str, object], text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        make_scenario(table)
    assert text in str(caught.value)


def test_a_file_that_is_not_there_or_no_toml_is_a_user_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.toml"
    assert main(["--file", str(path)]) == 2
    path.write_text("peers = = 3")
    assert main(["--file", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_leaving_a_rule_out_leaves_the_bounds_out() -> None:
    assert main([*SMALL, "--scenario", "leavers-slow", "--without", "naming"]) == 0
