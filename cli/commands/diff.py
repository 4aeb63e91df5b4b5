"""`swarm diff`: which files differ between two versions, and how many bytes an update from one to the other moves."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from cli.call import Call
from cli.exit_codes import LOOKING_UP, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import plural, printable
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size

if TYPE_CHECKING:
    from cli.sources import Sources
    from swarm.dataset.difference import Difference
    from swarm.holdings import Holdings
    from swarm.protocol.entries import Entries
    from swarm.protocol.names import Reference
    from swarm.protocol.version import Version

LISTED_MAX = 40
"""Files that a text screen lists; `--all` and `--json` list them all."""

SIGNS = {"added": "+", "removed": "-", "changed": "~", "moved": ">", "touched": "."}


def register() -> CommandParser:
    """The parser of `swarm diff`."""
    parser = make_parser(
        "swarm diff",
        "Shows what changes from version A to version B: files added (+), removed (-), changed (~), moved (>), and\n"
        "those with other modes or times only (.); and how many blocks and bytes move to a machine that has A and\n"
        "updates to B. Nothing is fetched but the two manifests.",
        examples=(
            "swarm diff places:1.3.0 places:1.4.0 --store s3://datasets/prod",
            "swarm diff places:1.3.0 places --all",
            "swarm diff places@8f14e45f places:1.4.0 --json",
        ),
        codes=LOOKING_UP,
    )
    parser.add_argument("old", metavar="A", help="NAME[:TAG] or NAME@DIGEST: the version that one has")
    parser.add_argument(
        "new", metavar="B", help="the same, of the version that one wants; of another name, if you like"
    )
    parser.add_argument("--all", action="store_true", help=f"list every file, not only the first {LISTED_MAX}")
    add_settings(parser, "diff", shows=("store", "tracker", "secret", "lan"))
    return parser


def run(call: Call) -> int:
    """One object, or a page of text."""
    from swarm.config.references import parse_dataset  # noqa: PLC0415

    references = parse_dataset(call.options.old), parse_dataset(call.options.new)
    call.run(partial(_diff, call, call.common(), *references))
    return ExitCode.DONE


async def _diff(call: Call, config: CommonConfig, old: Reference, new: Reference) -> bool:
    from cli.sources import open_sources  # noqa: PLC0415
    from swarm.dataset.difference import compare  # noqa: PLC0415
    from swarm.holdings import open_holdings  # noqa: PLC0415

    async with open_holdings(config.home) as holdings, open_sources(config) as sources:
        left = await _load(call, config, old, sources, holdings)
        right = await _load(call, config, new, sources, holdings)
    found = compare(left, right)
    fields = {"old": _side(old, left), "new": _side(new, right), **_fields(found, left, right)}
    call.screen.result("diff", fields, "\n".join(_lines(fields, None if call.options.all else LISTED_MAX)))
    return True


async def _load(
    call: Call, config: CommonConfig, reference: Reference, sources: Sources, holdings: Holdings
) -> Version:
    from cli.lookup import load_version, look_up  # noqa: PLC0415

    found = await look_up(config, reference, sources, holdings)
    sources.warn_of_silence(call.screen)
    return await load_version(found, sources, holdings)


def _side(reference: Reference, version: Version) -> dict[str, Any]:
    totals = version.root.totals
    return {
        "reference": str(reference),
        "digest": version.id.hex(),
        "files": totals.files,
        "bytes": totals.bytes,
        "average": version.root.cutter.average,
    }


def _fields(found: Difference, old: Version, new: Version) -> dict[str, Any]:
    return {
        "added": [_row(new.entries, number) for number in found.added],
        "removed": [_row(old.entries, number) for number in found.removed],
        "changed": [_pair(old.entries, new.entries, *pair) for pair in found.changed],
        "moved": [{"from": _path(old.entries, left), **_row(new.entries, right)} for left, right in found.moved],
        "touched": [_row(new.entries, number) for _, number in found.touched],
        "directories_added": found.directories_added,
        "directories_removed": found.directories_removed,
        "blocks": found.moving,
        "block_bytes": found.moving_bytes,
        "pages": found.pages,
        "manifest_bytes": found.manifest_bytes,
        "shared_bytes": found.shared_bytes,
        "rebuilt_bytes": found.rebuilt_bytes,
        "share": round(found.share, 6),
    }


def _path(entries: Entries, number: int) -> str:
    return os.fsdecode(entries.path(number))


def _row(entries: Entries, number: int) -> dict[str, Any]:
    return {"path": _path(entries, number), "bytes": entries.sizes[number]}


def _pair(old: Entries, new: Entries, left: int, right: int) -> dict[str, Any]:
    return {**_row(new, right), "bytes_before": old.sizes[left]}


def _lines(fields: dict[str, Any], most: int | None) -> list[str]:
    old, new = fields["old"], fields["new"]
    lines = [
        f"{old['reference']} ({old['digest'][:12]}) → {new['reference']} ({new['digest'][:12]})",
        *_listing(fields, most),
        "  files    " + ", ".join(f"{len(fields[what]):,} {what}" for what in SIGNS),
    ]
    if fields["directories_added"] or fields["directories_removed"]:
        lines.append(
            f"           directories: {fields['directories_added']:,} added, {fields['directories_removed']:,} removed"
        )
    lines.append(
        f"  moves    {plural(fields['blocks'], 'block')}, {show_size(fields['block_bytes'])}"
        f" ({fields['share']:.1%}); manifest {show_size(fields['manifest_bytes'])}"
    )
    lines.append(f"  shared   {show_size(fields['shared_bytes'])} of blocks are in both")
    if fields["rebuilt_bytes"]:
        lines.append(
            f"           {show_size(fields['rebuilt_bytes'])} more are put together from files that are here whole"
        )
    if old["average"] != new["average"]:
        lines.append(
            f"  note     the two were cut otherwise ({show_size(old['average'])} and {show_size(new['average'])} on"
            " average), and such versions share next to nothing"
        )
    return lines


def _listing(fields: dict[str, Any], most: int | None) -> list[str]:
    rows = [(row["path"], sign, row) for what, sign in SIGNS.items() for row in fields[what]]
    rows.sort(key=lambda row: row[:2])
    shown = rows if most is None else rows[:most]
    lines = [f"  {sign} {_words(sign, row)}" for _, sign, row in shown]
    if len(rows) > len(shown):
        lines.append(f"  … and {len(rows) - len(shown):,} more (--all lists them all)")
    return lines


def _words(sign: str, row: dict[str, Any]) -> str:
    path, size = printable(row["path"]), show_size(row["bytes"])
    if sign == SIGNS["moved"]:
        return f"{printable(row['from'])} → {path}  ({size})"
    if sign == SIGNS["changed"]:
        return f"{path}  ({show_size(row['bytes_before'])} → {size})"
    return f"{path}  ({size})"
