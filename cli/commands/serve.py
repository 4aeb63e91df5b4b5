"""`swarm serve`: gives what is held here to others."""

from __future__ import annotations

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.exposure import warn_if_unheard
from cli.open_files import raise_open_files
from cli.parser import CommandParser, add_settings, make_parser
from swarm.config.building import serve_config
from swarm.config.configs import ServeConfig


def register() -> CommandParser:
    """The parser of `swarm serve`."""
    parser = make_parser(
        "swarm serve",
        "Gives what is held on this machine to others until it is stopped: the holdings named by a directory or a\n"
        "dataset's name, tag or range of releases, or all of them. Files that were edited are not served.",
        examples=(
            "swarm serve",
            "swarm serve ./places --tracker http://10.0.0.7:4180",
            "swarm serve @maps/places --linger 1h",
            "swarm serve @maps/places:^2.1",
        ),
        codes=(
            ExitCode.NOT_FOUND,
            ExitCode.UNREACHABLE,
            ExitCode.NO_ROOM,
            ExitCode.NOT_VERIFIED,
            ExitCode.INTERRUPTED,
            ExitCode.TERMINATED,
        ),
    )
    parser.add_argument("what", nargs="*", metavar="DEST|NAME[:TAG]", help="which holdings; all of them if left out")
    shown = ("tracker", "secret", "listen", "open", "lan", "site", "upload-limit")
    add_settings(parser, "serve", shows=shown)
    return parser


def run(call: Call) -> int:
    """Serves until it is stopped, or as long as `--linger` says."""
    config = serve_config(call.load(), call.options.what)
    warn_if_unheard(call, config.common)
    raise_open_files(call.screen)
    call.run(lambda: _serve(config, call))
    return ExitCode.DONE


async def _serve(config: ServeConfig, call: Call) -> None:
    from cli.running import service  # noqa: PLC0415  # libp2p and all

    await service().serve(config, call.screen)
