"""A publish from end to end, to a real directory store: what is there afterwards, and what is not when it fails."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from swarm.dataset.entries import ScanOptions
from swarm.dataset.selection import Selection
from swarm.dataset.source import Source
from swarm.errors import (
    ConflictError,
    NoSpaceError,
    NotFoundError,
    PermissionError_,
    RefusedError,
    SourceChangedError,
    TrustError,
    UnavailableError,
    UsageError,
)
from swarm.protocol.chain import verify_chain
from swarm.protocol.ids import BlockId, Realm, digest
from swarm.protocol.records import NameRecord, record_id, sign_name_record
from swarm.seeder.publication import Publication, PublishOptions
from swarm.seeder.upload import read_block
from swarm.store import Store, open_store
from swarm.store.directory import DirectoryObjects
from swarm.store.marker import Marker
from tests.dataset.trees import make_tree
from tests.seeder.producers import KEY, OTHER_KEY, Producer, producing, read_back

REALM = Realm(bytes(range(16)))


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def files_in(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


# --- what is published ---------------------------------------------------------------------------


async def test_a_consumer_finds_the_bytes_that_were_published(producer: Producer, tmp_path: Path) -> None:
    contents = {"a": noise(1, 900_000), "d/b": b"", "d/c": noise(2, 5)}
    make_tree(producer.data, {**contents, "d/link": "c", "empty/": b""})
    published = await producer.publish("@s/name:stable")
    record = await producer.newest("@s/name", "stable")
    assert record is not None
    version, stream = await read_back(producer.records, record)
    assert version.id == published.version.id == record.root
    assert [entry.path for entry in version.entries] == [b"a", b"d", b"d/b", b"d/c", b"d/link", b"empty"]
    assert stream == b"".join(contents.values())
    assert version.entries[0].digest == digest(contents["a"])
    assert published.bytes_new == len(stream)
    assert producer.watcher.phases == ["scan", "prepare", "upload", "commit"]
    assert not list((tmp_path / "store").glob("publishing/*"))


async def test_the_first_record_begins_a_history_and_claims_the_name(producer: Producer) -> None:
    published = await producer.publish("name")
    record = await producer.newest("name", "latest")
    assert record is not None
    assert (record.epoch, record.seq, record.prev, record.time) == (1001, 0, None, 1001)
    assert (record.key, record.realm, record.immutable) == (KEY.public_key, producer.records.realm, False)
    chain = verify_chain(published.name_records["name"], name="name", realm=producer.records.realm)
    assert chain.keys == (KEY.public_key,)
    assert await producer.records.name_chain("name") == published.name_records["name"]


async def test_a_change_is_the_next_record_and_sends_only_new_blocks(producer: Producer) -> None:
    make_tree(producer.data, {f"{n}": noise(n, 600_000) for n in range(8)})
    first = await producer.publish("name")
    make_tree(producer.data, {"9": noise(9, 100)})
    second = await producer.publish("name")
    record = await producer.newest("name", "latest")
    assert record is not None
    assert (record.epoch, record.seq, record.prev) == (1001, 1, record_id(first.tags[0].record))
    assert 0 < second.blocks_new <= 2
    assert second.bytes_new < first.bytes_new / 2


async def test_what_a_seeder_needs_is_in_what_publish_returns(producer: Producer) -> None:
    make_tree(producer.data, {f"{n}": noise(n, 300_000) for n in range(5)})
    published = await producer.publish("name")
    version = published.version
    for index in range(version.space.page_count, version.space.size):
        offset, length = version.stream_offsets(index)[0], version.length_of(index)
        assert digest(published.source.read(offset, length)) == version.id_of(index)
    assert [digest(page) for page in published.pages] == [ref.id for ref in version.space.page_refs]
    assert published.realm == producer.records.realm


@pytest.mark.parametrize(
    "tree", [{}, {"zero": b""}, {"one": b"1"}, {"d/e/": b""}], ids=["none", "zero", "one", "directory"]
)
async def test_the_smallest_datasets(producer: Producer, tree: dict[str, bytes | str]) -> None:
    make_tree(producer.data, tree)
    await producer.publish("name")
    record = await producer.newest("name", "latest")
    assert record is not None
    version, stream = await read_back(producer.records, record)
    assert stream == b"".join(value for value in tree.values() if isinstance(value, bytes))
    assert len(version.entries) == sum(1 + name.rstrip("/").count("/") for name in tree)


async def test_a_file_is_a_dataset(producer: Producer) -> None:
    producer.data = make_tree(producer.data, {"file": noise(1, 1000)}) / "file"
    published = await producer.publish("name")
    assert [entry.path for entry in published.version.entries] == [b"file"]
    assert published.source.read(0, 1000) == noise(1, 1000)


async def test_a_run_of_zeros_is_sent_once(producer: Producer, tmp_path: Path) -> None:
    with (producer.data / "zeros").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    published = await producer.publish("name")
    assert (published.blocks_new, published.bytes_new) == (1, 1024 * 1024)
    assert len(published.version.stream) == 64


# --- what stays as it is -------------------------------------------------------------------------


async def test_the_same_content_makes_no_new_version(producer: Producer) -> None:
    make_tree(producer.data, {"a": b"1"})
    first = await producer.publish("name")
    again = await producer.publish("name")
    assert again.is_unchanged
    assert not first.is_unchanged
    assert again.tags[0].record == first.tags[0].record
    assert (again.blocks_new, producer.watcher.uploaded) == (0, [])


async def test_times_alone_make_no_new_version(producer: Producer) -> None:
    make_tree(producer.data, {"a": b"1"})
    os.utime(producer.data / "a", ns=(5, 5))
    first = await producer.publish("name")
    os.utime(producer.data / "a", ns=(6, 6))
    again = await producer.publish("name")
    assert again.is_unchanged
    assert again.version.id == first.version.id
    assert again.version.entries[0].mtime_ns == 5
    assert again.pages == first.pages
    assert "only times differ" in producer.watcher.notes[0]


async def test_times_alone_are_published_anew_where_the_old_pages_are_lost(producer: Producer, tmp_path: Path) -> None:
    make_tree(producer.data, {"a": b"1"})
    first = await producer.publish("name")
    for ref in first.version.space.page_refs:
        (tmp_path / "store" / "blocks" / ref.id.hex()[:2] / ref.id.hex()).unlink()
    os.utime(producer.data / "a", ns=(6, 6))
    again = await producer.publish("name")
    assert again.tags[0].is_moved
    assert "not whole" in producer.watcher.notes[0]


async def test_a_release_whose_pages_are_lost_is_not_replaced(producer: Producer, tmp_path: Path) -> None:
    make_tree(producer.data, {"a": b"1"})
    os.utime(producer.data / "a", ns=(5, 5))
    first = await producer.publish("name:1.0.0")
    for ref in first.version.space.page_refs:
        (tmp_path / "store" / "blocks" / ref.id.hex()[:2] / ref.id.hex()).unlink()
    os.utime(producer.data / "a", ns=(6, 6))
    with pytest.raises(RefusedError, match="not whole"):
        await producer.publish("name:1.0.0")
    os.utime(producer.data / "a", ns=(5, 5))
    assert (await producer.publish("name:1.0.0")).is_unchanged
    record = await producer.newest("name", "1.0.0")
    assert record is not None
    assert (await read_back(producer.records, record))[1] == b"1"


async def test_a_mode_is_content(producer: Producer) -> None:
    make_tree(producer.data, {"a": b"1"})
    await producer.publish("name")
    (producer.data / "a").chmod(0o700)
    assert not (await producer.publish("name")).is_unchanged


async def test_what_the_store_has_lost_is_sent_again_though_nothing_changed(producer: Producer, tmp_path: Path) -> None:
    make_tree(producer.data, {"a": noise(1, 600_000)})
    first = await producer.publish("name")
    lost = first.version.block_ids[0].hex()
    (tmp_path / "store" / "blocks" / lost[:2] / lost).unlink()
    again = await producer.publish("name")
    assert again.is_unchanged
    assert again.blocks_new == 1
    assert len(await producer.records.get_block(first.version.block_ids[0])) == first.version.block_lengths[0]


async def test_a_dry_run_writes_nothing_and_counts(producer: Producer, tmp_path: Path) -> None:
    make_tree(producer.data, {"a": noise(1, 1000)})
    would = await producer.publish("name", options=PublishOptions(dry_run=True))
    assert (would.blocks_new, would.bytes_new, would.realm, would.tags) == (1, 1000, None, ())
    assert would.is_dry_run
    assert not would.is_unchanged
    assert not (tmp_path / "store").exists()
    await producer.publish("name")
    make_tree(producer.data, {"b": noise(2, 10)})
    before = files_in(tmp_path / "store")
    would = await producer.publish("name", options=PublishOptions(dry_run=True))
    assert would.blocks_new == 1
    assert files_in(tmp_path / "store") == before


async def test_a_dry_run_says_which_tags_would_move(producer: Producer) -> None:
    async def would(*names: str, no_latest: bool = False) -> tuple[str, ...]:
        found = await producer.publish(*names, options=PublishOptions(dry_run=True, no_latest=no_latest))
        assert found.is_unchanged == (not found.would_move)
        return found.would_move

    make_tree(producer.data, {"a": noise(1, 1000)})
    assert await would("name:1.4.0", "name:stable") == ("name:1.4.0", "name:stable", "name:latest")
    assert await would("name:1.4.0", no_latest=True) == ("name:1.4.0",)
    assert await would("name:1.4.0-rc1") == ("name:1.4.0-rc1",)
    await producer.publish("name:1.4.0")
    assert await would("name:1.4.0") == ()
    os.utime(producer.data / "a", (1, 1))  # times alone make no new version
    assert await would("name:1.4.0", "name:latest") == ()
    make_tree(producer.data, {"a": noise(2, 1000)})
    assert await would("name:1.3.0") == ("name:1.3.0",)
    assert await would("name:1.5.0", "other") == ("name:1.5.0", "other:latest", "name:latest")
    with pytest.raises(RefusedError, match=r"never moves: it means [0-9a-f]{16}, which has other content"):
        await would("name:1.4.0")


async def test_a_selection_of_nothing_is_refused_and_an_empty_directory_is_not(producer: Producer) -> None:
    make_tree(producer.data, {"a": b"1"})
    nothing = PublishOptions(scan=ScanOptions(selection=Selection(["*.misspelt"])))
    with pytest.raises(NotFoundError, match="is selected by --include"):
        await producer.publish("name", options=nothing)
    assert not producer.records.is_initialised, "no store was begun for it"
    (producer.data / "a").unlink()
    assert (await producer.publish("name")).version.root.totals.files == 0


# --- how it is cut -------------------------------------------------------------------------------


async def test_the_average_of_the_newest_version_is_kept(producer: Producer) -> None:
    make_tree(producer.data, {"a": b"1"})
    await producer.publish("name:1.0.0", options=PublishOptions(average=64 * 1024))
    make_tree(producer.data, {"a": b"2"})
    assert (await producer.publish("name:2.0.0")).version.root.cutter.average == 64 * 1024
    assert (await producer.publish("other")).version.root.cutter.average == 256 * 1024


async def test_another_average_is_refused_unless_it_is_said_twice(producer: Producer) -> None:
    make_tree(producer.data, {"a": noise(1, 500_000)})
    await producer.publish("name", options=PublishOptions(average=64 * 1024))
    with pytest.raises(UsageError, match=r"64 KiB.*128 KiB") as caught:
        await producer.publish("name", options=PublishOptions(average=128 * 1024))
    assert "all 500,000 bytes" in caught.value.hint
    same = await producer.publish("name", options=PublishOptions(average=64 * 1024))
    assert same.is_unchanged
    anew = await producer.publish("name", options=PublishOptions(average=128 * 1024, rechunk=True))
    assert anew.tags[0].is_moved
    assert anew.version.root.cutter.average == 128 * 1024
    assert "500,000 bytes move" in producer.watcher.notes[0]


async def test_rechunk_alone_chooses_by_the_size(producer: Producer) -> None:
    await producer.publish("name", options=PublishOptions(average=64 * 1024))
    anew = await producer.publish("name", options=PublishOptions(rechunk=True))
    assert anew.version.root.cutter.average == 256 * 1024


# --- failures ------------------------------------------------------------------------------------


async def expect_no_tag(producer: Producer) -> None:
    assert await producer.records.newest_tag("name", "latest") is None


def on_call(store: Store, name: str, act: Callable[[int], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls `act` with 1, 2, ... before each call of a method of the store."""
    method, calls = getattr(store, name), 0

    async def acting(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        act(calls)
        return await method(*arguments, **options)

    monkeypatch.setattr(store, name, acting)


async def test_a_killed_publish_is_continued(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(producer.data, {f"{n}": noise(n, 200_000) for n in range(30)})
    with trio.CancelScope() as scope, monkeypatch.context() as patch:
        on_call(producer.records, "put_block", lambda call: scope.cancel() if call == 12 else None, patch)
        await producer.publish("name", options=PublishOptions(average=64 * 1024))
    assert scope.cancelled_caught
    await expect_no_tag(producer)
    again = await producer.publish("name", options=PublishOptions(average=64 * 1024))
    total = len(again.version.block_ids)
    assert total > 50
    assert total - 12 - 32 <= again.blocks_new < total
    assert again.tags[0].is_moved


@pytest.mark.parametrize("moment", ["missing_blocks", "put_block", "put_root"])
async def test_a_source_that_changes_is_named_and_nothing_is_tagged(
    producer: Producer, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    make_tree(producer.data, {"a": noise(1, 1000), "b": b""})
    await producer.publish("other")
    make_tree(producer.data, {"a": noise(2, 1000)})
    on_call(producer.records, moment, lambda _: (producer.data / "b").write_bytes(b"new"), monkeypatch)
    with pytest.raises(SourceChangedError, match="changed while being published: b") as caught:
        await producer.publish("name")
    assert caught.value.exit_code == 9
    await expect_no_tag(producer)


async def test_bytes_that_are_not_what_was_hashed_are_never_sent(producer: Producer) -> None:
    """As after a write by mmap that no signature shows."""
    make_tree(producer.data, {"a": b"12", "b": b"34"})
    published = await producer.publish("name")
    with pytest.raises(SourceChangedError, match="changed while being published: a, b"):
        read_block(Source(published.scan), BlockId(digest(b"other")), 0, 4)


async def test_a_store_that_cannot_say_what_it_has_is_one_plain_error(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(producer.data, {f"{n}": noise(n, 200_000) for n in range(10)})
    await producer.publish("other")

    async def fail(_objects: object, key: str) -> None:
        if key.startswith("blocks/"):
            raise PermissionError_("forbidden")

    monkeypatch.setattr(DirectoryObjects, "stat", fail)
    with pytest.raises(PermissionError_, match="forbidden"):
        await producer.publish("name")


async def test_a_store_that_fails_is_one_plain_error(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(producer.data, {f"{n}": noise(n, 200_000) for n in range(10)})

    def fail(_call: int) -> None:
        raise UnavailableError("the store is down")

    on_call(producer.records, "put_block", fail, monkeypatch)
    await producer.records.initialise()
    with pytest.raises(UnavailableError, match="the store is down"):
        await producer.publish("name", options=PublishOptions(average=64 * 1024))
    await expect_no_tag(producer)


async def test_of_two_failures_at_once_the_one_that_says_more_is_told(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(producer.data, {f"{n}": noise(n, 200_000) for n in range(10)})
    failures = iter((UnavailableError("the store is down"), NoSpaceError("the store is full")))
    both = trio.Event()

    async def fail(*_words: object, **_options: object) -> None:
        failure = next(failures, None)
        if isinstance(failure, NoSpaceError):
            both.set()
        with trio.CancelScope(shield=True):  # as a request that is under way in a thread
            await both.wait()
        raise failure or UnavailableError("later")

    monkeypatch.setattr(Store, "put_block", fail)
    with pytest.raises(NoSpaceError, match="the store is full"):
        await producer.publish("name", options=PublishOptions(average=64 * 1024))


async def test_what_was_condemned_meanwhile_is_sent_again(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(producer.data, {"a": noise(1, 1000)})
    first = await producer.publish("name")
    block = first.version.block_ids[0]
    written: list[BlockId] = []
    put_block = producer.records.put_block

    async def condemned(_blocks: object) -> set[BlockId]:
        return {block}

    async def put(written_block: BlockId, data: bytes, *, is_missing: bool = False) -> bool:
        written.append(written_block)
        return await put_block(written_block, data, is_missing=is_missing)

    monkeypatch.setattr(producer.records, "missing_blocks", condemned_later)
    monkeypatch.setattr(producer.records, "condemned", condemned)
    monkeypatch.setattr(producer.records, "put_block", put)
    await producer.publish("name")
    assert written == [block]


async def condemned_later(_blocks: object, _progress: object = None) -> set[BlockId]:
    return set()


async def test_a_marker_that_is_too_old_stops_the_commit(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_old(_marker: Marker) -> None:
        raise UnavailableError("too old")

    monkeypatch.setattr(Marker, "check_age", too_old)
    with pytest.raises(UnavailableError, match="too old"):
        await producer.publish("name")
    await expect_no_tag(producer)


async def test_data_that_cannot_be_read_is_an_error(producer: Producer) -> None:
    os.mkfifo(producer.data / "pipe")
    with pytest.raises(UsageError, match="pipe"):
        await producer.publish("name")
    producer.data = producer.data / "nowhere"
    with pytest.raises(NotFoundError):
        await producer.publish("name")


async def test_a_store_inside_the_data_is_refused_unless_excluded(tmp_path: Path) -> None:
    make_tree(tmp_path / "data", {"a": b"1"})
    async with open_store(str(tmp_path / "data" / "store")) as store:
        inside = Producer(tmp_path / "data", store)
        with pytest.raises(UsageError, match="lie inside each other"):
            await inside.publish("name")
        assert not (tmp_path / "data" / "store" / "swarm.cbor").exists(), "and it has not become a store"
        options = PublishOptions(scan=ScanOptions(Selection(exclude=["/store"])))
        assert len((await inside.publish("name", options=options)).version.entries) == 1
    async with open_store(str(tmp_path / "data")) as store:
        with pytest.raises((UsageError, RefusedError)):
            await Producer(tmp_path / "data" / "store", store).publish("name")


async def test_skipped_files_are_said(producer: Producer) -> None:
    os.mkfifo(producer.data / "pipe")
    await producer.publish("name", options=PublishOptions(scan=ScanOptions(skip_special=True)))
    assert producer.watcher.notes == ["left out: pipe"]


@pytest.mark.parametrize("name", ["name:1.x", "name:^1", "name@" + "a" * 64, "name@abcdef"])
async def test_only_tags_can_be_published(producer: Producer, name: str) -> None:
    with pytest.raises(UsageError):
        await producer.publish(name)
    with pytest.raises(UsageError):
        await producer.publish()


# --- keys, realms, other producers ---------------------------------------------------------------


async def test_a_key_that_the_name_does_not_list_is_refused(producer: Producer) -> None:
    await producer.publish("name")
    producer.key = OTHER_KEY
    with pytest.raises(TrustError, match=KEY.fingerprint) as caught:
        await producer.publish("name:1.0.0")
    assert f"swarm key add name {OTHER_KEY.fingerprint}" in caught.value.hint
    assert (await producer.publish("other")).tags[0].is_moved


async def test_a_key_that_was_added_may_publish(producer: Producer) -> None:
    first = await producer.publish("name")
    chain = first.name_records["name"]
    keys = (KEY.public_key, OTHER_KEY.public_key)
    added = NameRecord(producer.records.realm, "name", 1, keys, record_id(chain[0]), 5, KEY.public_key)
    await producer.records.commit_name_record(sign_name_record(added, KEY))
    producer.key = OTHER_KEY
    make_tree(producer.data, {"a": b"new"})
    await producer.publish("name")
    record = await producer.newest("name", "latest")
    assert record is not None
    assert (record.key, record.seq) == (OTHER_KEY.public_key, 1)


async def test_a_record_by_a_key_that_was_removed_is_signed_again(producer: Producer) -> None:
    first = await producer.publish("name:1.0.0")
    chain = first.name_records["name"]
    removed = NameRecord(
        producer.records.realm, "name", 1, (OTHER_KEY.public_key,), record_id(chain[0]), 5, KEY.public_key
    )
    await producer.records.commit_name_record(sign_name_record(removed, KEY))
    producer.key = OTHER_KEY
    again = await producer.publish("name:1.0.0")
    assert [(tag.tag, tag.is_moved) for tag in again.tags] == [("1.0.0", True)]
    record = await producer.newest("name", "1.0.0")
    assert record is not None
    assert (record.root, record.seq, record.key) == (first.version.id, 1, OTHER_KEY.public_key)


async def other_publishes(producer: Producer, content: bytes, tmp_path: Path, key: object = KEY) -> Publication:
    """A second producer, with his own data, to the same store."""
    other = Producer(make_tree(tmp_path / "other", {"a": content}), producer.store, now_ms=9_000)
    other.key = key  # type: ignore[assignment]
    return await other.publish("name")


async def race(producer: Producer, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> Publication:
    """Publishes, and lets `act` come between the last look and the commit."""
    put_root = producer.records.put_root

    async def putting(*arguments: object) -> None:
        monkeypatch.setattr(producer.records, "put_root", put_root)
        await act()  # type: ignore[misc]
        await put_root(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(producer.records, "put_root", putting)
    return await producer.publish("name")


async def test_two_producers_who_move_one_tag(
    producer: Producer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(producer.data, {"a": b"0"})
    await producer.publish("name")
    make_tree(producer.data, {"a": b"mine"})
    with pytest.raises(ConflictError) as caught:
        await race(producer, monkeypatch, lambda: other_publishes(producer, b"his", tmp_path))
    record = await producer.newest("name", "latest")
    assert record is not None
    assert caught.value.exit_code == 8
    assert caught.value.newest == await producer.records.newest_tag("name", "latest")
    assert record.time == 9001
    assert caught.value.message.count("name:latest #1001.1") == 2
    assert (await producer.publish("name")).tags[0].is_moved


async def test_two_producers_of_one_content_agree(
    producer: Producer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(producer.data, {"a": b"same"})
    os.utime(producer.data / "a", ns=(7, 7))
    make_tree(tmp_path / "other", {"a": b"same"})
    os.utime(tmp_path / "other" / "a", ns=(7, 7))
    await producer.publish("name:first")
    other = Producer(tmp_path / "other", producer.store)
    published = await race(producer, monkeypatch, lambda: other.publish("name"))
    assert not published.tags[0].is_moved
    assert published.is_unchanged


async def test_a_name_that_somebody_else_claims_first(
    producer: Producer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(producer.data, {"a": b"mine"})
    with pytest.raises(TrustError, match=OTHER_KEY.fingerprint):
        await race(producer, monkeypatch, lambda: other_publishes(producer, b"his", tmp_path, OTHER_KEY))


async def test_a_realm_begins_a_lost_store_anew(producer: Producer) -> None:
    published = await producer.publish("name", options=PublishOptions(realm=REALM))
    assert published.realm == REALM == producer.records.realm
    with pytest.raises(ConflictError, match="realm"):
        await producer.publish("name", options=PublishOptions(realm=Realm(bytes(16))))


# --- many at once --------------------------------------------------------------------------------


async def test_several_tags_and_names_at_once(producer: Producer) -> None:
    make_tree(producer.data, {"a": b"1"})
    published = await producer.publish("name:dev", "name:stable", "@s/other", "name:dev")
    assert [(tag.name, tag.tag) for tag in published.tags] == [
        ("name", "dev"),
        ("name", "stable"),
        ("@s/other", "latest"),
    ]
    assert set(published.name_records) == {"name", "@s/other"}
    for tag in published.tags:
        record = await producer.newest(tag.name, tag.tag)
        assert record is not None
        assert record.root == published.version.id


async def test_uploads_are_many_at_once_and_bounded(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(producer.data, {"a": noise(1, 6_000_000)})
    under_way, most = 0, 0
    put_block = producer.records.put_block

    async def put(block: BlockId, data: bytes, *, is_missing: bool = False) -> bool:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            await trio.sleep(0.01)
            return await put_block(block, data, is_missing=is_missing)
        finally:
            under_way -= 1

    monkeypatch.setattr(producer.records, "put_block", put)
    monkeypatch.setattr("swarm.seeder.upload.IN_FLIGHT_BYTES_MAX", 1_500_000)
    published = await producer.publish("name", options=PublishOptions(average=64 * 1024))
    longest = max(published.version.block_lengths)
    assert most == 1_500_000 // longest
    assert producer.watcher.uploaded[-1][0] == producer.watcher.uploaded[-1][1]


async def test_many_small_files_are_few_blocks(tmp_path: Path) -> None:
    make_tree(tmp_path / "data", {f"{n:04}": str(n).encode() for n in range(1000)})
    async with producing(tmp_path) as producer:
        published = await producer.publish("name")
    assert published.blocks_new == 1
    assert len(published.version.entries) == 1000
