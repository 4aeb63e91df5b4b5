"""`swarm rollback`: makes a tag mean again what it meant before."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING

from cli.call import Call
from cli.commands.tag import CODES, SHOWN, move_options, tell_moves
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser

if TYPE_CHECKING:
    from swarm.service.moving import TagMove


def register() -> CommandParser:
    """The parser of `swarm rollback`."""
    parser = make_parser(
        "swarm rollback",
        "Makes a tag mean again what it meant before: the version before, or with --to one of its history. That is a\n"
        "new record like any other, so that consumers follow; nothing is taken out of the history. A second roll-back\n"
        "goes one version further back.",
        examples=(
            "swarm rollback @maps/places:stable --store s3://datasets/prod",
            "swarm rollback @maps/places:stable --to 12 --note 'wrong borders'",
            "swarm rollback @maps/places:latest --to 8f14e45fceea167a",
        ),
        codes=CODES,
        note="The version must still be whole in the store: see swarm log.",
    )
    parser.add_argument("target", metavar="NAME:TAG", help="which tag")
    parser.add_argument(
        "--to",
        metavar="SEQ|DIGEST",
        help="a number of its history, or a digest's first digits, as swarm log shows them",
    )
    add_settings(parser, "rollback", shows=SHOWN)
    return parser


def run(call: Call) -> int:
    """One result."""
    from swarm.protocol.names import parse_reference  # noqa: PLC0415

    target, options = parse_reference(call.options.target), move_options(call)
    config = call.common()

    def move() -> Awaitable[tuple[TagMove, ...]]:
        from cli.running import service  # noqa: PLC0415  # trio, libp2p

        return service().roll_back(config, target, call.options.to, options, call.screen)

    call.run(partial(tell_moves, call, move))
    return ExitCode.DONE
