"""Rate limits over real sockets, encrypted: bytes of blocks over some seconds, by several connections, and changed.

A limit is never exceeded, however busy the machine. That it is reached within 5 % is proved in virtual time
(tests/agent/test_pacing.py) and measured by `python -m bench limits`: here it would hold the machine to a speed.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from swarm.agent.notices import Notice, Progress, Ready
from swarm.config.addresses import parse_listen
from swarm.config.configs import CommonConfig, FetchConfig, LiveLimits, SeedConfig
from swarm.config.live_limits import LIMITS
from swarm.protocol.names import parse_reference
from swarm.service import fetch, seed

pytestmark = pytest.mark.slow

MB = 1_000_000
WINDOW_S = 8.0
TOO_FAST = 1.2
"""Progress that is seen late, once, makes the rest of the window look quicker than it was."""
USED = 0.5
"""What at least must have come: a limit that lets hardly anything pass is no limit that was asked for."""
LOOPBACK = (parse_listen("127.0.0.1:0"),)


class Watcher:
    """An observer that knows where a tracker is, and how many bytes had come when."""

    def __init__(self) -> None:
        self.http = ""
        self.is_ready = trio.Event()
        self.moves = trio.Event()
        self._samples: list[tuple[float, int, int]] = []

    def notify(self, notice: Notice, /) -> None:
        if isinstance(notice, Ready):
            self.http = notice.http or ""
            self.is_ready.set()
        elif isinstance(notice, Progress):
            self._count(notice.bytes_peer + notice.bytes_origin, notice.bytes_origin)

    def _count(self, received: int, of_origin: int) -> None:
        # Only when something is new: whole blocks come in steps, and a rate is taken from step to step.
        if received > (self._samples[-1][1] if self._samples else 0):
            self._samples.append((trio.current_time(), received, of_origin))
            self.moves.set()

    def rates_since(self, moment: float) -> tuple[float, float]:
        """Bytes per second from anywhere, and of these from the origin."""
        found = [sample for sample in self._samples if sample[0] >= moment]
        (began_at, all_before, origin_before), (ended_at, all_after, origin_after) = found[0], found[-1]
        seconds = ended_at - began_at
        return (all_after - all_before) / seconds, (origin_after - origin_before) / seconds


def common(path: Path, name: str, **changes: object) -> CommonConfig:
    (path / name).mkdir(exist_ok=True)
    return CommonConfig(home=path / name, listen=LOOPBACK, lan=False, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def seeding(path: Path, size: int, **changes: object) -> AsyncIterator[tuple[Watcher, trio.Nursery]]:
    """A seeder of one file, with a tracker inside, and a nursery that ends with it. Blocks are small, so that what is
    counted in whole ones is counted finely."""
    (path / "data").mkdir()
    (path / "data" / "file").write_bytes(random.Random(7).randbytes(size))
    watcher = Watcher()
    config = SeedConfig(
        common(path, "seeder", **changes),
        parse_reference("data:1.0.0"),
        path=path / "data",
        http=LOOPBACK,
        block_size=64 * 1024,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(seed, config, watcher)
        with trio.fail_after(30):
            await watcher.is_ready.wait()
        yield watcher, nursery
        nursery.cancel_scope.cancel()


def fetching(path: Path, name: str, nursery: trio.Nursery, http: str, **changes: object) -> Watcher:
    watcher = Watcher()
    config = FetchConfig(
        common(path, name, tracker=(http,), **changes), parse_reference("data:1.0.0"), path / f"copy-{name}", linger=0.0
    )
    nursery.start_soon(fetch, config, watcher)
    return watcher


async def rates_over(seconds: float, consumers: list[Watcher]) -> tuple[float, float]:
    """Of all of them together, once each has begun: from anywhere, and of that from the origin."""
    with trio.fail_after(30):
        for consumer in consumers:
            await consumer.moves.wait()
    began_at = trio.current_time()
    await trio.sleep(seconds)
    rates = [consumer.rates_since(began_at) for consumer in consumers]
    return sum(rate for rate, _ in rates), sum(rate for _, rate in rates)


@pytest.mark.parametrize("whose", ["download", "origin"])
async def test_what_one_machine_takes_keeps_to_its_limit(tmp_path: Path, whose: str) -> None:
    async with seeding(tmp_path, 16 * MB) as (seeder, nursery):
        consumer = fetching(tmp_path, "consumer", nursery, seeder.http, **{f"{whose}_limit": MB})
        rate, _ = await rates_over(WINDOW_S, [consumer])
    assert USED * MB <= rate <= TOO_FAST * MB


@pytest.mark.parametrize("block_size", [64 * 1024, 1 << 20])
async def test_what_is_read_from_a_store_keeps_to_the_limit_of_the_origin(tmp_path: Path, block_size: int) -> None:
    """Whole blocks are let pass, so that they come in steps; over the window that is the same."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_bytes(random.Random(7).randbytes(40 * MB))
    store, reference = str(tmp_path / "store"), parse_reference("data:1.0.0")
    publishing = common(tmp_path, "seeder", store=store)
    await seed(SeedConfig(publishing, reference, path=tmp_path / "data", once=True, block_size=block_size), Watcher())
    consumer = Watcher()
    reading = common(tmp_path, "consumer", store=store, origin_limit=2 * MB)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetch, FetchConfig(reading, reference, tmp_path / "copy", linger=0.0), consumer)
        _, rate = await rates_over(WINDOW_S, [consumer])
        nursery.cancel_scope.cancel()
    assert USED * 2 * MB <= rate <= TOO_FAST * 2 * MB


async def test_what_a_seeder_gives_to_several_at_once_keeps_to_one_limit(tmp_path: Path) -> None:
    async with seeding(tmp_path, 18 * MB, upload_limit=MB) as (seeder, nursery):
        consumers = [fetching(tmp_path, f"consumer{number}", nursery, seeder.http) for number in range(3)]
        _, rate = await rates_over(WINDOW_S, consumers)
    assert USED * MB <= rate <= TOO_FAST * MB


async def test_a_limit_in_the_file_is_changed_in_the_midst_of_a_fetch(tmp_path: Path) -> None:
    async with seeding(tmp_path, 80 * MB) as (seeder, nursery):
        home = tmp_path / "consumer"
        home.mkdir()
        (home / "config.toml").write_text('download-limit = "1MB"\n')
        live = LiveLimits("fetch", LIMITS)
        consumer = fetching(tmp_path, "consumer", nursery, seeder.http, download_limit=MB, live_limits=live)
        slow, _ = await rates_over(WINDOW_S, [consumer])
        (home / "new").write_text('download-limit = "4MB"\n')
        os.replace(home / "new", home / "config.toml")
        await trio.sleep(3.0)
        fast, _ = await rates_over(WINDOW_S, [consumer])
    assert USED * MB <= slow <= TOO_FAST * MB
    assert USED * 4 * MB <= fast <= TOO_FAST * 4 * MB
