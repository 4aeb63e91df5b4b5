"""`swarm plan`: what a rollout of a version to a fleet will take, simulated here."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cli.call import Call
from cli.exit_codes import LOOKING_UP, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from swarm.errors import UsageError

if TYPE_CHECKING:
    from sim.plan.fleet_file import Fleet
    from sim.plan.shape import Shape


def register() -> CommandParser:
    """The parser of `swarm plan`."""
    parser = make_parser(
        "swarm plan",
        "Says how long a rollout of a version to your fleet will take, what will leave the origin, what it costs,\n"
        "what limits it and what would help: by simulating the fleet here. Nothing is fetched but the root.",
        examples=(
            "swarm plan @maps/places:1.4.0 --fleet fleet.toml --store s3://datasets/prod",
            "swarm plan @maps/places --fleet fleet.toml --price 0.09 --json",
        ),
        codes=LOOKING_UP,
    )
    parser.add_argument("name", metavar="NAME[:TAG]|NAME@DIGEST", help="without a tag: latest, else the newest release")
    parser.add_argument(
        "--fleet", required=True, metavar="FILE", help="the machines: groups with count, up, down (Mbit/s), in TOML"
    )
    parser.add_argument("--price", type=float, metavar="PRICE", help="of a GB out of the origin, before the file's")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides what is random; 0")
    add_settings(parser, "plan", shows=("store", "tracker", "secret", "lan"))
    return parser


def run(call: Call) -> int:
    """One object, or a page of text."""
    from sim.plan.plan import make_plan  # noqa: PLC0415
    from swarm.config.references import parse_dataset  # noqa: PLC0415

    parse_dataset(call.options.name)
    fleet = _fleet(call)
    shape = call.run(partial(_shape, call))
    call.screen.say(f"simulating {fleet.count} machines; this takes up to a minute")
    found = make_plan(fleet, shape, seed=call.options.seed)
    call.screen.result("plan", {"name": call.options.name, **found.as_dict()}, found.as_text())
    return ExitCode.DONE


def _fleet(call: Call) -> Fleet:
    from sim.plan.fleet_file import FleetError, read_fleet  # noqa: PLC0415

    try:
        fleet = read_fleet(call.path(call.options.fleet))
    except FleetError as error:
        raise UsageError(str(error), hint="docs/simulation.md has an example of a fleet") from error
    price = call.options.price
    if price is None:
        return fleet
    if not math.isfinite(price) or price < 0:
        raise UsageError(f"--price cannot be {price}", hint="say what a GB out of the origin costs, such as 0.09")
    return replace(fleet, price_per_gb=price)


async def _shape(call: Call) -> Shape:
    from cli.lookup import look_up  # noqa: PLC0415
    from cli.sources import open_sources  # noqa: PLC0415
    from sim.plan.shape import ShapeError, shape_of  # noqa: PLC0415
    from swarm.config.references import parse_dataset  # noqa: PLC0415
    from swarm.holdings import open_holdings  # noqa: PLC0415
    from swarm.protocol.manifest import decode_root  # noqa: PLC0415

    config = call.common()
    async with open_holdings(config.home) as holdings, open_sources(config) as sources:
        found = await look_up(config, parse_dataset(call.options.name), sources, holdings)
        sources.warn_of_silence(call.screen)
    try:
        return shape_of(decode_root(found.root_bytes))
    except ShapeError as error:
        raise UsageError(f"{call.options.name}: {error}", hint="there is nothing to roll out") from error
