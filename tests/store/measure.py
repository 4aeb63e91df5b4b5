"""Blocks a second into and out of a store on loopback, by how many requests are out at once.

    python -m tests.store.measure [rgw|moto|directory] [--blocks 256] [--size 524288] [--rounds 3] [1 4 8 16 32]

The best of some rounds, because the machine may be busy; client and server share it. docs/store.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from swarm.store._workers import for_each
from swarm.store.options import StoreOptions
from swarm.store.store import Store, open_store
from tests.servers.processes import free_port, running
from tests.servers.rgw import SCRIPT
from tests.servers.s3server import S3Server
from tests.store.place import block

MIB = 1024 * 1024


@dataclass
class Figures:
    """The best of the rounds: MiB a second, and this process's CPU seconds a GiB."""

    put: tuple[float, float] = (0.0, 0.0)
    get: tuple[float, float] = (0.0, 0.0)
    heads_per_s: float = 0.0
    page_s: float = 0.0


@contextmanager
def server(kind: str, directory: Path) -> Iterator[str]:
    """The URL of an empty place."""
    if kind == "directory":
        yield str(directory / "store")
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


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def timed(
    store: Store, blocks: list[tuple[bytes, bytes]], concurrency: int, *, is_put: bool
) -> tuple[float, float]:
    async def one(item: tuple[bytes, bytes]) -> None:
        if is_put:
            await store.put_block(item[0], item[1], is_missing=True)  # type: ignore[arg-type]
        else:
            await store.get_block(item[0])  # type: ignore[arg-type]

    start, cpu = trio.current_time(), cpu_s()
    await for_each(blocks, one, concurrency=2 * concurrency)
    size = sum(len(data) for _, data in blocks) / MIB
    return size / (trio.current_time() - start), (cpu_s() - cpu) / size * 1024


async def measure(url: str, concurrency: int, blocks: list[tuple[bytes, bytes]], rounds: int) -> Figures:
    figures = Figures()
    async with open_store(url, StoreOptions(concurrency=concurrency)) as store:
        await store.initialise()
        for _ in range(rounds):
            figures.put = max(figures.put, await timed(store, blocks, concurrency, is_put=True))
            figures.get = max(figures.get, await timed(store, blocks, concurrency, is_put=False))
            start = trio.current_time()
            await store.missing_blocks(name for name, _ in blocks)  # type: ignore[misc]
            figures.heads_per_s = max(figures.heads_per_s, len(blocks) / (trio.current_time() - start))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", nargs="?", default="rgw", choices=["rgw", "moto", "directory"])
    parser.add_argument("concurrency", nargs="*", type=int, default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--blocks", type=int, default=256)
    parser.add_argument("--size", type=int, default=512 * 1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    blocks: list[tuple[bytes, bytes]] = [block(seed, options.size) for seed in range(options.blocks)]
    sys.stdout.write(f"{options.kind}, {options.blocks} blocks of {options.size} bytes\n")
    sys.stdout.write("at once   PUT MiB/s  CPU s/GiB   GET MiB/s  CPU s/GiB   asked/s\n")
    with tempfile.TemporaryDirectory() as directory, server(options.kind, Path(directory)) as url:
        for concurrency in options.concurrency:
            found = trio.run(measure, url, concurrency, blocks, options.rounds)
            row = (*found.put, *found.get, found.heads_per_s)
            sys.stdout.write(f"{concurrency:7d}" + "{:12.0f}{:11.2f}{:12.0f}{:11.2f}{:10.0f}\n".format(*row))


if __name__ == "__main__":
    main()
