"""Publishers suspended between the last look at their markers and the commit: what a tag means is whole after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.errors import ConflictError, NotFoundError, SourceChangedError
from swarm.protocol.ids import VersionId
from swarm.seeder.publication import PublishOptions
from swarm.store import Store, open_store
from swarm.store.marker import Marker, SuspendedError
from tests.dataset.trees import make_tree
from tests.seeder.producers import Producer
from tests.seeder.test_bundles import TAG, B, bring, bundle_of, filled
from tests.seeder.test_moving import move
from tests.seeder.test_publish import noise
from tests.store.versions import is_whole, parts

OPTIONS = PublishOptions(average=64 * 1024)
Suspend = Callable[[Callable[[], object]], list[int]]


@pytest.fixture
def suspend(monkeypatch: pytest.MonkeyPatch) -> Suspend:
    """The first look after a commit comes hours later: `meanwhile` happens before it. Returns the looks."""
    real, looks = Marker.is_kept, list[int]()

    def suspend(meanwhile: Callable[[], object]) -> list[int]:
        async def is_kept(marker: Marker) -> bool:
            looks.append(len(looks))
            if len(looks) == 1:
                meanwhile()
                return False
            return await real(marker)

        monkeypatch.setattr(Marker, "is_kept", is_kept)
        return looks

    return suspend


def lose(store: Path, *, keep: int = 0) -> None:
    """Deletes a store's blocks, as a collection of garbage does."""
    for path in sorted(store.glob("blocks/??/*"))[keep:]:
        path.unlink()


async def test_what_was_collected_beneath_a_publish_is_sent_again(
    producer: Producer, tmp_path: Path, suspend: Suspend
) -> None:
    make_tree(producer.data, {"a": noise(1, 300_000)})
    looks = suspend(lambda: lose(tmp_path / "store", keep=1))
    published = await producer.publish("n:1.0.0", options=OPTIONS)
    assert producer.store is not None
    assert await is_whole(producer.store, published.version.id)
    assert len(looks) == 2
    assert any("sent again" in note for note in producer.watcher.notes)


async def test_a_source_that_changed_meanwhile_is_said_with_what_happened(
    producer: Producer, tmp_path: Path, suspend: Suspend
) -> None:
    make_tree(producer.data, {"a": noise(1, 300_000)})

    def change() -> None:
        lose(tmp_path / "store")
        make_tree(producer.data, {"a": noise(2, 300_000)})

    suspend(change)
    with pytest.raises(SourceChangedError, match="suspended for hours while tags moved") as caught:
        await producer.publish("n:stable", options=OPTIONS)
    assert "publish again" in caught.value.hint


async def test_a_conflict_that_is_found_afterwards_is_still_one(
    producer: Producer, tmp_path: Path, suspend: Suspend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release had moved already, so its version is made whole all the same."""
    make_tree(producer.data, {"a": noise(1, 300_000)})
    suspend(lambda: lose(tmp_path / "store"))
    real = Store.commit_tag

    async def commit_tag(store: Store, record: bytes) -> None:
        if await store.newest_tag("n", "1.0.0") is not None:
            raise ConflictError("somebody was first")
        await real(store, record)

    monkeypatch.setattr(Store, "commit_tag", commit_tag)
    with pytest.raises(ConflictError):
        await producer.publish("n:1.0.0", options=OPTIONS)
    record = await producer.newest("n", "1.0.0")
    assert record is not None
    assert record.root is not None
    assert await is_whole(producer.records, record.root)


async def test_who_is_suspended_again_and_again_says_so(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(producer.data, {"a": noise(1, 300_000)})
    real, looks = Marker.check_age, list[int]()

    async def check_age(marker: Marker) -> None:
        looks.append(1)
        if len(looks) > 1:
            raise SuspendedError("not renewed")
        await real(marker)

    monkeypatch.setattr(Marker, "check_age", check_age)
    with pytest.raises(SuspendedError, match="suspended for hours"):
        await producer.publish("n:stable", options=OPTIONS)


async def test_a_tag_that_was_moved_to_what_is_lost_is_an_error(
    producer: Producer, tmp_path: Path, suspend: Suspend
) -> None:
    version = await published(producer)
    suspend(lambda: lose(tmp_path / "store"))
    with pytest.raises(NotFoundError, match=r"suspended for hours while tags moved, and then: version .* is not whole"):
        await move(producer, "other", version)


async def test_a_tag_that_was_moved_to_what_is_still_there_has_moved(producer: Producer, suspend: Suspend) -> None:
    version = await published(producer)
    looks = suspend(lambda: None)
    assert (await move(producer, "other", version))[0].is_moved
    assert len(looks) == 2


async def published(producer: Producer) -> VersionId:
    make_tree(producer.data, {"a": noise(1, 300_000)})
    return (await producer.publish("n:stable", options=OPTIONS)).version.id


async def test_what_was_collected_beneath_an_import_is_brought_again(tmp_path: Path, suspend: Suspend) -> None:
    async with open_store(str(tmp_path / "origin")) as store:
        await filled(store, B)
        bundle = await bundle_of(store, B)
    suspend(lambda: lose(tmp_path / "far"))
    async with open_store(str(tmp_path / "far")) as store:
        done = await bring(bundle, store, tmp_path)
        assert done.tags == (f"maps:{TAG}",)
        assert done.blocks_new == len(parts(B))
        assert await is_whole(store, B.id)
