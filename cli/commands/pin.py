"""`swarm pin`: says that a holding stays, whatever `swarm prune` is asked for."""

from __future__ import annotations

import os
from functools import partial

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.pinning import named_pin, shown
from swarm.config.configs import CommonConfig
from swarm.errors import UsageError


def register() -> CommandParser:
    """The parser of `swarm pin`."""
    parser = make_parser(
        "swarm pin",
        "Says that a holding stays, whatever swarm prune is asked for: one in a directory, all of what is called\n"
        "NAME:TAG, or all of NAME. swarm unpin takes it back. (Whom to believe about a name is swarm trust.)",
        examples=("swarm pin /srv/places", "swarm pin places:1.4.0", "swarm pin --list"),
        codes=(ExitCode.NO_ROOM, ExitCode.REFUSED, ExitCode.INTERRUPTED, ExitCode.TERMINATED),
    )
    parser.add_argument(
        "what", nargs="?", metavar="NAME[:TAG]|DEST", help="a directory that holds something, or a name"
    )
    parser.add_argument("--list", action="store_true", help="list the pins")
    add_settings(parser, "pin")
    return parser


def run(call: Call) -> int:
    """Adds a pin, or lists them."""
    if (call.options.what is None) != call.options.list:
        raise UsageError("pin needs a NAME:TAG or a directory", hint="or --list, which shows what is pinned")
    call.run(partial(_list if call.options.list else _add, call, call.common()))
    return ExitCode.DONE


async def _list(call: Call, config: CommonConfig) -> bool:
    from swarm.holdings.pins import Pins  # noqa: PLC0415

    for pin in Pins(config.home).all():
        fields = {"label": pin.label or None, "dest": os.fsdecode(pin.directory) or None}
        call.screen.result("holding_pin", fields, shown(pin))
    return True


async def _add(call: Call, config: CommonConfig) -> bool:
    from swarm.holdings import open_holdings  # noqa: PLC0415
    from swarm.holdings.pins import Pins  # noqa: PLC0415

    async with open_holdings(config.home) as holdings:
        pin = named_pin(call, await holdings.records())
        covered = [record for record in await holdings.records() if pin.covers(record)]
    is_new = Pins(config.home).add(pin)
    fields = {"label": pin.label or None, "dest": os.fsdecode(pin.directory) or None, "is_new": is_new}
    count = f"{len(covered)} held here now" if covered else "nothing of it is held here yet"
    call.screen.result("holding_pin", fields, f"{shown(pin)} stays ({count})")
    return True
