"""What is in a bucket already is published without a copy: the same content, no block twice, nothing that changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from swarm.dataset.entries import ScanOptions
from swarm.errors import NotFoundError, SourceChangedError, UnavailableError, UsageError
from swarm.protocol.names import parse_reference
from swarm.seeder import bucket_material
from swarm.seeder.bucket_material import BucketMaterial
from swarm.seeder.publication import Publication, PublishOptions
from swarm.seeder.publish import publish
from swarm.store import Store, StoreOptions, open_store, s3_bucket
from swarm.store.bucket import open_bucket
from swarm.store.s3_bucket import S3Bucket
from tests.dataset.trees import make_tree
from tests.seeder.producers import KEY, Producer, Watcher, read_back
from tests.seeder.test_publish import noise
from tests.servers.moto import moto
from tests.servers.rgw import rgw
from tests.servers.s3server import S3Server

__all__ = ["moto", "rgw"]

AVERAGE = 64 * 1024
OPTIONS = PublishOptions(average=AVERAGE)
CONTENTS = {"a": noise(1, 900_000), "d/empty": b"", "d/e/big": noise(2, 3_000_000), "d/twin": noise(1, 900_000)}


class World:
    """A bucket with objects below `lake/`, and a directory store."""

    def __init__(self, server: S3Server, store: Store) -> None:
        self.bucket = server.new_bucket()
        self.client = server.client()
        self.store = store
        self.watcher = Watcher()

    def put(self, objects: dict[str, bytes]) -> None:
        for key, data in objects.items():
            self.client.put_object(Bucket=self.bucket, Key=f"lake/{key}", Body=data)

    def url(self, prefix: str = "lake") -> str:
        return f"s3://{self.bucket}/{prefix}"

    async def publish(
        self, tag: str = "name:stable", *, prefix: str = "lake", store: Store | None = None, **options: Any
    ) -> Publication:
        self.watcher = Watcher()
        async with open_bucket(self.url(prefix), StoreOptions(attempts=2)) as bucket:
            return await publish(
                BucketMaterial(bucket),
                [parse_reference(tag)],
                store=store or self.store,
                key=KEY,
                options=PublishOptions(average=AVERAGE, **options),
                observer=self.watcher,
            )


@asynccontextmanager
async def world_on(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bucket_material, "RANGE_BYTES", 500_000)  # so that some objects are read in several
    async with open_store(str(tmp_path / "store")) as store:
        world = World(server, store)
        world.put(CONTENTS)
        yield world
        world.client.close()


@pytest.fixture
async def world(moto: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with world_on(moto, tmp_path, monkeypatch) as found:
        yield found


def counted(
    monkeypatch: pytest.MonkeyPatch, kind: type, name: str, happen: Callable[[int], None] = lambda _: None
) -> list[Any]:
    """The first arguments of every call of a method; `happen` hears how many there were."""
    calls: list[Any] = []
    original = getattr(kind, name)

    def spy(self: object, first: Any, *rest: Any, **named: Any) -> Any:
        calls.append(first)
        happen(len(calls))
        return original(self, first, *rest, **named)

    monkeypatch.setattr(kind, name, spy)
    return calls


@pytest.mark.parametrize("kind", ["moto", pytest.param("rgw", marks=pytest.mark.rgw)])
async def test_a_directory_and_its_copy_in_a_bucket_are_the_same_content(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world_on(request.getfixturevalue(kind), tmp_path, monkeypatch) as world:
        published = await world.publish()
        data = make_tree(tmp_path / "data", CONTENTS)
        for path in data.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        local = await Producer(data, world.store).publish("other:stable", options=OPTIONS)
        assert local.version.root.content == published.version.root.content
        assert list(local.version.block_ids) == list(published.version.block_ids)
        assert local.blocks_new == 0
        record = await Producer(data, world.store).newest("name", "stable")
        assert record is not None
        version, stream = await read_back(world.store, record)
        assert version.id == published.version.id
        assert stream == b"".join(CONTENTS[key] for key in sorted(CONTENTS))


async def test_blocks_are_sent_while_they_are_cut_and_each_object_is_read_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = counted(monkeypatch, S3Bucket, "read_plain")
    published = await world.publish()
    assert published.blocks_new == len(published.version.block_ids)
    assert published.bytes_new == published.version.root.totals.block_bytes < sum(map(len, CONTENTS.values()))
    ranges = sum(-(-len(data) // 500_000) for data in CONTENTS.values())
    assert len(reads) == ranges
    assert world.watcher.phases == ["scan", "prepare", "upload", "commit"]
    assert world.watcher.uploaded[-1][1] < 100_000  # only pages were left for afterwards


async def test_the_same_again_sends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await world.publish()
    again = await world.publish()
    assert again.is_unchanged
    assert again.blocks_new == 0
    assert again.version.id == first.version.id


async def test_an_interrupted_publish_goes_on_with_what_the_store_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trio.CancelScope() as scope, monkeypatch.context() as patch:
        counted(patch, type(world.store), "put_block", lambda count: scope.cancel() if count == 20 else None)
        await world.publish()
    assert scope.cancelled_caught
    assert await world.store.newest_tag("name", "stable") is None
    published = await world.publish()
    assert 0 < published.blocks_new < len(published.version.block_ids)


@pytest.mark.parametrize("when", ["while it is read", "after it was read"])
async def test_an_object_that_is_replaced_meanwhile_is_named(
    when: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {"d/e/big": noise(9, 3_000_000)}
    if when == "while it is read":
        counted(monkeypatch, S3Bucket, "_get_range", lambda count: world.put(changed) if count == 1 else None)
    else:
        counted(monkeypatch, type(world.store), "put_root", lambda _: world.put(changed))
    with pytest.raises(SourceChangedError, match=r"changed while being published: d/e/big"):
        await world.publish()
    assert await world.store.newest_tag("name", "stable") is None


async def test_an_object_that_goes_or_comes_meanwhile_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def move(_: int) -> None:
        world.client.delete_object(Bucket=world.bucket, Key="lake/a")
        world.put({"z": b"new"})

    counted(monkeypatch, type(world.store), "put_root", move)
    with pytest.raises(SourceChangedError, match="a, z"):
        await world.publish()


async def test_a_back_end_without_if_match_does_not_give_another_objects_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = S3Bucket._get_range

    def without(self: Any, client: Any, *rest: Any) -> bytearray:
        class Careless:
            def get_object(self, *, IfMatch: str, **named: Any) -> Any:  # noqa: N803
                return client.get_object(**named)

        world.put({"a": noise(5, 900_000)})
        return original(self, Careless(), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(S3Bucket, "_get_range", without)
    with pytest.raises(SourceChangedError, match="a"):
        await world.publish()


async def test_a_read_that_fails_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(count: int) -> None:
        if count == 2:
            raise UnavailableError("away for a moment")

    counted(monkeypatch, S3Bucket, "_get_range", fail)
    assert (await world.publish()).blocks_new > 0

    def always(_: int) -> None:
        raise UnavailableError("away")

    counted(monkeypatch, S3Bucket, "_get_range", always)
    with pytest.raises(UnavailableError, match="away"):
        await world.publish()


@pytest.mark.slow
async def test_uploads_that_do_not_get_away_stop_the_reading(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_material, "READ_AHEAD_BYTES", 1)
    monkeypatch.setattr(bucket_material, "READS_MAX", 1)
    monkeypatch.setattr(bucket_material, "uploads_at_once", lambda _: 2)
    reads = counted(monkeypatch, S3Bucket, "read_plain")
    stuck, go_on = trio.Event(), trio.Event()
    original = type(world.store).put_block

    async def put_block(self: Store, *rest: Any, **named: Any) -> bool:
        stuck.set()
        await go_on.wait()
        return await original(self, *rest, **named)

    monkeypatch.setattr(type(world.store), "put_block", put_block)
    world.put({f"d/more{number}": noise(number, 5_000_000) for number in range(5)})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.publish)
        await stuck.wait()
        await trio.sleep(0.3)  # whatever would still be read, would be by now
        # Windows of 4 MiB that are being filled or cut, and what was read ahead; not the other 20 MB.
        assert len(reads) < 50
        before = len(reads)
        await trio.sleep(0.1)
        assert len(reads) == before
        go_on.set()


async def test_a_dry_run_writes_nothing(world: World, tmp_path: Path) -> None:
    published = await world.publish(dry_run=True)
    assert published.is_dry_run
    assert published.would_move == ("name:stable",)
    assert published.blocks_new == len(published.version.block_ids)
    assert not (tmp_path / "store").exists()


async def test_one_object_is_one_file(world: World) -> None:
    published = await world.publish(prefix="lake/d/e/big")
    assert [(entry.path, entry.size) for entry in published.version.entries] == [(b"big", 3_000_000)]
    with pytest.raises(NotFoundError, match="there is nothing at"):
        await world.publish(prefix="lak")


async def test_keys_that_no_path_can_be_are_an_error_or_left_out(world: World) -> None:
    world.put({"x//y": b"1", "a/b": b"2"})
    with pytest.raises(UsageError, match=r"a, x//y"):
        await world.publish()
    await world.publish(scan=ScanOptions(skip_special=True))
    assert world.watcher.notes == ["left out: a, x//y"]


async def test_a_listing_of_several_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_bucket, "LIST_PAGE_OBJECTS", 3)
    world.put({f"many/{number}": b"%d" % number for number in range(6)})
    published = await world.publish(prefix="lake/many")
    assert published.version.root.totals.files == 6


@pytest.mark.slow
async def test_store_and_data_may_not_lie_inside_each_other(world: World) -> None:
    async with open_store(world.url("lake/store")) as store:
        with pytest.raises(UsageError, match="inside each other"):
            await world.publish(store=store)
        assert not store.is_initialised, "the data is never written to"
    async with open_store(world.url("lakes")) as store:
        assert (await world.publish(store=store)).blocks_new > 0


async def test_without_a_store_it_is_refused(world: World) -> None:
    async with open_bucket(world.url()) as bucket:
        with pytest.raises(UsageError, match="not copied to this machine") as caught:
            await publish(BucketMaterial(bucket), [parse_reference("name")], store=None, history=world.store, key=KEY)
    assert "--store" in caught.value.hint
