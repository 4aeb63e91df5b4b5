"""Blocks a second into and out of a store on loopback, by how many requests are out at once.

    python -m tests.store.measure [rgw|moto|directory|distant] [--blocks 256] [--size 524288] [--rounds 3] [1 4 8 16 32]

`distant` is a web server whose first byte takes 50 ms, and is only read. The best of some rounds, because the machine
may be busy; client and server share it. docs/store.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import trio

from swarm.protocol.ids import BlockId
from swarm.store._workers import for_each
from swarm.store.http import HttpBlocks
from swarm.store.options import StoreOptions
from swarm.store.store import open_store
from tests.servers.processes import free_port, running
from tests.servers.rgw import SCRIPT
from tests.servers.s3server import S3Server
from tests.store.place import block

T = TypeVar("T")

MIB = 1024 * 1024
DISTANCE_S = 0.05


@dataclass
class Figures:
    """The best of the rounds: MiB a second, and this process's CPU seconds a GiB."""

    put: tuple[float, float] = (0.0, 0.0)
    get: tuple[float, float] = (0.0, 0.0)
    heads_per_s: float = 0.0


@contextmanager
def server(kind: str, directory: Path, size: int) -> Iterator[str]:
    """The URL of an empty place."""
    if kind == "directory":
        yield str(directory / "store")
        return
    if kind == "distant":
        with running([sys.executable, "-m", "tests.servers.distant", str(DISTANCE_S), str(size)]) as endpoint:
            yield endpoint
        return
    port = free_port()
    commands = {
        "rgw": [str(SCRIPT), "run", str(directory), str(port), str(free_port(2))],
        "moto": [sys.executable, "-W", "ignore", "-m", "tests.servers.moto_process"],
    }
    with running(commands[kind]) as line:
        found = S3Server(kind, f"http://127.0.0.1:{port if kind == 'rgw' else line}")
        os.environ.update(found.environment)
        yield f"s3://{found.new_bucket()}/p"


async def measure_distant(endpoint: str, concurrency: int, blocks: list[tuple[BlockId, bytes]], rounds: int) -> Figures:
    figures = Figures()
    async with HttpBlocks(StoreOptions(concurrency=concurrency)) as reader:

        async def get(_: int) -> None:
            await reader.get(f"{endpoint}/block", blocks[0][0])

        for _ in range(rounds):
            figures.get = max(figures.get, await timed(range(len(blocks)), get, len(blocks[0][1]), concurrency))
    return figures


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def timed(
    items: Iterable[T], ask: Callable[[T], Awaitable[None]], item_bytes: int, concurrency: int
) -> tuple[float, float]:
    start, cpu, count = trio.current_time(), cpu_s(), 0

    async def counted(item: T) -> None:
        nonlocal count
        count += 1
        await ask(item)

    await for_each(items, counted, concurrency=2 * concurrency)
    size = count * item_bytes / MIB
    return size / (trio.current_time() - start), (cpu_s() - cpu) / size * 1024


async def measure(url: str, concurrency: int, blocks: list[tuple[BlockId, bytes]], rounds: int) -> Figures:
    figures, size = Figures(), len(blocks[0][1])
    async with open_store(url, StoreOptions(concurrency=concurrency)) as store:
        await store.initialise()

        async def put(item: tuple[BlockId, bytes]) -> None:
            await store.put_block(*item, is_missing=True)

        async def get(item: tuple[BlockId, bytes]) -> None:
            await store.get_block(item[0])

        for _ in range(rounds):
            figures.put = max(figures.put, await timed(blocks, put, size, concurrency))
            figures.get = max(figures.get, await timed(blocks, get, size, concurrency))
            start = trio.current_time()
            await store.missing_blocks(name for name, _ in blocks)
            figures.heads_per_s = max(figures.heads_per_s, len(blocks) / (trio.current_time() - start))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", nargs="?", default="rgw", choices=["rgw", "moto", "directory", "distant"])
    parser.add_argument("concurrency", nargs="*", type=int, default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--blocks", type=int, default=256)
    parser.add_argument("--size", type=int, default=512 * 1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    blocks = [block(seed, options.size) for seed in range(options.blocks)]
    sys.stdout.write(f"{options.kind}, {options.blocks} blocks of {options.size} bytes\n")
    sys.stdout.write("at once   PUT MiB/s  CPU s/GiB   GET MiB/s  CPU s/GiB   asked/s\n")
    with tempfile.TemporaryDirectory() as directory, server(options.kind, Path(directory), options.size) as url:
        for concurrency in options.concurrency:
            run = measure_distant if options.kind == "distant" else measure
            found = trio.run(run, url, concurrency, blocks, options.rounds)
            row = (*found.put, *found.get, found.heads_per_s)
            sys.stdout.write(f"{concurrency:7d}" + "{:12.0f}{:11.2f}{:12.0f}{:11.2f}{:10.0f}\n".format(*row))


if __name__ == "__main__":
    main()
