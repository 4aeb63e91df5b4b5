"""Which tags move: releases, `latest`, tombstones."""

from __future__ import annotations

import pytest

from swarm.errors import ConflictError, RefusedError
from swarm.protocol.ids import VersionId
from swarm.protocol.records import TagRecord, decode_tag_record, record_id, sign_tag_record
from swarm.seeder.publication import Publication, PublishOptions
from tests.dataset.trees import make_tree
from tests.seeder.producers import KEY, Producer


async def publish(producer: Producer, content: str, *names: str, no_latest: bool = False) -> Publication:
    make_tree(producer.data, {"a": content.encode()})
    return await producer.publish(*names, options=PublishOptions(no_latest=no_latest))


async def latest(producer: Producer) -> VersionId | None:
    record = await producer.newest("n", "latest")
    return record.root if record else None


async def set_tag(producer: Producer, tag: str, root: VersionId | None) -> None:
    """What `swarm tag` and `swarm untag` do."""
    data = await producer.records.newest_tag("n", tag)
    assert data is not None
    last = decode_tag_record(data)
    record = TagRecord(
        last.realm, "n", tag, last.epoch, last.seq + 1, record_id(data), root, last.time, KEY.public_key, last.immutable
    )
    await producer.records.commit_tag(sign_tag_record(record, KEY))


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [
        ("", "1.0.0", True),
        ("", "2024.01.31", True),
        ("", "1.0.0-rc1", False),
        ("", "dev", False),
        ("1.0.0", "1.0.1", True),
        ("1.9.0", "1.10.0", True),
        ("1.0.1", "1.0.0", False),
        ("1.0.0", "1.0.1-rc1", False),
        ("1.0.0", "2024.01.31", False),
        ("2024.01.31", "3.0.0", False),
        ("2024.01.31", "2024.02.01", True),
        ("latest", "1.0.0", False),
    ],
)
async def test_latest_follows_releases_upward(producer: Producer, before: str, after: str, moves: bool) -> None:
    first = (await publish(producer, "first", f"n:{before}")).version.id if before else None
    second = await publish(producer, "second", f"n:{after}")
    assert await latest(producer) == (second.version.id if moves else first)
    assert ("latest" in [tag.tag for tag in second.tags]) == moves


async def test_latest_stays_when_it_is_told_to(producer: Producer) -> None:
    await publish(producer, "first", "n:1.0.0", no_latest=True)
    assert await latest(producer) is None


async def test_latest_that_is_named_is_moved_by_no_rule(producer: Producer) -> None:
    await publish(producer, "first", "n:2.0.0")
    second = await publish(producer, "second", "n:1.0.0", "n:latest")
    assert await latest(producer) == second.version.id
    assert [tag.tag for tag in second.tags] == ["1.0.0", "latest"]


@pytest.mark.parametrize(("after", "moves"), [("1.0.2", True), ("0.9.0", False)])
async def test_latest_goes_on_from_a_release_that_was_removed(producer: Producer, after: str, moves: bool) -> None:
    """Or a bad release, once taken away, would be `latest` for ever."""
    await publish(producer, "first", "n:1.0.0")
    bad = await publish(producer, "bad", "n:1.0.1")
    await set_tag(producer, "1.0.1", None)
    second = await publish(producer, "second", f"n:{after}")
    assert await latest(producer) == (second.version.id if moves else bad.version.id)


async def test_latest_that_was_untagged_points_at_nothing(producer: Producer) -> None:
    await publish(producer, "first", "n:2.0.0")
    await set_tag(producer, "latest", None)
    second = await publish(producer, "second", "n:1.0.0")
    assert await latest(producer) == second.version.id


async def test_a_release_that_is_seeded_again_does_not_undo_a_roll_back(producer: Producer) -> None:
    first = await publish(producer, "first", "n:1.0.0")
    await publish(producer, "second", "n:1.1.0")
    await set_tag(producer, "latest", first.version.id)
    again = await publish(producer, "second", "n:1.1.0")
    assert again.is_unchanged
    assert await latest(producer) == first.version.id
    third = await publish(producer, "third", "n:1.2.0")
    assert await latest(producer) == third.version.id


