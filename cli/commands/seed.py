"""`swarm seed`: publishes a directory or what a bucket has, or takes a version from the store, and serves it."""

from __future__ import annotations

from argparse import Namespace

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.exposure import warn_if_unheard
from cli.open_files import raise_open_files
from cli.parser import CommandParser, add_settings, given_settings, make_parser
from swarm.agent.notices import Published
from swarm.config.building import seed_config
from swarm.config.configs import SeedConfig
from swarm.config.settings import BY_NAME
from swarm.errors import UsageError

OF_PUBLISHING = (
    "once", "dry-run", "include", "exclude", "links", "skip-special", "mtime", "block-size", "rechunk", "latest",
    "realm", "single-writer", "note", "label", "force",
)  # fmt: skip
"""Settings that only matter where a PATH is published."""


def register() -> CommandParser:
    """The parser of `swarm seed`."""
    parser = make_parser(
        "swarm seed",
        "Publishes PATH (a directory or a file) under NAME:TAG, signs the tag, and serves the version until it is\n"
        "stopped. With --store the blocks are kept there too; without, PATH itself is the data and nothing is copied.\n"
        "PATH may be s3://bucket/prefix: then what lies below it is read once, nothing is kept on this machine, and\n"
        "--store is needed.\n"
        "Without --tracker it is its own tracker, and ends its start with the line to paste on a consumer.",
        examples=(
            "swarm seed ./places @maps/places:1.4.0",
            "swarm seed ./places @maps/places:1.4.0 --store s3://datasets/prod --once",
            "swarm seed ./places @maps/places -t @maps/places:stable --tracker http://10.0.0.7:4180",
            "swarm seed s3://lake/maps/places @maps/places:1.4.0 --store s3://datasets/prod --once",
            "swarm seed --from-store @maps/places:1.4.0 --store s3://datasets/prod",
        ),
        codes=(
            ExitCode.NOT_FOUND,
            ExitCode.UNREACHABLE,
            ExitCode.REFUSED,
            ExitCode.NO_ROOM,
            ExitCode.CONFLICT,
            ExitCode.SOURCE_CHANGED,
            ExitCode.INTERRUPTED,
            ExitCode.TERMINATED,
        ),
        note="A tag that reads as a release (1.4.0, 1.4.0-rc1, 2026.11.20) never moves again; a full release also\n"
        "moves latest, unless it is older than what latest is. Without a tag: latest.",
    )
    parser.add_argument(
        "path", nargs="?", metavar="PATH", help="what to publish: a directory, a file, s3://bucket/prefix"
    )
    parser.add_argument("name", nargs="?", metavar="NAME[:TAG]", help="the name, [@scope/]part, and the tag")
    parser.add_argument(
        "-t", "--tag", action="append", default=[], metavar="NAME:TAG", help="one more tag for it; may be repeated"
    )
    parser.add_argument(
        "--from-store", metavar="NAME[:TAG]", help="serve what the store has, in place of publishing a PATH"
    )
    shown = ("store", "tracker", "secret", "key", "listen", "open", "lan", "site")
    add_settings(parser, "seed", shows=(*shown, "upload-limit"))
    return parser


def run(call: Call) -> int:
    """Publishes and serves; with `--once` or `--dry-run` it ends after publishing."""
    dataset, path = _words(call)
    config = seed_config(call.load(), dataset, path, call.options.tag, call.directory)
    if not config.once and not config.dry_run:
        warn_if_unheard(call, config.common)
        raise_open_files(call.screen)
    call.run(lambda: _seed(config, call))
    return ExitCode.DONE


async def _seed(config: SeedConfig, call: Call) -> Published | None:
    from cli.running import service  # noqa: PLC0415  # libp2p and all

    return await service().seed(config, call.screen)


def _refuse_publishing(options: Namespace) -> None:
    """What was typed for a publish that will not be: `--dry-run` above all would otherwise begin to serve."""
    given = given_settings(options)
    for name in OF_PUBLISHING:
        if given[name] is not None:
            option = BY_NAME[name].option
            raise UsageError(f"--from-store publishes nothing: {option} has no meaning", hint=f"leave {option} out")


def _words(call: Call) -> tuple[str, str | None]:
    options = call.options
    if options.from_store is not None:
        if options.path is not None:
            raise UsageError("--from-store takes no PATH", hint="swarm seed --from-store NAME[:TAG] --store URL")
        if options.tag:
            raise UsageError("--from-store publishes nothing, so there is nothing to tag", hint="leave -t out")
        _refuse_publishing(options)
        return options.from_store, None
    if options.path is None or options.name is None:
        raise UsageError("PATH and NAME are needed", hint="swarm seed ./places @maps/places:1.0.0")
    return options.name, options.path
