"""One file that neither this machine nor a store has: fetched like any dataset, into a directory that goes away again.

The whole file is on the disk for a moment. A reader that asks for blocks by deadline will replace this.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import trio

from cli.call import Call
from cli.running import service
from cli.ui.wording import printable
from swarm.agent.notices import Silence
from swarm.config.building import fetch_config
from swarm.config.configs import CommonConfig
from swarm.config.loading import load
from swarm.errors import NotFoundError
from swarm.holdings import open_holdings
from swarm.protocol.names import Reference

READ_BYTES = 1024 * 1024


async def fetch_file(
    call: Call, config: CommonConfig, reference: Reference, path: bytes | None
) -> AsyncIterator[bytes]:
    """The bytes of one file of a version, verified as a whole before the first is given out."""
    with tempfile.TemporaryDirectory(prefix="swarm-cat-") as directory:
        dest = Path(directory) / "file"
        loaded = load("fetch", {}, call.environment, call.directory)
        fetching = replace(
            fetch_config(loaded, reference.name, str(dest), call.directory),
            dataset=reference,
            include=() if path is None else (exactly(path),),
            linger=0.0,
        )
        listening = replace(fetching, common=replace(config, listen=fetching.common.listen))
        try:
            await service().fetch(listening, Silence())
            async for data in _read(_file_in(dest, path)):
                yield data
        except NotFoundError as error:
            if path is not None and await _is_lacking(config, reference, path):
                raise _no_file(path) from error
            raise
        finally:
            with trio.CancelScope(shield=True):
                async with open_holdings(config.home) as holdings:
                    with contextlib.suppress(NotFoundError):  # the fetch had not come that far
                        await holdings.remove(dest)


async def _is_lacking(config: CommonConfig, reference: Reference, path: bytes) -> bool:
    """Whether the file list, which a fetch brings first, has no such path."""
    assert reference.version is not None
    async with open_holdings(config.home) as holdings:
        version = await holdings.version(reference.version)
    return version is not None and version.entries.find(path.rstrip(b"/")) is None


def _no_file(path: bytes) -> NotFoundError:
    shown = printable(os.fsdecode(path))
    return NotFoundError(f"the version has no file {shown}", hint="swarm inspect shows what it holds")


def exactly(path: bytes) -> str:
    """The glob that matches this path at the dataset's top and nothing else."""
    text = os.fsdecode(path)
    return "/" + "".join(f"\\{one}" if one in "\\*?[]" else one for one in text)


def _file_in(dest: Path, path: bytes | None) -> Path:
    if path is not None:
        return dest / os.fsdecode(path)
    if dest.is_file():
        return dest
    files = [one for one in dest.rglob("*") if one.is_file() and ".swarm" not in one.parts]
    if len(files) != 1:
        raise NotFoundError(f"the version holds {len(files)} files", hint="say which: swarm cat NAME:TAG/PATH")
    return files[0]


async def _read(path: Path) -> AsyncIterator[bytes]:
    try:
        file = await trio.open_file(path, "rb")
    except FileNotFoundError:
        raise _no_file(os.fsencode(path.name)) from None
    async with file:
        while data := await file.read(READ_BYTES):
            yield data
