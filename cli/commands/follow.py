"""`swarm follow`: keeps a channel's newest version present."""

from __future__ import annotations

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.exposure import warn_if_unheard
from cli.open_files import raise_open_files
from cli.parser import CommandParser, add_settings, make_parser
from swarm.config.building import follow_config
from swarm.config.configs import FollowConfig


def register() -> CommandParser:
    """The parser of `swarm follow`."""
    parser = make_parser(
        "swarm follow",
        "Keeps the newest version of a channel (or of a range of releases) present: each in DEST/versions/<digest>,\n"
        "and DEST/current a symlink to the newest, replaced in one step when it is whole and verified. Then --exec\n"
        "runs, and where that fails current goes back. It gives to others what it has, until it is stopped.",
        examples=(
            "swarm follow @maps/places:stable /srv/places --tracker http://10.0.0.7:4180",
            "swarm follow @maps/places:^2.1 /srv/places --store s3://datasets/prod --keep 2",
            "swarm follow @maps/places:stable /srv/places --exec 'systemctl reload places' --exec-timeout 1min",
            "swarm follow @maps/places:stable /srv/places --once",
        ),
        codes=(
            ExitCode.NOT_FOUND,
            ExitCode.UNREACHABLE,
            ExitCode.REFUSED,
            ExitCode.NO_ROOM,
            ExitCode.NOT_VERIFIED,
            ExitCode.HOOK_FAILED,
            ExitCode.INTERRUPTED,
            ExitCode.TERMINATED,
        ),
        note="The hook finds SWARM_NAME, SWARM_TAG, SWARM_SEQ, SWARM_VERSION, SWARM_PREVIOUS (digests), SWARM_DEST,\n"
        "SWARM_CURRENT, SWARM_VERSION_PATH and SWARM_PREVIOUS_PATH in its environment. Without --once, what fails is\n"
        "said and tried again; only another follower at DEST, or a current that is not ours, ends it at the start.",
    )
    parser.add_argument("name", metavar="NAME:CHANNEL", help="a tag, or a range: NAME:^2.1; without one: latest")
    parser.add_argument("dest", metavar="DEST", help="the directory with versions/ and current")
    shown = ("store", "tracker", "secret", "listen", "open", "lan", "site")
    add_settings(parser, "follow", shows=(*shown, "upload-limit", "download-limit", "origin-limit"))
    return parser


def run(call: Call) -> int:
    """Follows until it is stopped, or once."""
    config = follow_config(call.load(), call.options.name, call.options.dest, call.directory)
    warn_if_unheard(call, config.common)
    raise_open_files(call.screen)
    call.run(lambda: _follow(config, call))
    return ExitCode.DONE


async def _follow(config: FollowConfig, call: Call) -> None:
    from cli.running import service  # noqa: PLC0415  # libp2p and all

    await service().follow(config, call.screen)
