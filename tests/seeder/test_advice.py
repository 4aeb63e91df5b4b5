"""When a producer is told that smaller blocks would move less, and when not."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.seeder.history import open_history
from swarm.seeder.publication import PublishOptions
from swarm.seeder.scatter import FileChange, best_saving
from swarm.store.layout import block_key
from tests.seeder.producers import Producer

KIB = 1024
SIZE = 24 * KIB * KIB
DATA = random.Random(1).randbytes(SIZE)


def pages(data: bytes, count: int, page: int = 4 * KIB) -> bytes:
    """`count` pages, anywhere, written anew."""
    rng, changed = random.Random(2), bytearray(data)
    for _ in range(count):
        at = rng.randrange(len(data) // page) * page
        changed[at : at + page] = rng.randbytes(page)
    return bytes(changed)


def stretches(data: bytes) -> bytes:
    """A quarter of the file in 16 stretches: scattered, but all of each is new."""
    changed = bytearray(data)
    for at in range(0, len(data), 1536 * KIB):
        changed[at : at + 384 * KIB] = random.Random(at).randbytes(384 * KIB)
    return bytes(changed)


def make_database(path: Path, rows: int = 20_000) -> None:
    with sqlite3.connect(path) as database:
        database.execute("create table t(i integer primary key, b blob)")
        rng = random.Random(3)
        database.executemany("insert into t values(?, ?)", ((number, rng.randbytes(900)) for number in range(rows)))
    database.close()


def update(path: Path, count: int) -> None:
    rng = random.Random(4)
    with sqlite3.connect(path) as database:
        changes = [(rng.randbytes(900), rng.randrange(20_000)) for _ in range(count)]
        database.executemany("update t set b = ? where i = ?", changes)
    database.close()


def hints(producer: Producer) -> list[str]:
    return [note for note in producer.watcher.notes if "--block-size" in note]


@pytest.mark.slow
async def test_scattered_writes_are_seen_and_what_is_said_is_about_what_smaller_blocks_move(producer: Producer) -> None:
    file = producer.data / "any.bin"
    moved = {}
    for name, options in (("any", None), ("small", PublishOptions(average=64 * KIB))):
        file.write_bytes(DATA)
        await producer.publish(name, options=options)
        assert not hints(producer)
        file.write_bytes(pages(DATA, 60))
        moved[name] = (await producer.publish(name, options=options)).bytes_new
        if name == "any":
            (hint,) = hints(producer)
    assert "any.bin changed in" in hint
    assert "--block-size 64KiB" in hint
    said = int(re.search(r"about ([\d,]+) fewer", hint)[1].replace(",", ""))  # type: ignore[index]
    assert said == pytest.approx(moved["any"] - moved["small"], rel=0.25)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data,
        lambda data: data + bytes(100_000),
        lambda data: data[: SIZE // 2] + b"inserted" + data[SIZE // 2 :],
        lambda data: data[: SIZE // 4] + random.Random(5).randbytes(SIZE // 2) + data[3 * SIZE // 4 :],
        lambda data: random.Random(6).randbytes(SIZE),
        lambda data: pages(data, 3),
        stretches,
    ],
    ids=["nothing", "append", "insert", "half", "everything", "three pages", "whole stretches"],
)
async def test_an_ordinary_change_is_no_reason_for_a_word(producer: Producer, change: Callable[[bytes], bytes]) -> None:
    (producer.data / "file").write_bytes(DATA)
    await producer.publish("name")
    assert not hints(producer)
    (producer.data / "file").write_bytes(change(DATA))
    await producer.publish("name")
    assert not hints(producer)


async def test_many_small_files_that_change_are_no_reason_either(producer: Producer) -> None:
    for number in range(400):
        (producer.data / f"{number}").write_bytes(random.Random(number).randbytes(60_000))
    await producer.publish("name")
    for number in range(0, 400, 8):
        (producer.data / f"{number}").write_bytes(random.Random(-number).randbytes(60_000))
    await producer.publish("name")
    assert not hints(producer)


async def test_a_database_is_known_when_it_is_first_published(producer: Producer) -> None:
    make_database(producer.data / "places.db")
    await producer.publish("name", options=PublishOptions(dry_run=True))
    assert not hints(producer)  # there is no store yet: nothing is known of the name
    await producer.publish("chosen", options=PublishOptions(average=256 * KIB))
    assert not hints(producer)
    await producer.publish("name")
    (hint,) = hints(producer)
    assert hint.startswith("places.db is an SQLite database")
    await producer.publish("name")
    assert not hints(producer)  # it has not changed


async def test_a_database_that_is_little_of_a_dataset_is_not_mentioned(producer: Producer) -> None:
    make_database(producer.data / "places.db", rows=6_000)
    (producer.data / "file").write_bytes(DATA)
    await producer.publish("name")
    assert not hints(producer)


async def test_without_a_store_only_a_database_is_believed(producer: Producer, tmp_path: Path) -> None:
    async with open_history(tmp_path / "home") as history:
        keeping = replace(producer, store=None, history=history)
        make_database(keeping.data / "places.db")
        await keeping.publish("db")
        update(keeping.data / "places.db", 60)
        await keeping.publish("db")
        (hint,) = hints(keeping)
        assert "places.db changed in" in hint
        (keeping.data / "places.db").unlink()
        (keeping.data / "any").write_bytes(DATA)
        await keeping.publish("any")
        (keeping.data / "any").write_bytes(pages(DATA, 60))
        await keeping.publish("any")
        assert not hints(keeping)


async def test_what_cannot_be_looked_at_is_no_reason_to_fail(producer: Producer, tmp_path: Path) -> None:
    (producer.data / "file").write_bytes(DATA)
    first = await producer.publish("name")
    for block in first.version.block_ids:
        (tmp_path / "store" / block_key(block)).unlink()
    (producer.data / "file").write_bytes(pages(DATA, 60))
    assert (await producer.publish("name")).blocks_new
    assert not hints(producer)


@given(st.lists(st.booleans(), min_size=1, max_size=400), st.sampled_from([128, 256, 1024, 4096]))
def test_no_saving_is_more_than_what_moved(flags: list[bool], average: int) -> None:
    length = average * KIB
    change = FileChange(len(flags) * length, tuple(flags), sum(flags) * length)
    if change.is_scattered:
        saving = best_saving([change], length)
        if saving is not None:
            assert 0 < saving.saved_bytes < saving.moved_bytes == sum(flags) * length
            assert 64 * KIB <= saving.average < length
