"""`swarm fetch`: makes a dataset's version present in a directory."""

from __future__ import annotations

from dataclasses import replace

from cli.call import Call
from cli.exit_codes import READING, ExitCode
from cli.exposure import warn_if_unheard
from cli.parser import CommandParser, add_settings, make_parser
from swarm.agent.notices import Receipt
from swarm.config.building import fetch_config
from swarm.config.configs import FetchConfig
from swarm.errors import UsageError


def register() -> CommandParser:
    """The parser of `swarm fetch`."""
    parser = make_parser(
        "swarm fetch",
        "Makes a dataset's version present in DEST: from what is here already, from other machines, and last from the\n"
        "store. Interrupted, it goes on where it was. DEST is the old version or the new one, never half of it.",
        examples=(
            "swarm fetch @maps/places",
            "swarm fetch @maps/places:1.4.0 /srv/places --tracker http://10.0.0.7:4180",
            "swarm fetch @maps/places@8f14e45fceea167a --store s3://datasets/prod --linger 5min",
        ),
        codes=READING,
        note="With --json the last line on stdout is the receipt.",
    )
    parser.add_argument("name", metavar="NAME[:TAG]|NAME@DIGEST", help="without a tag: latest, else the newest release")
    parser.add_argument("dest", nargs="?", metavar="DEST", help="where to; ./<last part of the name> if left out")
    shown = ("store", "tracker", "secret", "listen", "open", "lan", "site")
    add_settings(parser, "fetch", shows=(*shown, "upload-limit", "download-limit", "origin-limit"))
    return parser


def run(call: Call) -> int:
    """Fetches, prints the receipt, and with `--background` starts the process that lingers."""
    options = call.options
    config = fetch_config(call.load(), options.name, options.dest, call.directory)
    if config.background and config.dry_run:
        raise UsageError("--background and --dry-run exclude each other", hint="leave one of them out")
    if config.in_place and config.atomic:
        raise UsageError("--in-place and --atomic exclude each other", hint="leave one of them out")
    if not config.dry_run:
        warn_if_unheard(call, config.common)
    receipt = call.run(lambda: _fetch(config, call))
    if not call.screen.has_receipt and not config.dry_run:
        call.screen.notify(receipt)
    if config.background and not config.dry_run:
        from cli.background import linger_in_background  # noqa: PLC0415  # only for --background

        linger_in_background(config, call)
    return ExitCode.DONE


async def _fetch(config: FetchConfig, call: Call) -> Receipt:
    from cli.running import service  # noqa: PLC0415  # libp2p and all

    # What lingers for others after --background is another process: this one only commits.
    return await service().fetch(replace(config, linger=0.0) if config.background else config, call.screen)
