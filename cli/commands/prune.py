"""`swarm prune`: removes holdings from this machine until there is room."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import plural, printable
from swarm.config.quantities import parse_size, show_size
from swarm.errors import UsageError

if TYPE_CHECKING:
    from swarm.holdings.pruning import Candidate, Pruned, Unmet


def register() -> CommandParser:
    """The parser of `swarm prune`."""
    parser = make_parser(
        "swarm prune",
        "Removes holdings from this machine, the oldest first, until every target that is given is met; without a\n"
        "target only what interrupted fetches left a week ago, and manifests that nobody needs. Never removed: what\n"
        "is pinned (swarm pin), what was seeded from here, what swarm follow keeps, and directories in which files\n"
        "were edited or added. Each is removed as swarm rm does it.",
        examples=("swarm prune --keep-last 2", "swarm prune --size 200GB --free 20GB --dry-run"),
        codes=(ExitCode.REFUSED, ExitCode.NO_ROOM, ExitCode.INTERRUPTED, ExitCode.TERMINATED),
        note="A target that cannot be met, because of what stays, is exit 6.",
    )
    parser.add_argument("--keep-last", metavar="N", help="only the newest N holdings of each name stay")
    parser.add_argument("--size", metavar="SIZE", help="all that was fetched takes at most this much")
    parser.add_argument("--free", metavar="SIZE", help="so much is free on every file system with such holdings")
    parser.add_argument(
        "--force", action="store_true", help="also where files were edited or added; these files themselves stay"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    add_settings(parser, "prune")
    return parser


def run(call: Call) -> int:
    """Prunes, and says what went, what stayed and why."""
    pruned = call.run(partial(_prune, call))
    call.screen.result("pruned", _fields(call, pruned), "\n".join(_lines(call, pruned)))
    return ExitCode.NO_ROOM if pruned.unmet else ExitCode.DONE


async def _prune(call: Call) -> Pruned:
    from swarm.holdings import open_holdings  # noqa: PLC0415
    from swarm.holdings.pruning import Targets  # noqa: PLC0415

    options = call.options
    targets = Targets(
        keep_last=_count(options.keep_last),
        size_bytes=None if options.size is None else parse_size(options.size),
        free_bytes=None if options.free is None else parse_size(options.free),
        is_forced=options.force,
        is_dry_run=options.dry_run,
    )
    async with open_holdings(call.common().home) as holdings:
        return await holdings.prune(targets)


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"--keep-last {text!r} is no number", hint="for example --keep-last 2")
    return int(text)


def _fields(call: Call, pruned: Pruned) -> dict[str, object]:
    return {
        "removed": [_holding(one) for one in pruned.removed],
        "kept": [{**_holding(one), "reason": why} for one, why in pruned.kept],
        "areas": [os.fsdecode(area) for area in pruned.areas],
        "unmet": [asdict(one) for one in pruned.unmet],
        "is_dry_run": call.options.dry_run,
    }


def _holding(one: Candidate) -> dict[str, object]:
    record = one.record
    return {
        "dataset": record.label,
        "digest": record.version.hex(),
        "dest": os.fsdecode(record.directory),
        "bytes": one.bytes,
    }


def _lines(call: Call, pruned: Pruned) -> list[str]:
    verb = "would remove" if call.options.dry_run else "removed"
    lines = [f"{verb} {_line(one)}" for one in pruned.removed]
    lines += [f"kept {_line(one)}: {why}" for one, why in pruned.kept]
    lines += [f"{verb} {plural(len(pruned.areas), 'stale staging area')}"] if pruned.areas else []
    lines += [f"not met: {_unmet(one)}" for one in pruned.unmet]
    return lines or ["nothing to remove"]


def _unmet(one: Unmet) -> str:
    if one.target == "keep-last":
        return f"{one.actual} of a name stay, more than {one.wanted}"
    if one.target == "size":
        return f"{show_size(one.actual)} stay, more than {show_size(one.wanted)}"
    return f"{show_size(one.actual)} are free at {printable(one.place or '')}, less than {show_size(one.wanted)}"


def _line(one: Candidate) -> str:
    place = printable(os.fsdecode(one.record.directory))
    return f"{printable(one.record.label)} from {place} ({show_size(one.bytes)})"
