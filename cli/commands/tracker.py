"""`swarm tracker`: resolves names, introduces machines to each other, and grants leases."""

from __future__ import annotations

from cli.call import Call
from cli.exit_codes import LOOKING_UP, ExitCode
from cli.exposure import warn_if_unheard
from cli.open_files import raise_open_files
from cli.parser import CommandParser, add_settings, make_parser
from swarm.config.building import tracker_config
from swarm.config.configs import TrackerConfig


def register() -> CommandParser:
    """The parser of `swarm tracker`."""
    parser = make_parser(
        "swarm tracker",
        "Resolves tags, introduces machines to each other, and sees to it that each block leaves the store once. It\n"
        "keeps nothing that cannot be lost: with --store it knows what the store knows, without one what seeders\n"
        "tell it. Answers HTTP on port 4180 (/.well-known/swarm, /healthz) and peers on port 4001.",
        examples=(
            "swarm tracker --store s3://datasets/prod",
            "swarm tracker --store /srv/store --listen 10.0.0.7:4001 --http 10.0.0.7:4180",
            "swarm tracker --store s3://datasets/prod --origin-budget 1/site --sites sites.txt",
        ),
        codes=LOOKING_UP,
    )
    add_settings(parser, "tracker", shows=("store", "secret", "listen", "open"))
    return parser


def run(call: Call) -> int:
    """Runs until it is stopped."""
    config = tracker_config(call.load())
    warn_if_unheard(call, config.common)
    raise_open_files(call.screen)
    call.run(lambda: _run(config, call))
    return ExitCode.DONE


async def _run(config: TrackerConfig, call: Call) -> None:
    from cli.running import service  # noqa: PLC0415  # libp2p and all

    await service().run_tracker(config, call.screen)
