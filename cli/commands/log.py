"""`swarm log`: what a tag meant, when, by whose key, and what each step cost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cli.call import Call
from cli.commands.tag import mark_lines, record_fields
from cli.exit_codes import READING, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import plural, when
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size
from swarm.errors import UsageError

if TYPE_CHECKING:
    from swarm.protocol.names import Reference
    from swarm.seeder.chronicle import LogEntry

LIMIT = 20
"""Records shown where nobody says how many: each costs a look at two versions."""

_WORDS = {"moved": "", "back": "a version of before", "same": "the same version", "removed": "removed",
          "forced": "a release, moved by force"}  # fmt: skip


def register() -> CommandParser:
    """The parser of `swarm log`."""
    parser = make_parser(
        "swarm log",
        "The history of a tag, newest first: number, time, digest, size, what was new beside the version before, note\n"
        "and labels, and the key that signed. Read from the store, or from what swarm seed keeps on this machine.",
        examples=(
            "swarm log @maps/places:stable --store s3://datasets/prod",
            "swarm log @maps/places:1.x --limit 100 --json",
        ),
        codes=READING,
        note="A history that is older than what this machine has seen is shown, and refused (exit 5).",
    )
    parser.add_argument("target", metavar="NAME[:TAG]", help="which tag; latest if left out")
    parser.add_argument("--limit", type=int, default=LIMIT, metavar="N", help=f"how many records, {LIMIT} by default")
    add_settings(parser, "log", shows=("store", "tracker"))
    return parser


def run(call: Call) -> int:
    """One result a record."""
    from swarm.config.references import parse_dataset  # noqa: PLC0415

    target = parse_dataset(call.options.target)
    if target.version is not None or target.digest_prefix is not None:
        raise UsageError(f"{target} is a version, and only tags have a history", hint=f"swarm log {target.name}:TAG")
    if call.options.limit < 1:
        raise UsageError("--limit is a number of records", hint=f"leave it out to see {LIMIT}")
    call.run(partial(_log, call, call.common(), target))
    return ExitCode.DONE


async def _log(call: Call, config: CommonConfig, target: Reference) -> bool:
    from swarm.protocol.names import LATEST, is_query  # noqa: PLC0415
    from swarm.seeder.chronicle import chronicle  # noqa: PLC0415
    from swarm.seeder.moving import read_history  # noqa: PLC0415
    from swarm.service.producing import check_standing, decide_here, open_records  # noqa: PLC0415

    async with open_records(config) as records:
        tag = target.tag or LATEST
        if is_query(tag):
            tag = (await decide_here(records, config, target.name, tag)).record.tag
            call.screen.say(f"{target} means {target.name}:{tag}")
        history = await read_history(records, target.name, tag)
        standing, refusal = await check_standing(records, config, target.name, tag)
        assert standing.names[0].chain is not None
        async for entry in chronicle(records, standing.names[0].chain, history, call.options.limit):
            call.screen.result("record", _fields(entry), "\n".join(_lines(entry)))
    more = len(history) - call.options.limit
    if more > 0:
        call.screen.say(f"… and {more:,} before these; --limit shows more")
    elif history[0].seq:
        call.screen.say(
            f"the records before #{history[0].seq} are not here; the store that this came from may have them"
        )
    if refusal is not None:
        raise refusal
    return True


def _fields(entry: LogEntry) -> dict[str, Any]:
    return {
        **record_fields(entry.record),
        "step": entry.step.value,
        "is_valid": entry.is_valid,
        "files": entry.files,
        "bytes": entry.bytes,
        "bytes_new": entry.bytes_new,
        "blocks_new": entry.blocks_new,
    }


def _lines(entry: LogEntry) -> list[str]:
    from swarm.protocol.keys import fingerprint  # noqa: PLC0415

    record = entry.record
    meaning = record.root.hex()[:16] if record.root is not None else "nothing"
    parts = [f"#{record.seq}", when(record.time), meaning, _WORDS[entry.step.value], _cost(entry)]
    lines = ["  ".join(part for part in parts if part)]
    may = "" if entry.is_valid else "  (may no longer sign)"
    return [*lines, f"  signed   {fingerprint(record.key)}{may}", *mark_lines(record)]


def _cost(entry: LogEntry) -> str:
    if entry.record.root is None:
        return ""
    if entry.bytes is None or entry.files is None:
        return "not in this store"
    new = "" if entry.bytes_new is None else f", {show_size(entry.bytes_new)} new"
    return f"{plural(entry.files, 'file')}, {show_size(entry.bytes)}{new}"
