"""Tags that are moved, rolled back and removed: by which records, to which versions, and what is refused."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from swarm.errors import ConflictError, NotFoundError, RefusedError, UsageError
from swarm.protocol.ids import BlockId, VersionId
from swarm.protocol.records import TagRecord, decode_tag_record, record_id, sign_tag_record
from swarm.seeder.chronicle import LogEntry, Step, chronicle
from swarm.seeder.marks import NO_MARKS, Marks, parse_marks
from swarm.seeder.moving import point, read_history, remove, step_back
from swarm.seeder.presence import hold, load_kept
from swarm.seeder.publication import PublishOptions
from swarm.seeder.standing import read_standing
from swarm.seeder.tagging import PublishedTag, Signer
from swarm.store import open_store
from swarm.store.condemned import Condemnation, State, condemn
from swarm.store.layout import block_key
from tests.dataset.trees import make_tree
from tests.seeder.producers import KEY, OTHER_KEY, Producer
from tests.seeder.test_publish import noise
from tests.servers.moto import moto
from tests.servers.rgw import rgw
from tests.servers.s3server import S3Server

__all__ = ["moto", "rgw"]

OPTIONS = PublishOptions(average=64 * 1024)


async def publish(producer: Producer, content: bytes, *names: str, marks: Marks = NO_MARKS) -> VersionId:
    make_tree(producer.data, {"a": content})
    return (await producer.publish(*names, options=replace(OPTIONS, marks=marks))).version.id


async def move(
    producer: Producer, tag: str, version: VersionId, *, marks: Marks = NO_MARKS, is_forced: bool = False
) -> list[PublishedTag]:
    records = producer.records
    standing = await read_standing(records, [("n", tag)], KEY)
    signer = Signer(KEY, records.realm, producer.now_ms)
    kept = await load_kept(records, version)
    return await point(
        records, standing, kept, signer, marks=marks, is_forced=is_forced, has_blocks=producer.store is not None
    )


async def remove_tag(producer: Producer, tag: str, *, is_forced: bool = False) -> PublishedTag:
    standing = await read_standing(producer.records, [("n", tag)], KEY)
    signer = Signer(KEY, producer.records.realm, producer.now_ms)
    return await remove(producer.records, standing.tags[0], signer, Marks("gone"), is_forced=is_forced)


async def test_a_channel_moves_and_a_release_that_is_new_moves_latest(producer: Producer) -> None:
    first = await publish(producer, b"first", "n:1.0.0")
    second = await publish(producer, b"second", "n:next")
    assert [(tag.tag, tag.is_moved) for tag in await move(producer, "next", first)] == [("next", True)]
    assert [(tag.tag, tag.is_moved) for tag in await move(producer, "next", first)] == [("next", False)]
    assert [tag.tag for tag in await move(producer, "1.1.0", second)] == ["1.1.0", "latest"]
    latest = await producer.newest("n", "latest")
    assert latest is not None
    assert (latest.root, latest.seq) == (second, 1)


async def test_a_release_moves_only_by_force(producer: Producer) -> None:
    first = await publish(producer, b"first", "n:1.0.0")
    second = await publish(producer, b"second", "n:2.0.0")
    with pytest.raises(RefusedError, match="never moves") as refused:
        await move(producer, "1.0.0", second)
    assert "--force" in refused.value.hint
    with pytest.raises(RefusedError, match="not removed"):
        await remove_tag(producer, "1.0.0")
    await move(producer, "1.0.0", second, is_forced=True)
    record = await producer.newest("n", "1.0.0")
    assert record is not None
    assert (record.root, record.seq, record.immutable) == (second, 1, True)
    await remove_tag(producer, "2.0.0", is_forced=True)
    assert (await producer.newest("n", "2.0.0")) is not None
    with pytest.raises(RefusedError, match="was untagged"):
        await move(producer, "2.0.0", first)


async def test_seed_moves_a_release_by_force_and_says_what_that_means(producer: Producer) -> None:
    await publish(producer, b"first", "n:1.0.0")
    make_tree(producer.data, {"a": b"second"})
    with pytest.raises(RefusedError, match="never moves"):
        await producer.publish("n:1.0.0")
    published = await producer.publish("n:1.0.0", options=PublishOptions(is_forced=True))
    record = await producer.newest("n", "1.0.0")
    assert record is not None
    assert record.root == published.version.id
    assert any("will refuse it" in note for note in producer.watcher.notes)


async def test_notes_are_of_one_step_and_labels_go_with_the_version(producer: Producer) -> None:
    marks = parse_marks("first step", ["schema=3", "a/b=x=y"])
    first = await publish(producer, b"first", "n:dev", marks=marks)
    record = await producer.newest("n", "dev")
    assert record is not None
    assert (record.notes, record.labels) == ("first step", (("a/b", "x=y"), ("schema", "3")))
    again = await publish(producer, b"first", "n:dev")
    assert again == first
    assert (await producer.newest("n", "dev")) == record, "nothing was said, so nothing is signed"
    await publish(producer, b"first", "n:dev", marks=Marks("second step"))
    record = await producer.newest("n", "dev")
    assert record is not None
    assert (record.seq, record.notes, dict(record.labels)["schema"]) == (1, "second step", "3")
    await publish(producer, b"second", "n:dev")
    record = await producer.newest("n", "dev")
    assert record is not None
    assert (record.notes, record.labels) == ("", ())
    assert Marks("x").of_version(record) == Marks("x", ())


@pytest.mark.parametrize("text", ["nothing", "=x", "Big=1", "a=two\nlines", "a=" + "x" * 513])
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_marks(None, [text])


def test_what_is_no_note_is_refused() -> None:
    with pytest.raises(UsageError):
        parse_marks("bell\a", [])
    with pytest.raises(UsageError):
        parse_marks("x" * 20_000, [])
    assert parse_marks("two\nlines", []) == Marks("two\nlines")


# --- going back -----------------------------------------------------------------------------------


def record(seq: int, root: int | None) -> TagRecord:
    version = None if root is None else VersionId(bytes([root]) * 32)
    return TagRecord(b"r" * 16, "n", "t", 1, seq, b"p" * 32, version, 1, KEY.public_key)


@pytest.mark.parametrize(
    ("roots", "goes_to"),
    [
        ([1, 2], 1),
        ([1, 2, 3], 2),
        ([1, 2, 3, 2], 1),  # back once already: now the first
        ([1, 2, 1, 3], 1),
        ([1, 1, 2, 2], 1),  # signed again
        ([1, 2, None], 2),  # a tag that was removed comes back
        ([1, None], 1),
        ([1, 2, None, 3], 2),
    ],
)
def test_going_back_is_going_back_along_ones_own_steps(roots: list[int | None], goes_to: int) -> None:
    history = [record(seq, root) for seq, root in enumerate(roots)]
    assert step_back(history, None).root == bytes([goes_to]) * 32


@pytest.mark.parametrize("roots", [[1], [1, 2, 1], [1, 1], [None], [1, 2, 3, 1]])
def test_before_the_first_there_is_nothing(roots: list[int | None]) -> None:
    with pytest.raises(NotFoundError, match="nothing before"):
        step_back([record(seq, root) for seq, root in enumerate(roots)], None)


def test_going_back_to_a_number_or_a_digest() -> None:
    history = [record(seq, root) for seq, root in enumerate([0x11, 0x22, None, 0x33])]
    assert step_back(history, "1") is history[1]
    assert step_back(history, "#0") is history[0]
    assert step_back(history, "222222") is history[1]
    for unknown in ("7", "444444", "11"):
        with pytest.raises(NotFoundError, match=f"no record {unknown}"):
            step_back(history, unknown)
    with pytest.raises(UsageError, match="removed the tag"):
        step_back(history, "2")
    with pytest.raises(UsageError, match="neither"):
        step_back(history, "latest")


# --- what is to be kept ---------------------------------------------------------------------------


async def test_a_version_that_is_not_whole_any_more_is_not_tagged(producer: Producer, tmp_path: Path) -> None:
    first = await publish(producer, noise(1, 300_000), "n:1.0.0")
    await publish(producer, noise(2, 300_000), "n:1.1.0")
    kept = await load_kept(producer.records, first)
    (tmp_path / "store" / block_key(kept.version.block_ids[0])).unlink()
    with pytest.raises(NotFoundError, match="1 of its blocks are not there"):
        await move(producer, "stable", first)
    assert await producer.newest("n", "stable") is None


async def test_what_is_condemned_is_written_again_before_it_is_tagged(producer: Producer) -> None:
    """Else a collection of garbage would delete, a moment later, what the tag has just come to mean."""
    first = await publish(producer, noise(1, 300_000), "n:dev")
    kept = await load_kept(producer.records, first)
    ids = sorted({BlockId(first), *kept.version.block_ids, *(ref.id for ref in kept.version.space.page_refs)})
    condemnation = Condemnation(int(time.time() * 1000) + 5, b"".join(ids), (), State.CONDEMNED)
    objects = producer.records._objects
    await condemn(objects, "run", condemnation)
    await trio.sleep(0.02)
    assert await producer.records.condemned(set(kept.version.block_ids)) == set(kept.version.block_ids)
    async with producer.records.publishing():
        await hold(producer.records, kept, has_blocks=True)
    assert await producer.records.condemned(set(kept.version.block_ids)) == set()


async def test_without_a_store_only_the_history_is_looked_at(tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "history")) as history:
        producer = Producer(tmp_path / "data", None, history)
        first = await publish(producer, b"first", "n:1.0.0")
        assert [tag.tag for tag in await move(producer, "stable", first)] == ["stable"]


# --- two producers --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["directory", "moto", pytest.param("rgw", marks=pytest.mark.rgw)])
async def test_of_two_producers_one_wins_and_the_other_is_told_both_records(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = str(tmp_path / "store")
    if kind != "directory":
        server: S3Server = request.getfixturevalue(kind)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        url = f"s3://{server.new_bucket()}/prefix"
    async with open_store(url) as store:
        producer = Producer(tmp_path / "data", store)
        versions = [await publish(producer, bytes([n]), f"n:{n}.0.0") for n in range(1, 3)]
        signer = Signer(KEY, store.realm, producer.now_ms)
        standing = await read_standing(store, [("n", "stable")], KEY)  # what both have seen
        outcomes: list[list[PublishedTag] | ConflictError] = []

        async def run(version: VersionId) -> None:
            async with open_store(url) as mine:
                try:
                    outcomes.append(await point(mine, standing, await load_kept(mine, version), signer))
                except ConflictError as conflict:
                    outcomes.append(conflict)

        async with trio.open_nursery() as nursery:
            for version in versions:
                nursery.start_soon(run, version)
        history = await store.tag_history("n", "stable")
    (lost,) = [one for one in outcomes if isinstance(one, ConflictError)]
    ((won,),) = [one for one in outcomes if not isinstance(one, ConflictError)]
    assert lost.exit_code == 8
    assert history == [won.record] == [lost.newest]
    for version in versions:
        assert version.hex()[:8] in lost.message


# --- the log --------------------------------------------------------------------------------------


async def entries(producer: Producer, tag: str, limit: int = 100) -> list[LogEntry]:
    history = await read_history(producer.records, "n", tag)
    chain = (await read_standing(producer.records, [("n", tag)], KEY)).names[0].chain
    assert chain is not None
    return [entry async for entry in chronicle(producer.records, chain, history, limit)]


async def test_the_log_says_what_each_step_did_and_cost(producer: Producer) -> None:
    first = await publish(producer, noise(1, 600_000), "n:t", "n:1.0.0")
    await publish(producer, noise(1, 600_000) + noise(2, 200_000), "n:t", "n:2.0.0")
    await move(producer, "t", first)
    await move(producer, "t", first, marks=Marks("why"))
    await remove_tag(producer, "t")
    found = await entries(producer, "t")
    assert [entry.step for entry in found] == [Step.REMOVED, Step.SAME, Step.BACK, Step.MOVED, Step.MOVED]
    removed, same, back, second, begin = found
    assert (removed.bytes, removed.bytes_new) == (None, None)
    assert (same.bytes, same.bytes_new, same.record.notes) == (600_000, 0, "why")
    assert begin.bytes_new == begin.bytes == 600_000
    assert second.bytes == 800_000
    assert second.bytes_new is not None
    assert 200_000 <= second.bytes_new < 200_000 + 3 * 64 * 1024 * 4
    assert back.bytes_new is not None
    assert 0 < back.bytes_new <= 4 * 64 * 1024, "only the block at the end is another"
    assert all(entry.is_valid for entry in found)
    assert await entries(producer, "t", limit=2) == found[:2]
    await move(producer, "1.0.0", (await read_history(producer.records, "n", "2.0.0"))[0].root or first, is_forced=True)
    assert [entry.step for entry in await entries(producer, "1.0.0")] == [Step.FORCED, Step.MOVED]


async def test_the_log_says_which_key_may_no_longer_sign_and_what_is_gone(producer: Producer, tmp_path: Path) -> None:
    first = await publish(producer, b"first", "n:t")
    await publish(producer, b"second", "n:t")
    data = await producer.records.newest_tag("n", "t")
    assert data is not None
    last = decode_tag_record(data)
    stranger = replace(last, seq=2, prev=record_id(data), key=OTHER_KEY.public_key)
    await producer.records.commit_tag(sign_tag_record(stranger, OTHER_KEY))
    (tmp_path / "store" / "versions" / first.hex()).unlink()
    newest, second, gone = await entries(producer, "t")
    assert (newest.is_valid, newest.step) == (False, Step.SAME)
    assert (second.is_valid, second.bytes, second.bytes_new) == (True, 6, None)
    assert (gone.bytes, gone.bytes_new) == (None, None)
