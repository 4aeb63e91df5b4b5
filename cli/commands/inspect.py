"""`swarm inspect`: what a version is made of, what its tag says, and who may sign it."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from cli.call import Call
from cli.exit_codes import LOOKING_UP, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import percent, plural, printable, said_by, when
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size
from swarm.errors import NotFoundError, StoreError

if TYPE_CHECKING:
    from cli.lookup import Found
    from swarm.agent.trust import Decision, Pinned
    from swarm.protocol.version import Version

TOP_MAX = 20
"""Entries of the top that a text screen lists; --json lists them all."""


def register() -> CommandParser:
    """The parser of `swarm inspect`."""
    parser = make_parser(
        "swarm inspect",
        "Shows a version: its digest, totals, how it is cut, what lies at its top; its tag's record and who signed\n"
        "it; the keys that may sign the name, and what is pinned. Nothing is fetched but the manifest.",
        examples=(
            "swarm inspect @maps/places:1.4.0 --store s3://datasets/prod",
            "swarm inspect @maps/places --json",
            "swarm inspect @maps/places@8f14e45fceea167a",
        ),
        codes=LOOKING_UP,
    )
    parser.add_argument("name", metavar="NAME[:TAG]|NAME@DIGEST", help="without a tag: latest, else the newest release")
    add_settings(parser, "inspect", shows=("store", "tracker", "secret", "lan"))
    return parser


def run(call: Call) -> int:
    """One object, or a page of text."""
    from swarm.config.references import parse_dataset  # noqa: PLC0415

    parse_dataset(call.options.name)
    call.run(partial(_inspect, call, call.common()))
    return ExitCode.DONE


async def _inspect(call: Call, config: CommonConfig) -> bool:
    from cli.lookup import load_version, look_up, pinned  # noqa: PLC0415
    from cli.sources import open_sources  # noqa: PLC0415
    from swarm.config.references import parse_dataset  # noqa: PLC0415
    from swarm.holdings import open_holdings  # noqa: PLC0415

    reference = parse_dataset(call.options.name)
    async with open_holdings(config.home) as holdings, open_sources(config) as sources:
        found = await look_up(config, reference, sources, holdings)
        sources.warn_of_silence(call.screen)
        version, reason = None, ""
        try:
            version = await load_version(found, sources, holdings)
        except (NotFoundError, StoreError) as error:
            reason = error.message
        held = [one for one in await holdings.records() if one.version == found.version]
    fields = {"name": reference.name, **_root_fields(found), "held_at": [os.fsdecode(one.directory) for one in held]}
    if found.decision is not None:
        fields |= {"record": _record_fields(found.decision), "keys": list(found.decision.chain.fingerprints)}
    pin = pinned(config, reference.name)
    fields |= {"pinned": _pin_fields(pin), "top": None if version is None else _top(version)}
    call.screen.result("version", fields, "\n".join(_lines(fields)))
    if version is None:
        call.screen.say(f"what lies at its top is not shown: {reason}")
    return True


def _root_fields(found: Found) -> dict[str, Any]:
    from swarm.protocol.manifest import decode_root  # noqa: PLC0415

    root = decode_root(found.root_bytes)
    totals, cutter = root.totals, root.cutter
    return {
        "digest": found.version.hex(),
        "content": root.content.hex(),
        "files": totals.files,
        "directories": totals.directories,
        "symlinks": totals.symlinks,
        "bytes": totals.bytes,
        "blocks": totals.blocks,
        "block_bytes": totals.block_bytes,
        "repetition": round(totals.bytes / totals.block_bytes, 4) if totals.block_bytes else 1.0,
        "pages": len(root.tree) + len(root.blocks),
        "manifest_bytes": len(found.root_bytes) + sum(ref.length for ref in (*root.tree, *root.blocks)),
        "cutter": {
            "algorithm": cutter.algorithm,
            "average": cutter.average,
            "minimum": cutter.minimum,
            "maximum": cutter.maximum,
        },
    }


def _record_fields(decision: Decision) -> dict[str, Any]:
    from swarm.protocol.keys import fingerprint  # noqa: PLC0415

    record = decision.record
    return {
        "tag": record.tag,
        "epoch": record.epoch,
        "seq": record.seq,
        "time": record.time,
        "immutable": record.immutable,
        "not_before": record.not_before,
        "expires": record.expires,
        "notes": record.notes,
        "labels": dict(record.labels),
        "publisher": fingerprint(record.key),
        "realm": record.realm.hex(),
        "source": decision.source,
    }


def _pin_fields(pin: Pinned | None) -> dict[str, Any] | None:
    from swarm.protocol.keys import fingerprint  # noqa: PLC0415

    return None if pin is None else {"publisher": fingerprint(pin.key), "realm": pin.realm.hex() if pin.realm else None}


def _top(version: Version) -> list[dict[str, Any]]:
    """The first path parts, with what lies below each."""
    from swarm.protocol.pages import Kind  # noqa: PLC0415

    found: dict[bytes, dict[str, Any]] = {}
    for entry in version.entries:
        first, slash, _ = entry.path.partition(b"/")
        row = found.setdefault(first, {"path": os.fsdecode(first), "kind": "", "files": 0, "bytes": 0})
        if not slash:
            row["kind"] = entry.kind.name.lower()
        row["files"] += entry.kind is Kind.FILE
        row["bytes"] += entry.size
    return list(found.values())


def _lines(fields: dict[str, Any]) -> list[str]:
    cutter, record = fields["cutter"], fields.get("record")
    shown = f"{fields['name']}:{record['tag']}" if record else fields["name"]
    lines = [
        shown,
        f"  version  {fields['digest']}",
        f"  holds    {plural(fields['files'], 'file')}, {plural(fields['directories'], 'directory')}, "
        f"{plural(fields['symlinks'], 'symlink')}; {show_size(fields['bytes'])} ({fields['bytes']:,} bytes)",
        f"  blocks   {fields['blocks']:,}, {show_size(fields['block_bytes'])}{_repeats(fields)}; cut by "
        f"{printable(cutter['algorithm'])}, {show_size(cutter['average'])} on average; manifest "
        f"{show_size(fields['manifest_bytes'])} ({percent(fields['manifest_bytes'], fields['bytes'])})",
        f"  content  {fields['content']}",
    ]
    if record:
        lines += _record_lines(record, fields["keys"])
    pin = fields["pinned"]
    lines.append(f"  pinned   {pin['publisher']}" if pin else "  pinned   nobody yet: the first fetch will pin the key")
    lines += [f"  held at  {printable(dest)}" for dest in fields["held_at"]]
    return lines + _top_lines(fields["top"])


def _repeats(fields: dict[str, Any]) -> str:
    """What repeats within the version is stored, and moved, once."""
    saved = fields["bytes"] - fields["block_bytes"]
    return f" ({show_size(saved)} less than the files, by repetition)" if saved else ""


def _record_lines(record: dict[str, Any], keys: list[str]) -> list[str]:
    state = "immutable" if record["immutable"] else "may move"
    lines = [
        f"  record   #{record['seq']} of {when(record['time'])}, {state}, {said_by(record['source'])}",
        f"  signed   {record['publisher']}",
        f"  realm    {record['realm']}",
        *(f"  may sign {key}" for key in keys),
    ]
    lines += [f"  expires  {when(record['expires'])}"] if record["expires"] else []
    lines += [f"  label    {printable(key)}={printable(value)}" for key, value in record["labels"].items()]
    return lines + [f"  note     {printable(line)}" for line in record["notes"].splitlines()]


def _top_lines(top: list[dict[str, Any]] | None) -> list[str]:
    lines = []
    for row in (top or [])[:TOP_MAX]:
        below = f"{plural(row['files'], 'file')}, " if row["kind"] == "directory" else ""
        slash = "/" if row["kind"] == "directory" else ""
        lines.append(f"  {row['kind']:<9}  {printable(row['path'])}{slash}  ({below}{show_size(row['bytes'])})")
    if top and len(top) > TOP_MAX:
        lines.append(f"  … and {len(top) - TOP_MAX:,} more (--json lists them all)")
    return lines
