"""Pictures of a run: they are SVG, the same for the same run, and drawing changes nothing."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sim.__main__ import main
from sim.pictures import draw
from sim.recorder import Recorder
from sim.scenario import MBIT, Scenario
from sim.simulation import Simulation, simulate

SMALL = Scenario(peers=4, blocks=8)


def recorded(scenario: Scenario = SMALL) -> tuple[Simulation, Recorder]:
    simulation = Simulation(scenario, 1)
    return simulation, Recorder(simulation)


def test_a_run_is_the_same_with_and_without_a_recorder() -> None:
    simulation, recorder = recorded()
    report = simulation.run()
    samples = len(recorder.recording.times)
    plain = simulate(SMALL, 1)
    assert replace(report, events=0) == replace(plain, events=0)
    assert samples > 100


@pytest.mark.parametrize("scenario", [SMALL, replace(SMALL, seeders=0, store_up=100 * MBIT)])
def test_a_recording_ends_with_everything_everywhere(scenario: Scenario) -> None:
    simulation, recorder = recorded(scenario)
    simulation.run()
    recording = recorder.finish()
    moved = recording.seeder_bytes[-1] + recording.store_bytes[-1] + recording.peer_bytes[-1]
    assert moved == pytest.approx(4 * simulation.dataset.bytes)
    assert (recording.rarest[0], recording.rarest[-1], recording.typical[-1]) == (0, 4, 4)
    assert recording.peer_bytes == sorted(recording.peer_bytes)
    assert len(recording.finishes) == 4


@pytest.mark.slow
def test_pictures_are_svg_and_the_same_for_the_same_run(tmp_path: Path) -> None:
    paths = []
    for name in ("one", "two"):
        simulation, recorder = recorded()
        report = simulation.run()
        paths.append(draw(report, recorder.finish(), tmp_path / name))
    assert [path.name for path in paths[0]] == [
        f"flash-crowd-1-{name}.svg" for name in ("finishes", "sources", "rarity")
    ]
    for one, other in zip(*paths, strict=True):
        assert ET.parse(one).getroot().tag.endswith("svg")
        assert one.read_bytes() == other.read_bytes()


def test_without_the_library_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["--peers", "2", "--blocks", "2", "--pictures", str(tmp_path)]) == 2
    assert "pip install 'swarm-replicator[plot]'" in capsys.readouterr().err
