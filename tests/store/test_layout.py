"""Keys, heads and the small objects to the byte: docs/store.md promises these."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import CorruptError, DecodeError, InternalError, RefusedError, UsageError
from swarm.protocol.cbor import decode
from swarm.protocol.ids import BlockId, Realm, VersionId
from swarm.store import layout
from swarm.store._objects import check_key
from swarm.store.blocks import decode_block, encode_block
from swarm.store.condemned import Condemnation, State, decode_condemnation, encode_condemnation
from swarm.store.identity import CreateClass, Identity, decode_identity, encode_identity

BLOCK = BlockId(bytes.fromhex("ab" * 32))


def near(good: bytes) -> st.SearchStrategy[bytes]:
    """Bytes that are almost `good`: a few replaced, removed or put in; and others that are not like it at all."""
    places = st.integers(0, len(good))
    changes = st.lists(st.tuples(places, places, st.binary(max_size=4)), min_size=1, max_size=3)

    def change(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = good
        for start, count, new in edits:
            data = data[:start] + new + data[start + min(count, 4) :]
        return data

    return st.builds(change, changes) | st.binary(max_size=80)


def test_keys_are_what_the_documents_say() -> None:
    assert layout.block_key(BLOCK) == "blocks/ab/" + "ab" * 32
    assert layout.version_key(VersionId(BLOCK)) == "versions/" + "ab" * 32
    assert layout.history_key("maps", "latest", 7) == "history/maps/latest/00000000000000000007"
    assert layout.tag_key("@acme/maps", "latest") == "tags/@acme/maps/latest"
    assert layout.name_key("@acme/maps", 0) == "names/@acme/maps/00000000000000000000"
    assert layout.marker_key("run") == "publishing/run"
    assert layout.gc_key("run") == "gc/run"


@given(st.integers(0, layout.NUMBER_MAX), st.integers(0, layout.NUMBER_MAX))
def test_the_order_of_keys_is_the_order_of_numbers(left: int, right: int) -> None:
    assert (layout.number(left) < layout.number(right)) == (left < right)
    assert layout.number_of(f"history/a/b/{layout.number(left)}") == left


@pytest.mark.parametrize("value", [-1, layout.NUMBER_MAX + 1])
def test_a_number_that_has_no_key_is_refused(value: int) -> None:
    with pytest.raises(UsageError):
        layout.number(value)


@pytest.mark.parametrize("key", ["history/a/b/7", "history/a/b/", "x", "history/a/b/0000000000000000000x"])
def test_what_is_no_number_is_no_record(key: str) -> None:
    with pytest.raises(DecodeError):
        layout.number_of(key)


@given(st.binary(min_size=32, max_size=32))
def test_a_block_is_found_again_by_its_key(data: bytes) -> None:
    block = BlockId(data)
    assert layout.block_of(layout.block_key(block)) == block
    assert layout.block_key(block).startswith(layout.block_prefix(data[0]))


@pytest.mark.parametrize(
    "key",
    ["blocks/ab/", "blocks/ab/zz", "blocks/ab/" + "AB" * 32, "blocks/aa/" + "ab" * 32, "ab" * 32, "", "blocks/ab/ab"],
)
def test_what_is_no_block_is_none(key: str) -> None:
    assert layout.block_of(key) is None


def test_names_are_read_from_keys() -> None:
    assert layout.name_of(layout.name_key("@a/b", 3)) == "@a/b"
    for key in ("names/a/3", "names/" + "0" * 20, "tags/a/" + "0" * 20, "names/a"):
        assert layout.name_of(key) is None


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "a/../b", "./a", "a\0", "x" * 256, "a/" * 600 + "a"])
def test_a_key_that_could_lead_outside_is_a_defect(key: str) -> None:
    with pytest.raises(InternalError):
        check_key(key)


def test_a_blocks_object_is_eight_bytes_and_the_block() -> None:
    assert encode_block(b"data").hex() == "7377620100000000" + b"data".hex()
    assert decode_block(encode_block(b""), key="k", max_length=0) == b""


@given(near(encode_block(b"data")))
def test_any_bytes_are_a_block_or_an_error_of_ours(body: bytes) -> None:
    with suppress(CorruptError, RefusedError):
        assert encode_block(decode_block(body, key="k", max_length=20)) == body


def test_the_identity_is_a_small_map() -> None:
    identity = Identity(Realm(bytes(range(16))), CreateClass.ATOMIC)
    data = encode_identity(identity)
    assert data.hex() == "a400010180" + "0250" + bytes(range(16)).hex() + "0301"
    assert decode_identity(data) == identity


@given(near(encode_identity(Identity(Realm(bytes(16)), CreateClass.CHECKED))))
def test_any_bytes_are_an_identity_or_an_error_of_ours(data: bytes) -> None:
    with suppress(DecodeError):
        assert isinstance(decode_identity(data), Identity)


def test_what_requires_more_than_we_know_is_refused() -> None:
    data = bytes.fromhex("a500010181040250" + "00" * 16 + "0301" + "0401")
    with pytest.raises(DecodeError, match="requires key 4"):
        decode_identity(data)
    known = bytes.fromhex("a5000101800250" + "00" * 16 + "0301" + "0401")
    assert decode_identity(known).create_class is CreateClass.ATOMIC


@given(st.integers(0, 10**12), st.lists(st.binary(min_size=32, max_size=32)), st.lists(st.text("abc", max_size=9)))
def test_condemnations_come_back(time_ms: int, blocks: list[bytes], markers: list[str]) -> None:
    condemnation = Condemnation(time_ms, b"".join(blocks), tuple(markers))
    assert decode_condemnation(encode_condemnation(condemnation)) == condemnation
    assert list(condemnation.block_ids()) == blocks


@given(near(encode_condemnation(Condemnation(5, bytes(64), ("run",)))))
def test_any_bytes_are_a_condemnation_or_an_error_of_ours(data: bytes) -> None:
    with suppress(DecodeError):
        assert len(decode_condemnation(data).blocks) % 32 == 0


def test_who_does_not_know_that_he_must_wait_for_a_sweep_refuses() -> None:
    """`required` names the state while blocks are being deleted, and only then; without it the old bytes stay."""
    plain = Condemnation(5, bytes(32), ("run",))
    assert decode(encode_condemnation(plain), max_bytes=1000) == {0: 1, 1: [], 2: 5, 3: bytes(32), 4: ["run"]}
    for state in State:
        found = decode(encode_condemnation(replace(plain, state=state)), max_bytes=1000)
        assert found[1] == ([5] if state in {State.CLAIMED, State.SWEEPING} else [])
        assert decode_condemnation(encode_condemnation(replace(plain, state=state))).state is state
