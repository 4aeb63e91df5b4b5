"""`swarm tags`: every tag of a name, from everybody who can be asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from cli.call import Call
from cli.commands.tag import record_fields
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import plural, printable, said_by, when
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size
from swarm.errors import NotFoundError, SwarmError

if TYPE_CHECKING:
    from cli.sources import Sources
    from swarm.agent.trust import Answer, Decision
    from swarm.holdings import Holdings
    from swarm.protocol.ids import VersionId
    from swarm.protocol.manifest import Totals
    from swarm.protocol.names import Reference

ROOTS_AT_ONCE = 8
SIZES_S = 10.0
"""Roots of that many tags are looked for at once, and for so long in all: what is not found by then has no size."""

SHOWN_MAX = 16
"""Tags that an error names."""

CODES = (
    ExitCode.NOT_FOUND,
    ExitCode.UNREACHABLE,
    ExitCode.REFUSED,
    ExitCode.NO_ROOM,
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
)


def register() -> CommandParser:
    """The parser of `swarm tags`."""
    parser = make_parser(
        "swarm tags",
        "Lists the tags of a dataset, or the releases in a range, as tracker, store, neighbours and this machine's\n"
        "own records know them: digest, time, release (which stays) or channel (which moves), size, labels, and where\n"
        "it is held here. Channels first, then releases, the greatest first. Nothing is pinned by looking.",
        examples=("swarm tags @maps/places", "swarm tags @maps/places:1.x --store s3://datasets/prod --json"),
        codes=CODES,
        note="swarm log NAME:TAG has the history of one of them.",
    )
    parser.add_argument("name", metavar="NAME[:RANGE]", help="a dataset; with a range only the releases in it")
    add_settings(parser, "tags", shows=("store", "tracker", "secret", "lan"))
    return parser


def run(call: Call) -> int:
    """One result a tag."""
    list_tags(call, call.options.name)
    return ExitCode.DONE


def list_tags(call: Call, text: str) -> None:
    """Also what `swarm ls NAME` does. Raises UsageError where `text` is neither a name nor a range of one."""
    from swarm.config.references import parse_dataset  # noqa: PLC0415

    call.run(partial(_list, call, call.common(), parse_dataset(text)))


@dataclass(frozen=True, slots=True)
class _Row:
    """`decision` None: `reason` says why, and whether that is because the tag was removed."""

    tag: str
    decision: Decision | None
    reason: str = ""
    is_removed: bool = False
    width: int = 0
    """Of the column of tags, in characters."""


async def _list(call: Call, config: CommonConfig, wanted: Reference) -> bool:
    from cli.sources import open_sources  # noqa: PLC0415
    from swarm.holdings import open_holdings  # noqa: PLC0415

    async with open_holdings(config.home) as holdings, open_sources(config) as sources:
        answers = await sources.resolver.ask(wanted.name, None, every_tag=True)
        sources.warn_of_silence(call.screen)
        held = {record.version: os.fsdecode(record.directory) for record in await holdings.records()}
        rows = [_judged(config, sources, wanted, tag, said) for tag, said in _by_tag(answers, wanted)]
        totals = await _totals(rows, sources, holdings)
    width = max(len(row.tag) for row in rows)
    for row in rows:
        _tell(call, replace(row, width=width), totals, held, wanted.name)
    return True


def _by_tag(answers: list[Answer], wanted: Reference) -> Iterator[tuple[str, list[Answer]]]:
    """Each tag with what was said of it: to judge all records anew for each of a thousand tags would take minutes."""
    name = wanted.name
    groups = [(answer, _group(answer, name)) for answer in answers]
    known = {tag for _, group in groups for tag in group}
    if not known:
        near = dict.fromkeys(one for answer in answers for one in answer.near)
        hint = f"did you mean {' or '.join(near)}?" if near else "swarm ls lists what is held here"
        raise NotFoundError(f"nobody that answers knows {name}", hint=hint)
    tags = _chosen(known, wanted)
    if not tags:
        more = f" and {len(known) - SHOWN_MAX} more" if len(known) > SHOWN_MAX else ""
        hint = f"there are: {', '.join(sorted(known)[:SHOWN_MAX])}{more}"
        raise NotFoundError(f"'{name}' has no tag in {wanted.tag}", hint=hint)
    for tag in tags:
        # Who does not know the tag still says, with any other record, who may sign the name.
        yield tag, [replace(answer, tag_records=group.get(tag, answer.tag_records[:1])) for answer, group in groups]


def _chosen(known: Iterable[str], wanted: Reference) -> list[str]:
    """Channels by name, then calendar releases and releases, the greatest first."""
    from swarm.protocol.names import is_query  # noqa: PLC0415
    from swarm.protocol.ranges import ranked  # noqa: PLC0415
    from swarm.protocol.tags import parse_release  # noqa: PLC0415

    if wanted.tag is not None:
        return ranked(wanted.tag, known) if is_query(wanted.tag) else [tag for tag in known if tag == wanted.tag]
    releases = [(release, tag) for tag in known if (release := parse_release(tag)) is not None]
    releases.sort(key=lambda pair: (pair[0].scheme, pair[0].order, pair[1]), reverse=True)
    return [*sorted(set(known) - {tag for _, tag in releases}), *(tag for _, tag in releases)]


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


def _judged(config: CommonConfig, sources: Sources, wanted: Reference, tag: str, said: list[Answer]) -> _Row:
    from cli.lookup import decide_tag  # noqa: PLC0415
    from swarm.protocol.records import decode_tag_record  # noqa: PLC0415

    try:
        return _Row(tag, decide_tag(config, sources, wanted.name, tag, said))
    except NotFoundError as error:
        records = [decode_tag_record(data) for one in said for data in one.tag_records]
        is_tombstone = any(record.tag == tag and record.root is None for record in records)
        return _Row(tag, None, error.message, is_removed=is_tombstone)
    except SwarmError as error:
        return _Row(tag, None, error.message)


async def _totals(rows: list[_Row], sources: Sources, holdings: Holdings) -> dict[VersionId, Totals]:
    """How much each version is, as far as its root can be had in time."""
    import trio  # noqa: PLC0415

    from swarm.protocol.manifest import decode_root  # noqa: PLC0415

    found: dict[VersionId, Totals] = {}
    limiter = trio.CapacityLimiter(ROOTS_AT_ONCE)

    async def look(version: VersionId, said: bytes | None) -> None:
        async with limiter:
            try:
                root = await holdings.root(version) or said or await _root(version, sources)
                found[version] = decode_root(root).totals
            except SwarmError:
                return  # a size is worth no failure

    with trio.move_on_after(SIZES_S):
        async with trio.open_nursery() as nursery:
            for row in {row.decision.record.root: row for row in rows if row.decision is not None}.values():
                assert row.decision is not None
                if row.decision.record.root is not None:
                    nursery.start_soon(look, row.decision.record.root, row.decision.root)
    return found


async def _root(version: VersionId, sources: Sources) -> bytes:
    """The store's, without asking anybody else where there is one: a missing one would be waited for by each."""
    return await (sources.store.get_root(version) if sources.store is not None else sources.resolver.find_root(version))


