"""`swarm verify`: compares a directory with the version that it should hold."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import plural, printable
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size

if TYPE_CHECKING:
    from swarm.holdings import Holdings
    from swarm.holdings.report import Report

SHOWN_MAX = 1000
"""Lines of one kind on a text screen; --json prints them all."""


_IN_WORDS = {"pending": "not updated yet", "mode": "with other permissions", "extra": "added"}


def register() -> CommandParser:
    """The parser of `swarm verify`."""
    parser = make_parser(
        "swarm verify",
        "Reads every file of a holding, hashes it, and lists what was edited, is missing, or is there in addition.\n"
        "What is right is served to others from then on, what is not is not. swarm fetch --repair restores files.",
        examples=("swarm verify ./places", "swarm verify /srv/places --json", "swarm verify @maps/places:^2.1"),
        codes=(
            ExitCode.NOT_FOUND,
            ExitCode.REFUSED,
            ExitCode.NO_ROOM,
            ExitCode.NOT_VERIFIED,
            ExitCode.INTERRUPTED,
            ExitCode.TERMINATED,
        ),
        note="Files that were added, and other permissions, are listed and are no failure.",
    )
    help_text = "the directory of a holding, see swarm ls; or what it was fetched as, which may be a range"
    parser.add_argument("what", metavar="DEST|NAME[:TAG]", help=help_text)
    add_settings(parser, "verify")
    return parser


def run(call: Call) -> int:
    """Lists differences; exit 7 where bytes are not what they should be."""
    return call.run(partial(_verify, call, call.common()))


async def _verify(call: Call, config: CommonConfig) -> int:
    from swarm.agent.notices import Phase, Progress  # noqa: PLC0415
    from swarm.holdings import open_holdings  # noqa: PLC0415

    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        call.screen.notify(Progress(Phase.VERIFY, done))

    async with open_holdings(config.home) as holdings:
        dests = await _dests(call, holdings)
        codes = [_told(call, dest, await holdings.verify(dest, tell)) for dest in dests]
    return max(codes)


async def _dests(call: Call, holdings: Holdings) -> list[Path]:
    """The directory that was named, or those of the holdings that a name means. Raises NotFoundError, UsageError."""
    from swarm.agent.held_names import held_as  # noqa: PLC0415
    from swarm.holdings.oserror import real  # noqa: PLC0415

    word = call.options.what
    dest = call.path(word)
    if await holdings.find(dest) is not None or word.startswith(("/", ".", "~")):
        return [dest]
    found = held_as(word, real(dest), await holdings.records())
    return [Path(os.fsdecode(record.directory)) for record in found]


def _told(call: Call, dest: Path, report: Report) -> ExitCode:
    kinds = {
        "pending": report.pending,
        "edited": report.edited,
        "missing": report.missing,
        "unreadable": report.unreadable,
        "mode": report.modes,
        "extra": report.extra,
    }
    for kind, paths in kinds.items():
        _list(call, dest, kind, paths)
    counts = {kind: len(paths) for kind, paths in kinds.items()}
    summary = f"{plural(report.intact, 'entry')} right, {show_size(report.bytes_intact)}"
    summary += "".join(f", {count:,} {_IN_WORDS.get(kind, kind)}" for kind, count in counts.items() if count)
    fields = {
        "dataset": report.record.label,
        "digest": report.record.version.hex(),
        "dest": os.fsdecode(report.record.directory),
        "intact": report.intact,
        "bytes": report.bytes_intact,
        **counts,
        "is_whole": report.is_whole,
    }
    call.screen.result("verified", fields, f"{printable(report.record.label)}: {summary}")
    if report.is_whole:
        return ExitCode.DONE
    if report.pending:
        call.screen.say(
            f"an update in place is unfinished; to end it: swarm fetch {report.record.label} {dest} --in-place"
        )
        if not (report.edited or report.missing or report.unreadable):
            return ExitCode.NOT_VERIFIED
    call.screen.say(f"to restore: swarm fetch {report.record.label} {dest} --repair")
    return ExitCode.NOT_VERIFIED


def _list(call: Call, dest: Path, kind: str, paths: tuple[bytes, ...]) -> None:
    for number, path in enumerate(paths):
        name = os.fsdecode(path)
        text = f"{kind:<10}  {printable(name)}" if number < SHOWN_MAX else ""
        call.screen.result("difference", {"kind": kind, "path": name, "dest": str(dest)}, text)
    if len(paths) > SHOWN_MAX:
        call.screen.say(f"… and {len(paths) - SHOWN_MAX} more that are {kind}; --json lists them all")
