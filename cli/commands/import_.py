"""`swarm import`: brings a bundle into a store."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, cast

from cli.call import Call
from cli.commands.export import STANDARD
from cli.exit_codes import WRITING, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.ticker import Ticker
from cli.ui.wording import plural, printable
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size
from swarm.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from swarm.seeder.bundle_in import Imported


def register() -> CommandParser:
    """The parser of `swarm import`."""
    parser = make_parser(
        "swarm import",
        "Brings the bundle in FILE, as swarm export writes it, into a store; an empty place becomes one, of the\n"
        "bundle's realm. Everything is verified, what is there already is not written again, and of records\n"
        "the newer stay. Histories that have parted are a conflict (exit 8).\n"
        "swarm fetch NAME --store URL then makes the version present.",
        examples=(
            "swarm import places.tar --store /srv/store",
            "ssh far 'swarm export places -' | swarm import - --store /srv/store",
        ),
        codes=WRITING,
        note="A bundle from - is kept in $SWARM_HOME while it is read, because all of it is looked at first.",
    )
    parser.add_argument("file", metavar="FILE", help="the bundle; - is stdin")
    add_settings(parser, "import", shows=("store",))
    return parser


def run(call: Call) -> int:
    """Brings it in, and says what is new."""
    config = call.common()
    if config.store is None:
        raise UsageError("import needs a store to bring it into", hint="add --store DIR: an empty place becomes one")
    done = call.run(partial(_import, call, config))
    fields = {
        "realm": done.realm.hex(),
        "versions": [version.hex() for version in done.versions],
        "tags": list(done.tags),
        "kept": list(done.kept),
        "blocks": done.blocks,
        "blocks_new": done.blocks_new,
        "bytes_new": done.bytes_new,
    }
    call.screen.result("imported", fields, "\n".join(_lines(done)))
    return ExitCode.DONE


async def _import(call: Call, config: CommonConfig) -> Imported:
    from swarm.config.store_options import options_of  # noqa: PLC0415
    from swarm.seeder.bundle_in import import_bundle  # noqa: PLC0415
    from swarm.store import open_store  # noqa: PLC0415

    ticker = Ticker(call.screen)
    assert config.store is not None
    with _input(call, config) as file:
        async with open_store(config.store, options_of(config)) as store:
            return await import_bundle(
                file,
                store,
                lambda done, total: ticker.tell(f"importing: {show_size(done)} of {show_size(total)}"),
            )


@contextmanager
def _input(call: Call, config: CommonConfig) -> Iterator[BinaryIO]:
    """A file that can be read twice. Raises NotFoundError, PermissionError_, NoSpaceError."""
    from swarm.holdings.oserror import translated  # noqa: PLC0415

    if call.options.file == STANDARD:
        with translated(f"keep the bundle in {config.home}"):
            config.home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=config.home) as spooled:
                shutil.copyfileobj(sys.stdin.buffer, spooled, 1024 * 1024)
                spooled.seek(0)
                yield cast("BinaryIO", spooled)
        return
    path = call.path(call.options.file)
    with translated(f"read {printable(str(path))}"):
        if not path.is_file():
            raise NotFoundError(f"there is no file {printable(str(path))}", hint="swarm export makes bundles")
        with path.open("rb") as file:
            yield file


def _lines(done: Imported) -> list[str]:
    lines = [f"{plural(done.blocks_new, 'block')} new of {done.blocks:,}, {show_size(done.bytes_new)}"]
    lines += [f"{', '.join(done.tags)} moved"] if done.tags else []
    stay = "stays" if len(done.kept) == 1 else "stay"
    lines += [f"{', '.join(done.kept)} {stay}: what is there is as new"] if done.kept else []
    return lines
