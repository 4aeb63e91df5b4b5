"""`swarm rm`: removes a holding from this machine."""

from __future__ import annotations

import os
from functools import partial

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import plural, printable
from swarm.config.configs import CommonConfig

SHOWN_MAX = 20
"""Of the files that stay; --json prints them all."""


def register() -> CommandParser:
    """The parser of `swarm rm`."""
    parser = make_parser(
        "swarm rm",
        "Removes a holding: the files that swarm fetched to DEST, what was staged for it, and its place in the index.\n"
        "Files that were edited or added stay. Of a directory that was seeded nothing is removed: it is only\n"
        "served no longer. The store and other machines are not touched.",
        examples=("swarm rm ./places", "swarm rm /srv/places --json"),
        codes=(ExitCode.NOT_FOUND, ExitCode.REFUSED, ExitCode.NO_ROOM, ExitCode.INTERRUPTED, ExitCode.TERMINATED),
    )
    parser.add_argument("dest", metavar="DEST", help="the directory of a holding, see swarm ls")
    add_settings(parser, "rm")
    return parser


def run(call: Call) -> int:
    """Removes it, and lists what stays."""
    call.run(partial(_remove, call, call.common()))
    return ExitCode.DONE


async def _remove(call: Call, config: CommonConfig) -> bool:
    from swarm.holdings import open_holdings  # noqa: PLC0415

    dest = call.path(call.options.dest)
    async with open_holdings(config.home) as holdings:
        removed = await holdings.remove(dest)
    kept = [os.fsdecode(path) for path in removed.kept]
    labels = ", ".join(printable(label) for label in removed.labels) or "what was staged"
    lines = [f"removed {labels} from {printable(str(dest))}"]
    if kept:
        lines.append(f"{plural(len(kept), 'path')} stay, edited or added since:")
        lines += [f"  {printable(path)}" for path in kept[:SHOWN_MAX]]
        lines += [f"  … and {len(kept) - SHOWN_MAX} more"] if len(kept) > SHOWN_MAX else []
    fields = {"dest": str(dest), "datasets": list(removed.labels), "kept": kept}
    call.screen.result("removed", fields, "\n".join(lines))
    return True
