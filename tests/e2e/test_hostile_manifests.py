"""Manifests that would harm, rightly hashed and rightly signed: refused, and nothing outside of DEST is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from swarm.protocol import cbor
from swarm.protocol.bounds import ROOT_BYTES_MAX
from tests.e2e.hostile_manifests import Change, tag_a_lie
from tests.e2e.processes import Machine, Stage

pytestmark = pytest.mark.timeout(300)


def replacing(old: bytes, new: bytes) -> Change:
    """Text for text of the same length, so that nothing else in the object changes."""
    assert len(old) == len(new)

    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new)

    return change


def changing(bound: int, what: Callable[[dict[int, Any]], None]) -> Change:
    """A field for a field."""

    def change(data: bytes) -> bytes:
        value = cast("dict[int, Any]", cbor.decode(data, max_bytes=bound))
        what(value)
        return cbor.encode(value)

    return change


def keep(data: bytes) -> bytes:
    return data


def bomb(page: bytes) -> bytes:
    """A map whose third field claims 4 GiB of paths; as long as the page it stands for."""
    return (b"\xa8\x00\x01\x01\x80\x02\x5b\x00\x00\x00\x01\x00\x00\x00\x00").ljust(len(page), b"\x00")


def nested(page: bytes) -> bytes:
    """Lists in lists in lists."""
    return b"\x81" * (len(page) - 1) + b"\x80"


def claim_files(root: dict[int, Any]) -> None:
    root[3][2] = 1 << 40


def claim_a_page(root: dict[int, Any]) -> None:
    root[4][3][0] = 1 << 32


LIES: dict[str, tuple[Change, Change]] = {
    "parent": (replacing(b"aa\0aa/evil\0", b"..\0../evil\0"), replacing(b"aa\0", b"..\0")),
    "absolute": (replacing(b"aa\0aa/evil\0", b"/a\0/a/evil\0"), replacing(b"aa\0", b"/a\0")),
    "dots-inside": (replacing(b"aa/evil", b"aa/../x"), keep),
    "twice": (replacing(b"lb\0", b"la\0"), keep),
    "below-a-link": (replacing(b"la.evil", b"la/evil"), keep),
    "link-out": (replacing(b"aa/evil-target", b"../../escaped!"), keep),
    "link-absolute": (replacing(b"aa/evil-target", b"/tmp/swarm-e2e"), keep),
    "page-bomb": (bomb, keep),
    "page-nested": (nested, keep),
    "root-files": (keep, changing(ROOT_BYTES_MAX, claim_files)),
    "root-page": (keep, changing(ROOT_BYTES_MAX, claim_a_page)),
}

REASONS = {
    "parent": "an unsafe path: b'..'",
    "absolute": "an unsafe path: b'/a'",
    "dots-inside": "an unsafe path: b'aa/../x'",
    "twice": "one twice",
    "below-a-link": "no directory of the version",
    "link-out": "leads outside",
    "link-absolute": "an unsafe path",
    "page-bomb": "ends too early",
    "page-nested": "nesting depth",
    "root-files": "1099511627776",
    "root-page": "4294967296",
}


@dataclass(frozen=True)
class Liar:
    """A store in which every lie has its tag, and what the producer said before."""

    producer: Machine
    store: Path


@pytest.fixture(scope="module")
def liar(shared: Stage) -> Liar:
    producer = shared.machine("producer")
    data, store = producer.place / "data", shared.place / "store"
    (data / "aa").mkdir(parents=True)
    for name in ("aa/evil", "la.evil", "zz"):
        (data / name).write_text(name)
    (data / "la").symlink_to("aa/evil-target")
    (data / "lb").symlink_to("aa")
    more = [word for name in LIES for word in ("-t", f"places:{name}")]
    ended = producer.run("seed", str(data), "places:true", *more, "--store", str(store), "--once")
    assert ended.code == 0, ended.err
    for name, (page, root) in LIES.items():
        tag_a_lie(store, producer.home / "publisher.key", "places", name, page, root)
    return Liar(producer, store)


def test_a_tag_that_tells_the_truth_can_be_fetched(liar: Liar, stage: Stage) -> None:
    consumer = stage.machine("consumer")
    consumer.fetch("places:true", str(consumer.copy), "--store", str(liar.store))
    assert (consumer.copy / "aa" / "evil").read_text() == "aa/evil"


@pytest.mark.parametrize("lie", LIES)
def test_it_is_refused_and_nothing_outside_is_touched(liar: Liar, stage: Stage, lie: str) -> None:
    consumer = stage.machine("consumer")
    place = consumer.place / "outer" / "inner"
    place.mkdir(parents=True)
    ended = consumer.run("fetch", f"places:{lie}", str(place / "copy"), "--store", str(liar.store))
    assert ended.code == 5, ended.err
    assert f"the manifest of places:{lie} is refused" in ended.complaint
    assert REASONS[lie] in ended.complaint
    assert list(place.iterdir()) == []
    assert [path.name for path in (consumer.place / "outer").iterdir()] == ["inner"]
    assert not Path("/tmp/swarm-e2e").exists()
    assert not Path("/a/evil").exists()


def test_it_is_refused_from_a_seeder_too(liar: Liar, stage: Stage) -> None:
    """A seeder that serves it from the store does not read it either."""
    seeder = stage.machine("seeder")
    ended = seeder.run("seed", "--from-store", "places:parent", "--store", str(liar.store))
    assert ended.code == 5, ended.err


def test_the_old_version_stays_where_a_lie_would_have_replaced_it(liar: Liar, stage: Stage) -> None:
    consumer = stage.machine("consumer")
    words = ("--store", str(liar.store), "--linger", "0")
    consumer.run("fetch", "places:true", str(consumer.copy), *words)
    assert consumer.run("fetch", "places:link-out", str(consumer.copy), *words).code == 5
    assert consumer.run("verify", str(consumer.copy)).code == 0
