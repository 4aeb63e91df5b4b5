from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from swarm.errors import DecodeError, UnsafeManifestError
from swarm.protocol import cbor
from swarm.protocol.bounds import PAGES_MAX, ROOT_BYTES_MAX
from swarm.protocol.columns import pack_numbers
from swarm.protocol.ids import BlockId, digest
from swarm.protocol.manifest import ROOT, Cutter, PageRef, Root, Totals, decode_root, encode_root, version_of
from swarm.protocol.version_builder import build_version
from tests.protocol.samples import CUTTER, file, small_version
from tests.protocol.trees import streams

BUILT = small_version()


def value_of(root: Root) -> dict[int, Any]:
    return ROOT.write(root)


def test_a_root_comes_back_and_names_the_version() -> None:
    assert decode_root(BUILT.root_bytes) == BUILT.root
    assert encode_root(BUILT.root) == BUILT.root_bytes
    assert BUILT.id == version_of(BUILT.root_bytes) == digest(BUILT.root_bytes)


def test_a_version_of_nothing_is_a_version() -> None:
    built = build_version([], [], CUTTER)
    root = decode_root(built.root_bytes)
    assert root.totals == Totals(0, 0, 0, 0, 0, 0, 0)
    assert (root.tree, root.blocks, built.pages) == ((), (), ())


@given(streams)
def test_totals_are_those_of_the_stream(stream: list[tuple[BlockId, int]]) -> None:
    total = sum(length for _, length in stream)
    root = decode_root(build_version([file(b"f", size=total)], stream, CUTTER).root_bytes)
    assert root.totals.bytes == root.totals.stream_bytes == total
    assert root.totals.blocks == len(set(stream))
    assert root.totals.positions == len(stream)
    assert root.totals.block_bytes == sum(length for _, length in set(stream))
    assert root.totals.entries == root.totals.files == 1


TOTALS = BUILT.root.totals


@pytest.mark.parametrize(
    "changes",
    [
        {"totals": replace(TOTALS, files=TOTALS.files + 1)},
        {"totals": replace(TOTALS, bytes=TOTALS.bytes + 1)},
        {"totals": replace(TOTALS, blocks=TOTALS.blocks + 1)},
        {"totals": replace(TOTALS, positions=TOTALS.positions - 1)},
        {"totals": replace(TOTALS, block_bytes=TOTALS.bytes + 1)},
        {"totals": replace(TOTALS, block_bytes=2)},
        {"cutter": replace(CUTTER, minimum=2, average=1)},
        {"cutter": replace(CUTTER, average=2, maximum=1, minimum=1)},
        {"cutter": replace(CUTTER, minimum=1, average=2, maximum=3)},
        {"tree": BUILT.root.tree * 2},
        {"tree": (replace(BUILT.root.tree[0], first_path=b"../up"),)},
        {"tree": ()},
        {"blocks": ()},
    ],
)
def test_a_root_that_contradicts_itself_is_unsafe(changes: dict[str, Any]) -> None:
    root = replace(BUILT.root, **changes)
    with pytest.raises(UnsafeManifestError):
        encode_root(root)
    with pytest.raises(UnsafeManifestError):
        decode_root(cbor.encode(value_of(root)))


def test_tree_pages_are_in_order_of_their_first_paths() -> None:
    one = BUILT.root.tree[0]
    two = (replace(one, entries=2, stream_bytes=300), replace(one, entries=4, stream_bytes=500, first_path=b"a"))
    with pytest.raises(UnsafeManifestError, match="order"):
        encode_root(replace(BUILT.root, tree=two))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (0, 2),
        (1, [9]),
        (2, {}),
        (3, {}),
        (4, {}),
        (4, []),
        (5, None),
        (6, b"short"),
    ],
)
def test_a_root_that_breaks_the_rules_is_refused(key: int, change: object) -> None:
    with pytest.raises(DecodeError):
        decode_root(cbor.encode(value_of(BUILT.root) | {key: change}))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (2, bytes(31)),
        (2, bytes(64)),
        (3, pack_numbers([0])),
        (3, pack_numbers([2**20 + 1])),
        (4, pack_numbers([0])),
        (4, pack_numbers([2**40])),
        (5, pack_numbers([2**60])),
        (6, pack_numbers([1])),
        (7, b"a"),
        (7, b"a\0b\0"),
        (7, b""),
    ],
)
def test_a_page_list_that_breaks_the_rules_is_refused(key: int, change: object) -> None:
    value = value_of(BUILT.root)
    value[4] = value[4] | {key: change}
    with pytest.raises((DecodeError, UnsafeManifestError)):
        decode_root(cbor.encode(value))


def test_unknown_parts_of_a_root_are_ignored_unless_required() -> None:
    value = value_of(BUILT.root)
    assert decode_root(cbor.encode(value | {99: "new"})) == BUILT.root
    with pytest.raises(DecodeError, match="requires"):
        decode_root(cbor.encode(value | {1: [99], 99: "new"}))


def test_pages_are_bounded() -> None:
    ref = PageRef(BlockId(bytes(32)), 100, 1, 0, 0, b"")
    tree = tuple(replace(ref, first_path=b"%08d" % n) for n in range(PAGES_MAX + 1))
    totals = Totals(PAGES_MAX + 1, 0, 0, 0, 0, 0, 0)
    for pages in (tree, tree[:-1]):
        root = Root(CUTTER, replace(totals, files=len(pages)), pages, (), bytes(32))
        data = cbor.encode(value_of(root))
        if len(pages) > PAGES_MAX:
            with pytest.raises(DecodeError):
                decode_root(data)
        else:
            assert len(data) < ROOT_BYTES_MAX
            assert decode_root(data) == root
    long = tuple(replace(ref, first_path=b"%04d" % n + b"/x" * 2000) for n in range(300))
    with pytest.raises(UnsafeManifestError) as caught:
        encode_root(Root(CUTTER, replace(totals, files=300), long, (), bytes(32)))
    assert caught.value.hint


def test_a_cutter_is_told_whole() -> None:
    cutter = Cutter("x-1", 9, 8, 10, 3, digest(b"gear"), (2**64 - 1, 1))
    root = replace(build_version([], [], CUTTER).root, cutter=cutter)
    assert decode_root(encode_root(root)).cutter == cutter
    for changes in (
        {"masks": (2**64,)},
        {"masks": (1,) * 9},
        {"algorithm": "X"},
        {"gear": b""},
        {"maximum": 2**24 + 1},
    ):
        with pytest.raises(DecodeError):
            decode_root(cbor.encode(value_of(replace(root, cutter=replace(cutter, **changes)))))
