"""`swarm cat`: writes one file of a version to stdout."""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from typing import TYPE_CHECKING

from cli.call import Call
from cli.exit_codes import READING, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import printable
from swarm.config.configs import CommonConfig
from swarm.errors import NotFoundError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cli.lookup import Found
    from cli.sources import Sources
    from swarm.holdings import Holdings
    from swarm.protocol.version import Version

NEAR_MAX = 10_000
"""Paths that a mistyped one is compared with; a comparison takes some microseconds."""

_WORD = re.compile(r"((?:@[^/:@]*/)?[^/:@]+(?:[:@][^/]*)?)(?:/(.+))?", re.DOTALL)


def register() -> CommandParser:
    """The parser of `swarm cat`."""
    parser = make_parser(
        "swarm cat",
        "Writes one file of a version to stdout, block by block as they are verified: from what is held here, else\n"
        "from the store; where neither has it, it is fetched from other machines first. PATH may be left out where\n"
        "the version is a single file.",
        examples=(
            "swarm cat @maps/places:1.4.0/README.md",
            "swarm cat @maps/places/index/cells.bin --store s3://datasets/prod | head -c 100",
        ),
        codes=READING,
        note="stdout is the file's bytes, so --json is refused.",
    )
    parser.add_argument("word", metavar="NAME[:TAG]/PATH", help="or NAME@DIGEST/PATH")
    add_settings(parser, "cat", shows=("store", "tracker", "secret", "lan"))
    return parser


def run(call: Call) -> int:
    """Streams the file."""
    from swarm.config.references import parse_dataset  # noqa: PLC0415

    name, path = split_word(call.options.word)
    parse_dataset(name)
    if call.look.json:
        raise UsageError("cat writes the file's bytes, which are no JSON", hint="leave --json out")
    call.run(partial(_cat, call, call.common(), name, path))
    return ExitCode.DONE


def split_word(word: str) -> tuple[str, bytes | None]:
    """`@scope/name:tag/a/b` -> the reference and the path below it. Raises UsageError."""
    found = _WORD.fullmatch(word)
    if found is None:
        raise UsageError(f"{word!r} is not a name and a path", hint="swarm cat NAME:TAG/PATH")
    path = found.group(2)
    return found.group(1), None if path is None else os.fsencode(path)


async def _cat(call: Call, config: CommonConfig, name: str, path: bytes | None) -> bool:
    from cli.lookup import look_up  # noqa: PLC0415
    from cli.remote_file import fetch_file  # noqa: PLC0415
    from cli.sources import open_sources  # noqa: PLC0415
    from swarm.config.references import parse_dataset  # noqa: PLC0415
    from swarm.holdings import open_holdings  # noqa: PLC0415
    from swarm.protocol.names import Reference  # noqa: PLC0415

    reference = parse_dataset(name)
    async with open_holdings(config.home) as holdings, open_sources(config) as sources:
        found = await look_up(config, reference, sources, holdings)
        sources.warn_of_silence(call.screen)
        near = await _near(config, found, path, sources, holdings)
        if near is not None:
            async for data in read_file(*near, sources, holdings):
                await _write(data)
            return True
    exact = Reference(reference.name, version=found.version)
    async for data in fetch_file(call, config, exact, path):
        await _write(data)
    return True


async def _near(
    config: CommonConfig, found: Found, path: bytes | None, sources: Sources, holdings: Holdings
) -> tuple[Version, int] | None:
    """The version and the file's number where all of it is here or in the store; None where others must be asked."""
    from cli.lookup import load_version  # noqa: PLC0415

    has_others = bool(config.tracker) or config.lan
    try:
        version = await load_version(found, sources, holdings)
    except (NotFoundError, StoreError):
        if has_others:
            return None
        raise
    number = _number_of(version, path)
    have = await holdings.have(version.id)
    if sources.store is not None or (have is not None and all(index in have for index in _indexes(version, number))):
        return version, number
    if has_others:
        return None
    raise NotFoundError("not all of this file is held here", hint="name a --store, or leave out --no-lan")


def _number_of(version: Version, path: bytes | None) -> int:
    from swarm.protocol.pages import Kind  # noqa: PLC0415

    if path is None:
        if len(version.entries) == 1 and version.entries.kind(0) is Kind.FILE:
            return 0
        raise UsageError(f"the version holds {len(version.entries)} entries", hint="say which: swarm cat NAME:TAG/PATH")
    number = version.entries.find(path.rstrip(b"/"))
    shown = printable(os.fsdecode(path))
    if number is None:
        raise NotFoundError(f"the version has no file {shown}", hint=_similar(version, path))
    match version.entries.kind(number):
        case Kind.DIRECTORY:
            raise UsageError(f"{shown} is a directory", hint="swarm fetch --include PATH takes all of it")
        case Kind.SYMLINK:
            target = printable(os.fsdecode(version.entries[number].target or b""))
            raise UsageError(f"{shown} is a symlink to {target}", hint="name the file that it points to")
    return number


def _similar(version: Version, path: bytes) -> str:
    from swarm.config.nearest import nearest  # noqa: PLC0415

    parent = path.rpartition(b"/")[0]
    start = version.entries.place(parent + b"/" if parent else b"")
    # A slip of the keyboard is near by: in the same directory, and not further than this.
    numbers = range(start, min(start + NEAR_MAX, len(version.entries)))
    found = nearest(os.fsdecode(path), [os.fsdecode(version.entries.path(number)) for number in numbers])
    return f"did you mean {' or '.join(map(printable, found))}?" if found else "swarm inspect shows what it holds"


async def read_file(version: Version, number: int, sources: Sources, holdings: Holdings) -> AsyncIterator[bytes]:
    """The file's bytes in order. Raises NotFoundError where a block has gone meanwhile, CorruptError."""
    start = version.entries.offsets[number]
    end = start + version.entries.sizes[number]
    if start == end:
        return
    for position in range(version.position_at(start), version.position_at(end - 1) + 1):
        index = version.space.block_index(version.stream[position])
        data = await holdings.read(version.id, index)
        if data is None:
            if sources.store is None:
                raise NotFoundError(
                    "a file of the holding was edited meanwhile", hint="swarm verify lists what is right"
                )
            data = await sources.store.get_block(version.id_of(index), max_length=version.length_of(index))
        offset = version.offsets[position]
        yield data[max(0, start - offset) : end - offset]


def _indexes(version: Version, number: int) -> list[int]:
    start = version.entries.offsets[number]
    runs = version.indexes_of([(start, version.entries.sizes[number])])
    return [index for first, count in runs for index in range(first, first + count)]


async def _write(data: bytes) -> None:
    import trio  # noqa: PLC0415

    # A pipe may be full for long: a thread waits, so that Ctrl-C is heard.
    await trio.to_thread.run_sync(_write_all, data, abandon_on_cancel=True)  # type: ignore[call-arg]


def _write_all(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
