"""`python -m sim plan ROOT | --bytes N [--blocks M] --fleet FILE`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sim.plan.fleet_file import FleetError, read_fleet
from sim.plan.plan import make_plan
from sim.plan.shape import Shape, ShapeError, make_shape, read_shape


def plan(arguments: Sequence[str]) -> int:
    """Prints the plan; returns 1 where the simulation met a problem, 2 where it was not told enough."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        fleet = read_fleet(options.fleet)
        shape = _shape(options)
    except (FleetError, ShapeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.price is not None:
        fleet = replace(fleet, price_per_gb=options.price)
    found = make_plan(fleet, shape, seed=options.seed)
    print(json.dumps(found.as_dict(), sort_keys=True) if options.json else found.as_text())
    return 1 if found.forecast.problems else 0


def _shape(options: argparse.Namespace) -> Shape:
    if (options.manifest is None) == (options.bytes is None):
        raise ShapeError("say either a version's root or --bytes")
    return make_shape(options.bytes, options.blocks) if options.manifest is None else read_shape(options.manifest)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim plan", description="Says what a rollout of a version to a fleet will take."
    )
    parser.add_argument(
        "manifest", nargs="?", type=Path, metavar="ROOT", help="a version's root, or $SWARM_HOME/versions/<digest>"
    )
    parser.add_argument("--bytes", type=int, metavar="N", help="of the version, instead of a root")
    parser.add_argument("--blocks", type=int, metavar="M", help="default: as swarm seed would cut")
    parser.add_argument("--fleet", type=Path, required=True, metavar="FILE", help="groups of machines: docs/fleet.toml")
    parser.add_argument(
        "--price", type=float, metavar="PRICE", help="of a GB out of the origin; goes before the file's"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    return parser
