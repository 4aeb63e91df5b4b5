"""`swarm ls`: what is held here; with a name, its tags, as `swarm tags` lists them."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from cli.call import Call
from cli.exit_codes import LOOKING_UP, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import plural, printable
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size

if TYPE_CHECKING:
    from swarm.holdings import HoldingRecord, Holdings


def register() -> CommandParser:
    """The parser of `swarm ls`."""
    parser = make_parser(
        "swarm ls",
        "Lists what is held on this machine. With NAME: the tags of that dataset, which is swarm tags NAME.",
        examples=("swarm ls", "swarm ls @maps/places", "swarm ls @maps/places --store s3://datasets/prod --json"),
        codes=LOOKING_UP,
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME[:RANGE]", help="a dataset, [@scope/]part, or a range of its releases"
    )
    add_settings(parser, "ls", shows=("store", "tracker", "secret", "lan"))
    return parser


def run(call: Call) -> int:
    """Holdings; with a name what `swarm tags` lists."""
    name = call.options.name
    if name is None:
        call.run(partial(_list_holdings, call, call.common()))
    else:
        from cli.commands.tags import list_tags  # noqa: PLC0415

        list_tags(call, name)
    return ExitCode.DONE


async def _list_holdings(call: Call, config: CommonConfig) -> bool:
    from swarm.holdings import open_holdings  # noqa: PLC0415
    from swarm.holdings.pins import Pins, pinned_by  # noqa: PLC0415

    async with open_holdings(config.home) as holdings:
        records = await holdings.records()
        pins = Pins(config.home).all()
        for record in records:
            await _tell_holding(call, holdings, record, is_pinned=pinned_by(pins, record) is not None)
    if not records:
        call.screen.say("nothing is held here yet: swarm fetch NAME, or swarm seed PATH NAME")
    return True


async def _tell_holding(call: Call, holdings: Holdings, record: HoldingRecord, *, is_pinned: bool) -> None:
    from swarm.holdings import HoldingKind  # noqa: PLC0415
    from swarm.protocol.manifest import decode_root  # noqa: PLC0415

    root = await holdings.root(record.version)
    totals = decode_root(root).totals if root is not None else None
    dest = os.fsdecode(record.directory)
    names = {HoldingKind.SOURCE: "seeded", HoldingKind.FETCHED: "fetched", HoldingKind.INCOMING: "arriving in place"}
    kind = names[record.kind]
    fields = {
        "dataset": record.label,
        "digest": record.version.hex(),
        "dest": dest,
        "kind": kind,
        "is_partial": record.is_partial,
        "is_pinned": is_pinned,
        "time": record.time,
        "files": totals.files if totals else None,
        "bytes": totals.bytes if totals else None,
    }
    size = f"{plural(totals.files, 'file')}, {show_size(totals.bytes)}" if totals else "size unknown"
    part = (", in part" if record.is_partial else "") + (", pinned" if is_pinned else "")
    name = record.label.removesuffix(f"@{record.version.hex()}")  # the digest follows anyway
    text = f"{printable(name)}  {record.version.hex()[:16]}  {size}  {printable(dest)}  ({kind}{part})"
    call.screen.result("holding", fields, text)
