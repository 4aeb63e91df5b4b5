"""`swarm ls`: what is held here; with a name, its tags, from everybody who can be asked."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import plural, printable, said_by
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size
from swarm.errors import NotFoundError, SwarmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from swarm.agent.trust import Answer, Decision
    from swarm.holdings import HoldingRecord, Holdings
    from swarm.protocol.ids import VersionId


def register() -> CommandParser:
    """The parser of `swarm ls`."""
    parser = make_parser(
        "swarm ls",
        "Lists what is held on this machine. With NAME: the tags of that dataset, as tracker, store, neighbours and\n"
        "this machine's own records know them, and which of them are held here.",
        examples=("swarm ls", "swarm ls @maps/places", "swarm ls @maps/places --store s3://datasets/prod --json"),
        codes=(
            ExitCode.NOT_FOUND,
            ExitCode.UNREACHABLE,
            ExitCode.REFUSED,
            ExitCode.NO_ROOM,
            ExitCode.INTERRUPTED,
            ExitCode.TERMINATED,
        ),
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a dataset, [@scope/]part")
    add_settings(parser, "ls", shows=("store", "tracker", "secret", "lan"))
    return parser


def run(call: Call) -> int:
    """Holdings, or tags."""
    name = call.options.name
    if name is None:
        call.run(partial(_list_holdings, call, call.common()))
    else:
        from swarm.protocol.names import check_name  # noqa: PLC0415

        call.run(partial(_list_tags, call, call.common(), check_name(name)))
    return ExitCode.DONE


# --- holdings -----------------------------------------------------------------------------------


async def _list_holdings(call: Call, config: CommonConfig) -> bool:
    from swarm.holdings import open_holdings  # noqa: PLC0415

    async with open_holdings(config.home) as holdings:
        records = await holdings.records()
        for record in records:
            await _tell_holding(call, holdings, record)
    if not records:
        call.screen.say("nothing is held here yet: swarm fetch NAME, or swarm seed PATH NAME")
    return True


async def _tell_holding(call: Call, holdings: Holdings, record: HoldingRecord) -> None:
    from swarm.holdings import HoldingKind  # noqa: PLC0415
    from swarm.protocol.manifest import decode_root  # noqa: PLC0415

    root = await holdings.root(record.version)
    totals = decode_root(root).totals if root is not None else None
    dest = os.fsdecode(record.directory)
    kind = "seeded" if record.kind is HoldingKind.SOURCE else "fetched"
    fields = {
        "dataset": record.label,
        "digest": record.version.hex(),
        "dest": dest,
        "kind": kind,
        "is_partial": record.is_partial,
        "time": record.time,
        "files": totals.files if totals else None,
        "bytes": totals.bytes if totals else None,
    }
    size = f"{plural(totals.files, 'file')}, {show_size(totals.bytes)}" if totals else "size unknown"
    part = ", in part" if record.is_partial else ""
    text = f"{printable(record.label)}  {record.version.hex()[:16]}  {size}  {printable(dest)}  ({kind}{part})"
    call.screen.result("holding", fields, text)


# --- tags ---------------------------------------------------------------------------------------


async def _list_tags(call: Call, config: CommonConfig, name: str) -> bool:
    from cli.lookup import decide_tag  # noqa: PLC0415
    from cli.sources import open_sources  # noqa: PLC0415
    from swarm.holdings import open_holdings  # noqa: PLC0415

    async with open_holdings(config.home) as holdings, open_sources(config) as sources:
        answers = await sources.resolver.ask(name, None, every_tag=True)
        sources.warn_of_silence(call.screen)
        held = {record.version: os.fsdecode(record.directory) for record in await holdings.records()}
        for tag, said in _by_tag(answers, name):
            try:
                decision = decide_tag(config, sources, name, tag, said)
            except SwarmError as error:
                fields = {"name": name, "tag": tag, "refused": error.message}
                call.screen.result("tag", fields, f"{name}:{tag}  {printable(error.message)}")
            else:
                call.screen.result("tag", _fields(decision, held), _line(decision, held))
    return True


def _by_tag(answers: list[Answer], name: str) -> Iterator[tuple[str, list[Answer]]]:
    """Each tag with what was said of it: to judge all records anew for each of a thousand tags would take minutes."""
    groups = [(answer, _group(answer, name)) for answer in answers]
    tags = sorted({tag for _, group in groups for tag in group})
    if not tags:
        near = dict.fromkeys(one for answer in answers for one in answer.near)
        hint = f"did you mean {' or '.join(near)}?" if near else "swarm ls lists what is held here"
        raise NotFoundError(f"nobody that answers knows {name}", hint=hint)
    for tag in tags:
        # Who does not know the tag still says, with any other record, who may sign the name.
        yield tag, [replace(answer, tag_records=group.get(tag, answer.tag_records[:1])) for answer, group in groups]


def _group(answer: Answer, name: str) -> dict[str, tuple[bytes, ...]]:
    from swarm.protocol.records import decode_tag_record  # noqa: PLC0415

    found: dict[str, tuple[bytes, ...]] = {}
    for data in answer.tag_records:
        try:
            record = decode_tag_record(data)
        except SwarmError:
            continue  # what is no record says nothing
        if record.name == name:
            found[record.tag] = (*found.get(record.tag, ()), data)
    return found


def _fields(decision: Decision, held: Mapping[VersionId, str]) -> dict[str, object]:
    from swarm.protocol.keys import fingerprint  # noqa: PLC0415

    record = decision.record
    return {
        "name": record.name,
        "tag": record.tag,
        "digest": record.root.hex() if record.root else None,
        "time": record.time,
        "epoch": record.epoch,
        "seq": record.seq,
        "immutable": record.immutable,
        "publisher": fingerprint(record.key),
        "source": decision.source,
        "dest": held.get(record.root) if record.root else None,
    }


def _line(decision: Decision, held: Mapping[VersionId, str]) -> str:
    record = decision.record
    root = record.root.hex()[:16] if record.root else "removed"
    here = f"  held at {printable(held[record.root])}" if record.root in held and record.root is not None else ""
    return f"{record.name}:{record.tag}  {root}  {when(record.time)}  ({said_by(decision.source)}){here}"


def when(time_ms: int) -> str:
    """A record's time for people, in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
