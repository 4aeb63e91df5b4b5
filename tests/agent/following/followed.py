"""A follower that runs in a world of tests.agent: what it tells, and a tag that a test moves."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import trio

from swarm.agent.claims import Pinned
from swarm.agent.follow_notices import Flipped, Following, HookEnded, Standing
from swarm.agent.following.follower import FollowOrder, follow
from swarm.agent.following.hook import Hook
from swarm.agent.notices import Notice
from swarm.dataset.selection import Selection
from swarm.protocol.ids import BlockId, VersionId
from swarm.protocol.names import parse_reference
from swarm.protocol.records import decode_tag_record, record_id, sign_tag_record
from tests.agent.world import KIB, PUBLISHER, Machine, World, open_world

N = TypeVar("N", bound=Notice)

POLL_S = 0.1


class Told(list[Notice]):
    """An observer that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._news = trio.Event()

    def notify(self, notice: Notice, /) -> None:
        self.append(notice)
        self._news.set()
        self._news = trio.Event()

    async def until(self, kind: type[N], when: Callable[[N], bool] = lambda _: True) -> N:
        """The first of a kind for which `when` holds."""
        with trio.fail_after(60):
            while True:
                for notice in list(self):
                    if isinstance(notice, kind) and when(notice):
                        return notice
                await self._news.wait()

    async def until_flipped(self, version: VersionId) -> Flipped:
        return await self.until(Flipped, lambda one: one.digest == version.hex())

    async def until_settled(self, version: VersionId) -> Following:
        """`version` is current, its hook has ended, and all is well."""
        return await self.until(
            Following, lambda one: one.current == one.newest == version.hex() and one.state is Standing.CURRENT
        )

    def hooks(self) -> list[HookEnded]:
        return [notice for notice in self if isinstance(notice, HookEnded)]

    def forget(self) -> None:
        self.clear()


def order(dest: Path, reference: str = "data:stable", **changes: object) -> FollowOrder:
    made = FollowOrder(
        reference=parse_reference(reference),
        dest=dest,
        pin=lambda: Pinned(PUBLISHER.public_key, None),
        remember=lambda _name, _pin: None,
        selection=Selection(),
        hook=None,
        keep=1,
        poll_s=POLL_S,
        once=False,
        retry=False,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def following(world: World, machine: Machine, what: FollowOrder) -> AsyncIterator[Told]:
    """A follower for as long as the context."""
    told = Told()

    async def store() -> object:
        return world.store

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow, machine.agent, machine.holdings, store, what, told)
        yield told
        nursery.cancel_scope.cancel()


async def follow_once(world: World, machine: Machine, what: FollowOrder) -> Told:
    """`--once`."""
    told = Told()

    async def store() -> object:
        return world.store

    await follow(machine.agent, machine.holdings, store, replace(what, once=True), told)  # type: ignore[arg-type]
    return told


class Channel:
    """`data:stable` in the world's store, and the data that was published last."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.blocks: tuple[BlockId, ...] = ()
        """Of the version that was published last."""
        self.source = world.path / "source"
        self.source.mkdir()
        (self.source / "big").write_bytes(os.urandom(3_000 * KIB))

    async def publish(self, text: str, *names: str) -> VersionId:
        """A small change under the tag."""
        (self.source / "text").write_text(text)
        version = (await self.world.publish(self.source, *(names or ("data:stable",)))).version
        self.blocks = tuple(version.block_ids)
        return version.id

    async def point(self, version: VersionId | None, tag: str = "stable") -> bytes:
        """The next step of the tag's history: to an older version, or to nothing."""
        newest = await self.world.store.newest_tag("data", tag)
        assert newest is not None
        known = decode_tag_record(newest)
        now = time.time_ns() // 1_000_000
        step = replace(known, seq=known.seq + 1, prev=record_id(newest), root=version, time=now)
        record = sign_tag_record(step, PUBLISHER)
        await self.world.store.commit_tag(record)
        return record


def text_of(dest: Path) -> str:
    """What a user of `current` reads."""
    return (dest / "current" / "text").read_text()


def hook(code: str, timeout_s: float = 60.0) -> Hook:
    """Python as a hook; `E` is its environment."""
    return Hook((sys.executable, "-c", f"import os, sys; E = os.environ\n{code}"), timeout_s)


def in_world(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Gives a test, of what it names: `world`, a `machine` in it that reads its store, a `channel`, and `dest`.

    Not fixtures: what a test opens in a world must not outlive a scope of the test's own.
    """
    wanted = inspect.signature(test).parameters
    mine = ("world", "machine", "channel", "dest")

    async def run(tmp_path: Path, **others: object) -> None:
        async with open_world(tmp_path) as world:
            made: dict[str, object] = {"world": world, "channel": Channel(world), "dest": tmp_path / "dest"}
            made["machine"] = await world.machine(reads_store=True)
            made |= {"tmp_path": tmp_path, **others}
            await test(**{name: made[name] for name in wanted})

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    names = ["tmp_path", *(name for name in wanted if name not in (*mine, "tmp_path"))]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    return run