def _tell(call: Call, row: _Row, totals: Mapping[VersionId, Totals], held: Mapping[VersionId, str], name: str) -> None:
    label = f"{name}:{row.tag:<{row.width}}"
    if row.decision is None:
        word = "removed" if row.is_removed else printable(row.reason)
        reason = {"digest": None} if row.is_removed else {"refused": row.reason}
        call.screen.result("tag", {"name": name, "tag": row.tag, **reason}, f"{label}  {word}")
        return
    record = row.decision.record
    total = totals.get(record.root) if record.root is not None else None
    dest = held.get(record.root) if record.root is not None else None
    fields: dict[str, Any] = {
        **record_fields(record),
        "files": None if total is None else total.files,
        "bytes": None if total is None else total.bytes,
        "source": row.decision.source,
        "dest": dest,
    }
    digest = record.root.hex()[:16] if record.root is not None else ""
    size = "size unknown" if total is None else f"{plural(total.files, 'file')}, {show_size(total.bytes)}"
    parts = [label, digest, when(record.time), "release" if record.immutable else "channel", size]
    parts += [f"{printable(key)}={printable(value)}" for key, value in record.labels]
    parts += [f"held at {printable(dest)}"] if dest is not None else []
    call.screen.result("tag", fields, "  ".join([*parts, f"({said_by(row.decision.source)})"]))
