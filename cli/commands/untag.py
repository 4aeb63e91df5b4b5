"""`swarm untag`: makes a tag mean nothing."""

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
    """The parser of `swarm untag`."""
    parser = make_parser(
        "swarm untag",
        "Makes a tag mean nothing from here on. Its history stays, so that swarm rollback can bring it back; versions\n"
        "that no tag holds any more are garbage. Consumers are told that it was removed, and keep what they have.",
        examples=(
            "swarm untag @maps/places:canary --store s3://datasets/prod",
            "swarm untag @maps/places:1.4.1 --force --note 'never should have left the building'",
        ),
        codes=CODES,
        note="A release is removed only with --force.",
    )
    parser.add_argument("target", metavar="NAME:TAG", help="which tag")
    add_settings(parser, "untag", shows=SHOWN)
    return parser


def run(call: Call) -> int:
    """One result."""
    from swarm.protocol.names import parse_reference  # noqa: PLC0415

    target, options = parse_reference(call.options.target), move_options(call)
    config = call.common()

    def move() -> Awaitable[tuple[TagMove, ...]]:
        from cli.running import service  # noqa: PLC0415  # trio, libp2p

        return service().remove_tag(config, target, options, call.screen)

    call.run(partial(tell_moves, call, move))
    return ExitCode.DONE
