"""swarm diff on a real directory store: what it lists, and that what it predicts is what a fetch then lacks."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import trio

from swarm.config.key_file import make_key_file
from swarm.protocol.keys import SigningKey
from swarm.protocol.names import parse_reference
from swarm.seeder.publish import publish
from swarm.store import open_store
from tests.cli.conftest import Ended, Run

LARGE = random.Random(1).randbytes(6_000_000)


class Producer:
    """A store, a key, and a tree whose versions it publishes."""

    def __init__(self, directory: Path, key: SigningKey, run: Run) -> None:
        self.store = str(directory / "store")
        self.data = directory / "data"
        self.data.mkdir()
        self._key = key
        self._run = run

    def publish(self, tag: str, **files: bytes | None) -> None:
        """The tree with these files changed; None removes one."""
        for name, content in files.items():
            path = self.data / name
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)

        async def main() -> None:
            async with open_store(self.store) as store:
                await publish(self.data, [parse_reference(f"data:{tag}")], store=store, key=self._key)

        trio.run(main)

    def run(self, *words: str) -> Ended:
        return self._run(*words, "--store", self.store, "--no-lan")


@pytest.fixture
def producer(tmp_path: Path, home: Path, run: Run) -> Producer:
    found = Producer(tmp_path, make_key_file(home / "publisher.key", "publisher key"), run)
    found.publish("1.0.0", large=LARGE, moves=b"these bytes", goes=b"old", stays=b"same")
    inserted = LARGE[:3_000_000] + b"inserted" * 1000 + LARGE[3_000_000:]
    (found.data / "moves").rename(found.data / "moved")
    found.publish("1.1.0", large=inserted, goes=None, comes=b"new")
    return found


def test_each_file_is_listed_by_what_became_of_it(producer: Producer) -> None:
    (found,) = producer.run("diff", "data:1.0.0", "data:1.1.0", "--json").objects

    assert found["event"] == "diff"
    assert [row["path"] for row in found["added"]] == ["comes"]
    assert [row["path"] for row in found["removed"]] == ["goes"]
    assert [(row["from"], row["path"]) for row in found["moved"]] == [("moves", "moved")]
    assert [(row["path"], row["bytes_before"]) for row in found["changed"]] == [("large", len(LARGE))]
    assert found["touched"] == []
    assert found["new"]["bytes"] == found["old"]["bytes"] + 8000
    assert 0 < found["block_bytes"] < len(LARGE) / 2
    text = producer.run("diff", "data:1.0.0", "data:1.1.0").out
    assert "  > moves → moved  (11 B)" in text
    assert "1 added, 1 removed, 1 changed, 1 moved, 0 touched" in text


def test_what_diff_predicts_is_what_a_fetch_moves(producer: Producer, tmp_path: Path) -> None:
    """Within 2 %: by diff, by --dry-run, and by the receipt."""
    dest = str(tmp_path / "dest")
    assert producer.run("fetch", "data:1.0.0", dest, "--linger", "0").code == 0
    (predicted,) = producer.run("diff", "data:1.0.0", "data:1.1.0", "--json").objects

    planned = producer.run("fetch", "data:1.1.0", dest, "--dry-run", "--json").objects[-1]
    receipt = producer.run("fetch", "data:1.1.0", dest, "--linger", "0", "--json").objects[-1]

    moved = receipt["bytes_peer"] + receipt["bytes_origin"]
    assert moved
    for said in (predicted["block_bytes"], planned["bytes_to_fetch"]):
        assert abs(said - moved) <= 0.02 * moved
    assert os.path.getsize(f"{dest}/large") == len(LARGE) + 8000


@pytest.mark.parametrize("change", ["move", "swap", "copy", "edit"])
def test_where_many_small_files_move_it_is_as_exact(producer: Producer, tmp_path: Path, change: str) -> None:
    """Their blocks are all new, and hardly any byte is."""
    sizes = random.Random(2)
    small = {f"{number:03}": sizes.randbytes(sizes.randrange(1, 9_000)) for number in range(400)}
    producer.publish("1.2.0", large=None, **small)
    dest = str(tmp_path / "dest")
    assert producer.run("fetch", "data:1.2.0", dest, "--linger", "0").code == 0
    moved_too = dict(zip(small, reversed(small.values()), strict=True))
    if change == "move":
        (producer.data / "below").mkdir()
        for name in list(small)[::2]:
            (producer.data / name).rename(producer.data / "below" / name)
    changes = {
        "move": {"new": sizes.randbytes(100_000)},
        "swap": moved_too | {"200": b"edited"},
        "copy": {f"{name}a": small[name] for name in list(small)[:10]},
        "edit": {name: small[name] + b"more" for name in list(small)[::300]},
    }[change]
    producer.publish("1.3.0", **changes)

    (predicted,) = producer.run("diff", "data:1.2.0", "data:1.3.0", "--json").objects
    planned = producer.run("fetch", "data:1.3.0", dest, "--dry-run", "--json").objects[-1]
    receipt = producer.run("fetch", "data:1.3.0", dest, "--linger", "0", "--json").objects[-1]

    moved = receipt["bytes_peer"] + receipt["bytes_origin"]
    assert 0 < moved < receipt["bytes"]
    for said in (predicted["block_bytes"], planned["bytes_to_fetch"]):
        assert abs(said - moved) <= 0.02 * moved


def test_a_long_list_is_cut_short(producer: Producer) -> None:
    producer.publish("1.2.0", **{f"f{number:03}": b"%d" % number for number in range(60)})

    short = producer.run("diff", "data:1.1.0", "data:1.2.0").out
    whole = producer.run("diff", "data:1.1.0", "data:1.2.0", "--all").out

    assert "… and 20 more (--all lists them all)" in short
    assert short.count("  + f") == 40
    assert whole.count("  + f") == 60


def test_a_version_that_is_not_there(producer: Producer) -> None:
    ended = producer.run("diff", "data:1.0.0", "data:9.9.9")
    assert ended.code == 3
    assert producer.run("diff", "data:1.0.0").code == 2
