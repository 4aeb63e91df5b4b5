"""`swarm unpin`: takes a pin back."""

from __future__ import annotations

import os
from functools import partial

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.pinning import named_pin, shown
from swarm.config.configs import CommonConfig
from swarm.errors import NotFoundError


def register() -> CommandParser:
    """The parser of `swarm unpin`."""
    parser = make_parser(
        "swarm unpin",
        "Takes back what swarm pin said: swarm prune may remove the holding again.",
        examples=("swarm unpin /srv/places", "swarm unpin places:1.4.0"),
        codes=(
            ExitCode.NOT_FOUND,
            ExitCode.REFUSED,
            ExitCode.NO_ROOM,
            ExitCode.INTERRUPTED,
            ExitCode.TERMINATED,
        ),
    )
    parser.add_argument("what", metavar="NAME[:TAG]|DEST", help="as swarm pin --list shows it")
    add_settings(parser, "unpin")
    return parser


def run(call: Call) -> int:
    """Removes the pin."""
    call.run(partial(_remove, call, call.common()))
    return ExitCode.DONE


async def _remove(call: Call, config: CommonConfig) -> bool:
    from swarm.holdings import open_holdings  # noqa: PLC0415
    from swarm.holdings.oserror import real  # noqa: PLC0415
    from swarm.holdings.pins import Pin, Pins  # noqa: PLC0415

    pins = Pins(config.home)
    async with open_holdings(config.home) as holdings:
        pin = named_pin(call, await holdings.records())
    # A directory may be pinned that holds nothing any more.
    directory = Pin(directory=real(call.path(call.options.what)))
    removed = pin if pins.remove(pin) else directory if pins.remove(directory) else None
    if removed is None:
        raise NotFoundError(f"{shown(pin)} is not pinned", hint="swarm pin --list shows what is")
    fields = {"label": removed.label or None, "dest": os.fsdecode(removed.directory) or None}
    call.screen.result("holding_unpin", fields, f"{shown(removed)} may be pruned")
    return True