async def test_a_publish_killed_before_latest_moved_is_completed(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(producer, "first", "n:1.0.0")
    with monkeypatch.context() as patch:
        fail_on_tag(producer, "latest", RuntimeError(), patch)
        with pytest.raises(RuntimeError):
            await publish(producer, "second", "n:1.1.0")
    again = await publish(producer, "second", "n:1.1.0")
    assert [(tag.tag, tag.is_moved) for tag in again.tags] == [("1.1.0", False), ("latest", True)]


def fail_on_tag(
    producer: Producer, tag: str, error: Exception, monkeypatch: pytest.MonkeyPatch, *, times: int = 99
) -> None:
    commit_tag, left = producer.records.commit_tag, times

    async def failing(record: bytes) -> None:
        nonlocal left
        if decode_tag_record(record).tag == tag and left:
            left -= 1
            raise error
        await commit_tag(record)

    monkeypatch.setattr(producer.records, "commit_tag", failing)


@pytest.mark.parametrize(("conflicts", "is_told"), [(1, False), (2, False), (3, True)])
async def test_a_conflict_about_latest_is_decided_anew_a_few_times(
    producer: Producer, monkeypatch: pytest.MonkeyPatch, conflicts: int, is_told: bool
) -> None:
    fail_on_tag(producer, "latest", ConflictError("first"), monkeypatch, times=conflicts)
    if is_told:
        with pytest.raises(ConflictError):
            await publish(producer, "first", "n:1.0.0")
    else:
        published = await publish(producer, "first", "n:1.0.0")
        assert await latest(producer) == published.version.id


async def test_a_release_cannot_be_moved_and_nothing_is_sent(producer: Producer) -> None:
    await publish(producer, "first", "n:1.0.0")
    with pytest.raises(RefusedError, match=r"n:1\.0\.0 is a release and never moves"):
        await publish(producer, "second", "n:dev", "n:1.0.0")
    assert producer.watcher.uploaded == []
    assert await producer.newest("n", "dev") is None
    record = await producer.newest("n", "1.0.0")
    assert record is not None
    assert record.immutable


async def test_a_release_that_was_untagged_is_never_used_again(producer: Producer) -> None:
    first = await publish(producer, "first", "n:1.0.0")
    await set_tag(producer, "1.0.0", None)
    with pytest.raises(RefusedError, match="was untagged"):
        await publish(producer, "first", "n:1.0.0")
    assert first.tags[0].is_moved


async def test_a_channel_that_was_untagged_goes_on(producer: Producer) -> None:
    await publish(producer, "first", "n:dev")
    await set_tag(producer, "dev", None)
    again = await publish(producer, "first", "n:dev")
    record = await producer.newest("n", "dev")
    assert record is not None
    assert (record.seq, record.root) == (2, again.version.id)
    assert again.tags[0].is_moved


async def test_a_channel_takes_the_version_of_a_release_with_its_content(producer: Producer) -> None:
    release = await publish(producer, "first", "n:1.0.0")
    await publish(producer, "second", "n:stable")
    again = await publish(producer, "first", "n:stable", "n:1.0.0")
    assert [(tag.tag, tag.is_moved) for tag in again.tags] == [("stable", True), ("1.0.0", False)]
    assert again.version.id == release.version.id


async def test_two_releases_of_one_content_stay_apart(producer: Producer) -> None:
    first = await publish(producer, "same", "n:1.0.0")
    await publish(producer, "other", "n:1.1.0-rc1")
    second = await publish(producer, "same", "n:1.0.1")
    assert second.version.id != first.version.id  # written at another time
    again = await publish(producer, "same", "n:1.0.0", "n:1.0.1")
    assert [tag.tag for tag in again.tags] == ["1.0.0"]
    assert again.version.id == first.version.id
    assert any("n:1.0.1 stays at" in note for note in producer.watcher.notes)


async def test_a_time_never_goes_back(producer: Producer) -> None:
    await publish(producer, "first", "n")
    producer.now_ms = 5
    await publish(producer, "second", "n")
    record = await producer.newest("n", "latest")
    assert record is not None
    assert (record.time, record.epoch) == (1001, 1001)
