"""`swarm export`: a version and its signed records in one file, for where no network goes."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cli.call import Call
from cli.exit_codes import READING, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.ticker import Ticker
from cli.ui.wording import plural, printable
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size
from swarm.config.references import parse_dataset
from swarm.errors import MissingError, NotFoundError, UsageError

if TYPE_CHECKING:
    from cli.lookup import Found
    from cli.sources import Sources
    from swarm.holdings import Holdings
    from swarm.protocol.ids import BlockId
    from swarm.protocol.version import Version
    from swarm.seeder.bundle_out import Parcel

STANDARD = "-"


def register() -> CommandParser:
    """The parser of `swarm export`."""
    parser = make_parser(
        "swarm export",
        "Writes a version with its signed records into FILE, from what is held here and from the store. FILE is a\n"
        "directory store in an uncompressed tar: swarm import brings it into another store, or tar xf makes a store\n"
        "of it. Nobody on the network is asked.",
        examples=(
            "swarm export places:1.4.0 places.tar --store s3://datasets/prod",
            "swarm export places:1.4.0 - | ssh far 'swarm import - --store /srv/store'",
        ),
        codes=READING,
        note="FILE appears when it is whole. With - it is stdout, so --json is refused.",
    )
    parser.add_argument("name", metavar="NAME[:TAG]|NAME@DIGEST", help="without a tag: latest, else the newest release")
    parser.add_argument("file", metavar="FILE", help="where to; - is stdout")
    add_settings(parser, "export", shows=("store",))
    return parser


def run(call: Call) -> int:
    """Writes the file, and says how large it is."""
    is_standard = call.options.file == STANDARD
    if is_standard and call.options.json:
        raise UsageError("stdout is the bundle, so there is no --json", hint="name a FILE")
    # Bundles are for where no network goes: what is asked is the store, and this machine.
    config = replace(call.common(), tracker=(), lan=False)
    parcel, size = call.run(partial(_export, call, config))
    label = _label(parcel)
    pages = {ref.id for ref in parcel.version.space.page_refs}
    blocks = len(pages.union(parcel.version.block_ids))
    text = f"{label}: {plural(blocks, 'block')} ({len(pages)} of the manifest), {show_size(size)}"
    if is_standard:
        call.screen.say(text)
        return ExitCode.DONE
    fields = {"dataset": label, "digest": parcel.version.id.hex(), "file": str(call.path(call.options.file))}
    counts = {"bytes": size, "blocks": blocks, "pages": len(pages), "records": len(parcel.tag_records)}
    call.screen.result("exported", {**fields, **counts}, text)
    return ExitCode.DONE


async def _export(call: Call, config: CommonConfig) -> tuple[Parcel, int]:
    from cli.lookup import load_version, look_up  # noqa: PLC0415
    from cli.sources import open_sources  # noqa: PLC0415
    from swarm.holdings import open_holdings  # noqa: PLC0415
    from swarm.seeder.bundle_out import write_bundle  # noqa: PLC0415

    ticker = Ticker(call.screen)
    async with open_sources(config) as sources, open_holdings(config.home) as holdings:
        found = await look_up(config, parse_dataset(call.options.name), sources, holdings)
        version = await load_version(found, sources, holdings)
        parcel = await _parcel(call, found, version, sources, holdings)
        with _output(call) as file:
            size = await write_bundle(
                parcel,
                partial(_read, version, sources, holdings),
                file,
                lambda done, total: ticker.tell(f"exporting: {show_size(done)} of {show_size(total)}"),
            )
            await _flush(file)
    return parcel, size


async def _parcel(call: Call, found: Found, version: Version, sources: Sources, holdings: Holdings) -> Parcel:
    from swarm.seeder.bundle_out import Parcel  # noqa: PLC0415

    store, decision = sources.store, found.decision
    if decision is None and store is None:
        raise UsageError("a digest alone has no signed record", hint="name a tag, or add --store URL")
    realm = decision.record.realm if decision is not None else store.realm  # type: ignore[union-attr]
    tags = await sources.history(decision.data) if decision is not None else ()
    pages = [await _read(version, sources, holdings, ref.id, ref.length) for ref in version.space.page_refs]
    chain = decision.chain_records if decision is not None else ()
    name = parse_dataset(call.options.name).name
    return Parcel(realm, version, tuple(pages), chain, tags, name, int(time.time()))


async def _read(version: Version, sources: Sources, holdings: Holdings, block: BlockId, length: int) -> bytes:
    """From this machine, else the store. Raises NotFoundError where neither has it."""
    data = await holdings.read_block(block)
    if data is not None:
        return data
    if sources.store is None:
        raise NotFoundError(f"{version.id.hex()[:16]} is not whole on this machine", hint="add --store URL")
    try:
        return await sources.store.get_block(block, max_length=length)
    except MissingError as error:
        raise NotFoundError(
            f"{version.id.hex()[:16]} is not whole any more: {error.message}", hint="it may have been collected"
        ) from error


def _label(parcel: Parcel) -> str:
    from swarm.protocol.records import decode_tag_record  # noqa: PLC0415

    if not parcel.tag_records:
        return f"{parcel.name}@{parcel.version.id.hex()}"
    return f"{parcel.name}:{decode_tag_record(parcel.tag_records[-1]).tag}"


@contextmanager
def _output(call: Call) -> Iterator[IO[bytes]]:
    """stdout, or a file that gets its name when it is whole and synced. Raises PermissionError_, NoSpaceError."""
    from swarm.holdings.oserror import translated  # noqa: PLC0415

    if call.options.file == STANDARD:
        yield sys.stdout.buffer
        return
    path: Path = call.path(call.options.file)
    if path.is_dir() or not path.parent.is_dir():
        what = f"{printable(str(path))} is a directory" if path.is_dir() else f"there is no directory {path.parent}"
        raise UsageError(what, hint="FILE is a file that is made, in a directory that is there")
    with translated(f"write {printable(str(path))}"):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise


async def _flush(file: IO[bytes]) -> None:
    import trio  # noqa: PLC0415

    await trio.to_thread.run_sync(file.flush)
