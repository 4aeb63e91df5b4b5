"""`python -m sim --seed 7 --peers 100 [--scenario NAME | --file FILE] [--json]`, and `python -m sim plan`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sim.commit import commit_here
from sim.pictures import PlottingMissingError, draw
from sim.plan.command import plan
from sim.recorder import Recorder, Recording
from sim.report import Report
from sim.rules import RULES, without
from sim.scenario import MBIT, Scenario
from sim.scenario_file import ScenarioError, read_scenario
from sim.scenarios import SCENARIOS
from sim.simulation import Simulation


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was asked for; returns 1 where something did not hold."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["plan"]:
        return plan(words[1:])
    options = _parser().parse_args(words)
    if options.list:
        for scenario in SCENARIOS.values():
            print(f"{scenario.name:20} {scenario.about}")
        return 0
    try:
        scenario = _scenario(options)
    except ScenarioError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    commit = commit_here()
    failing: list[int] = []
    for seed in options.seeds or range(options.seed, options.seed + 1):
        report, recording = _run(scenario, seed, commit, is_recorded=options.pictures is not None)
        if report.problems:
            failing.append(seed)
        print(json.dumps(report.as_dict(), sort_keys=True) if options.json else report.as_text(), flush=True)
        if recording is not None:
            try:
                draw(report, recording, options.pictures)
            except (PlottingMissingError, OSError) as error:
                print(f"error: {error}", file=sys.stderr)
                return 2
    if failing:
        _show_failing(failing, words, commit)
    return 1 if failing else 0


def _run(scenario: Scenario, seed: int, commit: str, *, is_recorded: bool) -> tuple[Report, Recording | None]:
    simulation = Simulation(scenario, seed)
    recorder = Recorder(simulation) if is_recorded else None
    report = replace(simulation.run(), commit=commit)
    return report, None if recorder is None else recorder.finish()


def _show_failing(failing: list[int], words: Sequence[str], commit: str) -> None:
    """On stderr, which keeps `--json` clean."""
    print(f"failing seeds at {commit}:", *failing, file=sys.stderr)
    for seed in failing:
        print("  " + replay(words, seed), file=sys.stderr)


def replay(words: Sequence[str], seed: int) -> str:
    """The command that runs one seed of a sweep again."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in ("--seed", "--seeds"):
            next(rest, None)
        elif not word.startswith(("--seed=", "--seeds=")):
            kept.append(word)
    return shlex.join(["python", "-m", "sim", *kept, "--seed", str(seed)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim",
        description="Simulates a swarm with the production node.",
        epilog="`python -m sim plan --help`: what a rollout of a version to a fleet will take.",
    )
    parser.add_argument("--seed", type=int, default=0, help="decides everything that is random")
    parser.add_argument(
        "--seeds", metavar="A..B", type=_seeds, help="one run for each seed from A to B; failing ones are named"
    )
    parser.add_argument("--scenario", choices=list(SCENARIOS), default="flash-crowd")
    parser.add_argument("--file", type=Path, metavar="FILE", help="a scenario of your own: docs/scenario.toml")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="writes three SVG pictures of each run there")
    parser.add_argument("--list", action="store_true", help="names the scenarios")
    parser.add_argument("--peers", type=int)
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--block-size", type=int, metavar="BYTES")
    parser.add_argument(
        "--cut", action="store_true", default=None, help="blocks of unequal length, as a cutter makes them"
    )
    parser.add_argument("--up", type=float, metavar="MBIT")
    parser.add_argument("--down", type=float, metavar="MBIT")
    parser.add_argument("--latency", type=float, metavar="MS", help="one way")
    parser.add_argument("--spread", type=float, metavar="S", help="machines begin within so long of each other")
    parser.add_argument("--without", action="append", default=[], choices=list(RULES), help="leaves a rule out")
    parser.add_argument("--json", action="store_true", help="one JSON object a run, on one line")
    return parser


def _scenario(options: argparse.Namespace) -> Scenario:
    given: dict[str, Any] = {
        "peers": options.peers,
        "blocks": options.blocks,
        "block_size": options.block_size,
        "is_cut": options.cut,
        "up": None if options.up is None else options.up * MBIT,
        "down": None if options.down is None else options.down * MBIT,
        "latency_s": None if options.latency is None else options.latency / 1000,
        "spread_s": options.spread,
    }
    chosen = replace(
        read_scenario(options.file) if options.file is not None else SCENARIOS[options.scenario],
        **{key: value for key, value in given.items() if value is not None},
    )
    if not options.without:
        return chosen
    # The bounds are those of all rules together.
    return replace(chosen, policies=without(chosen.policies, options.without), last_max=None, origin_max=None)


def _seeds(text: str) -> range:
    first, _, last = text.partition("..")
    if not first.isdecimal() or not (last or first).isdecimal() or int(first) > int(last or first):
        raise argparse.ArgumentTypeError(f"{text!r} is not A..B with A at most B, as in 0..9")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
