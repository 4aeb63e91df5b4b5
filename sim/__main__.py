"""`python -m sim --seed 7 --peers 100 [--blocks 256] [--scenario NAME] [--json]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sim.rules import RULES, without
from sim.scenario import MBIT, Scenario
from sim.scenarios import SCENARIOS
from sim.simulation import simulate


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was asked for; returns 1 where something did not hold."""
    options = _parser().parse_args(arguments)
    if options.list:
        for scenario in SCENARIOS.values():
            print(f"{scenario.name:20} {scenario.about}")
        return 0
    scenario = _scenario(options)
    failing: list[int] = []
    for seed in _seeds(options):
        report = simulate(scenario, seed)
        if report.problems:
            failing.append(seed)
        print(json.dumps(report.as_dict(), sort_keys=True) if options.json else report.as_text(), flush=True)
    if failing and not options.json:
        print("failing seeds:", *failing)
    return 1 if failing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sim", description="Simulates a swarm with the production node.")
    parser.add_argument("--seed", type=int, default=0, help="decides everything that is random")
    parser.add_argument("--seeds", metavar="A..B", help="one run for each seed from A to B; failing ones are named")
    parser.add_argument("--scenario", choices=list(SCENARIOS), default="flash-crowd")
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
    chosen = replace(SCENARIOS[options.scenario], **{key: value for key, value in given.items() if value is not None})
    return replace(chosen, policies=without(chosen.policies, options.without))


def _seeds(options: argparse.Namespace) -> range:
    if options.seeds is None:
        return range(options.seed, options.seed + 1)
    first, _, last = options.seeds.partition("..")
    return range(int(first), int(last) + 1)


if __name__ == "__main__":
    sys.exit(main())
