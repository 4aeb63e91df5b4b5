"""Data of odd shapes: names that are hardly names, nothing at all, zeros, very many files, one very large file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.datasets import KIB, MIB, adds_up, bytes_of, make_data, same
from tests.e2e.processes import Event, Machine, Process, Stage

pytestmark = pytest.mark.timeout(300)

NAMES = [
    b" leading and trailing ",
    b"quotes ' and \" and `",
    "Ünïcödé 🦀 ｆｕｌｌ".encode(),
    "e\u0301 decomposed".encode(),
    "\u202egnp.exe".encode(),
    b"x" * 255,
    b"not \xff\xfe utf-8",
    b"new\nline",
    b"tab\there",
    b"back\\slash",
    b"-rf",
    b"*?[glob]",
    b"$HOME",
    b"con",
    b"\x01\x1b[31mcontrol",
    b"...",
    b"~",
]


def publish(stage: Stage, data: Path, *words: str) -> tuple[Process, Event]:
    """A seeder without a store, and what it takes to fetch from it."""
    producer = stage.machine("producer")
    seeder = producer.start("seed", str(data), "places:1.0.0", *words)
    return seeder, seeder.wait_for("ready")


def fetch(stage: Stage, ready: Event, name: str = "consumer") -> tuple[Machine, Event]:
    consumer = stage.machine(name)
    return consumer, consumer.fetch("places:1.0.0", str(consumer.copy), "--tracker", ready["http"])


def test_names_that_are_hardly_names(stage: Stage) -> None:
    data = stage.place / "data"
    top = os.fsencode(data)
    for number, name in enumerate(NAMES):
        directory = os.path.join(top, name)  # bytes
        os.makedirs(directory)
        with open(os.path.join(directory, name), "wb") as file:
            file.write(b"%d" % number * 100)
        os.symlink(name, os.path.join(directory, b"link"))
    seeder, ready = publish(stage, data)
    consumer, _receipt = fetch(stage, ready)
    assert same(data, consumer.copy)
    assert consumer.run("verify", str(consumer.copy)).code == 0
    listed = consumer.run("inspect", "places:1.0.0", "--tracker", ready["http"])
    assert listed.code == 0
    assert seeder.is_running


@pytest.mark.parametrize("shape", ["no files", "empty files", "only directories"])
def test_nothing_at_all_arrives(stage: Stage, shape: str) -> None:
    data = stage.place / "data"
    data.mkdir()
    if shape == "empty files":
        for name in ("a", "b", "c"):
            (data / name).touch()
    if shape == "only directories":
        (data / "a" / "b" / "c").mkdir(parents=True)
    _seeder, ready = publish(stage, data)
    consumer, receipt = fetch(stage, ready)
    assert same(data, consumer.copy)
    assert receipt["bytes"] == 0
    assert adds_up(receipt)


def test_a_file_is_a_dataset(stage: Stage) -> None:
    data = stage.place / "places.mdb"
    data.write_bytes(os.urandom(700 * KIB))
    _seeder, ready = publish(stage, data)
    consumer, _receipt = fetch(stage, ready)
    assert same(data, consumer.copy / "places.mdb"), "a directory with that one file"
    cat = subprocess.run(
        [sys.executable, "-m", "cli.main", "cat", "places:1.0.0"], env=consumer.env, capture_output=True, check=True
    )
    assert cat.stdout == data.read_bytes()
    assert consumer.run("verify", str(consumer.copy)).code == 0


def test_64_mib_of_zeros_are_a_block_or_two(stage: Stage) -> None:
    data = stage.place / "data"
    data.mkdir()
    (data / "zeros").write_bytes(bytes(64 * MIB))
    _seeder, ready = publish(stage, data)
    consumer, receipt = fetch(stage, ready)
    assert same(data, consumer.copy)
    assert receipt["bytes"] == 64 * MIB
    assert receipt["bytes_peer"] + receipt["bytes_origin"] <= 2 * MIB
    assert adds_up(receipt)
    shutil.rmtree(data)
    shutil.rmtree(consumer.copy)


def test_a_fifo_is_named_or_left_out(stage: Stage) -> None:
    data = make_data(stage.place / "data", 64 * KIB)
    os.mkfifo(data / "deep" / "pipe")
    producer = stage.machine("producer")
    ended = producer.run("seed", str(data), "places:1.0.0", "--store", str(stage.place / "store"), "--once")
    assert ended.code == 2
    assert "deep/pipe" in ended.complaint
    assert "--skip-special" in ended.complaint
    words = ("--store", str(stage.place / "store"), "--once", "--skip-special")
    assert "deep/pipe" in producer.run("seed", str(data), "places:1.0.0", *words).notes
    consumer = stage.machine("consumer")
    consumer.fetch("places:1.0.0", str(consumer.copy), "--store", str(stage.place / "store"))
    (data / "deep" / "pipe").unlink()
    assert same(data, consumer.copy)


def test_a_symlink_that_leads_outside_is_refused_at_the_producer(stage: Stage) -> None:
    data = make_data(stage.place / "data", 64 * KIB)
    (data / "deep" / "out").symlink_to("../../outside")
    producer = stage.machine("producer")
    ended = producer.run("seed", str(data), "places:1.0.0", "--store", str(stage.place / "store"), "--once")
    assert ended.code == 2
    assert "deep/out" in ended.complaint
    assert "--links" in ended.complaint


def test_part_of_a_dataset_and_then_the_rest(stage: Stage) -> None:
    data = make_data(stage.place / "data", 6 * MIB)
    _seeder, ready = publish(stage, data)
    consumer = stage.machine("consumer")
    words = ("places:1.0.0", str(consumer.copy), "--tracker", ready["http"])
    part = consumer.fetch(*words, "--include", "deep/er/*")
    assert same(data / "deep" / "er", consumer.copy / "deep" / "er")
    assert not (consumer.copy / "deep" / "00.bin").exists()
    assert part["files"] == 8
    moved = part["bytes_peer"] + part["bytes_origin"]
    assert 4 * MIB <= moved < 6 * MIB
    whole = consumer.fetch(*words)
    assert same(data, consumer.copy)
    assert whole["bytes_local"] >= 0.7 * moved, "all but the blocks that the two parts share"


def remove_many(tree: Path) -> None:
    """Several directories at once: there are file systems where each unlink waits 2 ms for the disk."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(shutil.rmtree, tree.iterdir()))
    tree.rmdir()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_100_000_small_files(stage: Stage) -> None:
    data = stage.place / "data"
    for number in range(100_000):
        directory = data / f"{number // 1000:03}"
        if number % 1000 == 0:
            directory.mkdir(parents=True)
        (directory / f"{number:06}").write_bytes(b"%06d" % number * (number % 7))
    seeder, ready = publish(stage, data)
    consumer, receipt = fetch(stage, ready)
    assert receipt["files"] == 100_000
    assert receipt["bytes"] == bytes_of(data)
    assert same(data, consumer.copy)
    assert seeder.is_running
    for tree in (data, consumer.copy):
        remove_many(tree)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sparse_file_of_5_gib(stage: Stage) -> None:
    """Past every 32-bit number; its holes are blocks of zeros, and stay holes or not as the file system likes."""
    data = stage.place / "data"
    data.mkdir()
    marks = {0: b"begin", 3 << 30: os.urandom(2 * MIB), (4 << 30) + 12345: os.urandom(3 * MIB)}
    with (data / "large").open("wb") as file:
        file.truncate(5 << 30)
        for offset, content in marks.items():
            file.seek(offset)
            file.write(content)
    _seeder, ready = publish(stage, data)
    consumer, receipt = fetch(stage, ready)
    assert receipt["bytes"] == 5 << 30
    assert receipt["bytes_peer"] + receipt["bytes_origin"] <= 64 * MIB
    assert adds_up(receipt)
    subprocess.run(["cmp", str(data / "large"), str(consumer.copy / "large")], check=True)
    for tree in (data, consumer.copy):
        shutil.rmtree(tree)
