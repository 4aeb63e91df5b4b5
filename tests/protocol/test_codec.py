from __future__ import annotations

from dataclasses import fields as dataclass_fields
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.errors import DecodeError, InternalError
from swarm.protocol import bounds as b
from swarm.protocol import cbor
from swarm.protocol import messages as m
from swarm.protocol.codec import UnknownMessage, decode_message, encode_message
from swarm.protocol.fields import NEEDED
from swarm.protocol.ids import AgentId, PeerId, VersionId
from swarm.protocol.message_table import CATALOG_KINDS, CONNECTION_KINDS, KINDS, PEER_KINDS, TRACKER_KINDS, MessageKind
from tests.examples import examples
from tests.protocol.strategies import objects_of

by_name = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.cls.__name__)


def test_every_message_has_one_number() -> None:
    assert {kind.cls for kind in KINDS} == set(get_args(m.Message))
    assert len({kind.number for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    ("kinds", "family", "first", "end"),
    [
        (CONNECTION_KINDS, m.ConnectionMessage, 1, 32),
        (CATALOG_KINDS, m.CatalogMessage, 32, 64),
        (PEER_KINDS, m.PeerMessage, 64, 128),
        (TRACKER_KINDS, m.TrackerMessage, 128, 192),
    ],
)
def test_families_keep_to_their_numbers(kinds: tuple[MessageKind, ...], family: object, first: int, end: int) -> None:
    assert {kind.cls for kind in kinds} == set(get_args(family))
    assert all(first <= kind.number < end for kind in kinds)


@by_name
def test_every_field_is_in_the_table_with_its_default(kind: MessageKind) -> None:
    table = {field.name: field for field in kind.schema.fields}
    assert set(table) == {field.name for field in dataclass_fields(kind.cls)}
    assert len({field.key for field in table.values()}) == len(table)
    for field in table.values():
        assert field.key >= 2 or kind.cls is m.Hello
        assert field.default is NEEDED or field.default in (None, (), "", False)


@by_name
@given(data=st.data())
@settings(max_examples=examples(25))
def test_messages_come_back(kind: MessageKind, data: st.DataObject) -> None:
    message = data.draw(objects_of(kind.schema))
    encoded = encode_message(message)
    assert decode_message(encoded) == message
    assert cbor.decode(encoded, max_bytes=kind.max_bytes), "what we write is canonical"


def test_a_message_to_the_byte() -> None:
    request = m.Request(request=5, grant=77, handle=3, runs=((1, 2), (9, 1)))
    assert encode_message(request).hex() == "821846a4020503184d04030582820102820901"
    assert encode_message(m.Alive()).hex() == "8203a0"


def test_an_unknown_type_is_no_error() -> None:
    for number in (0, 31, 200, 60_000, 65_535):
        assert decode_message(cbor.encode([number, {}])) == UnknownMessage(number)
        assert decode_message(cbor.encode([number, "whatever"])) == UnknownMessage(number)


@pytest.mark.parametrize(
    "data", ["", "82", "8203", "a0", "8303a000", "82a003", "8220a0", "821803a0", "82190003a0", "821a00010000a0"]
)
def test_what_is_no_pair_of_type_and_fields_is_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        decode_message(bytes.fromhex(data))


def test_unknown_fields_are_ignored_unless_required() -> None:
    assert decode_message(cbor.encode([3, {99: "new"}])) == m.Alive()
    with pytest.raises(DecodeError, match="requires key 99"):
        decode_message(cbor.encode([3, {1: [99], 99: "new"}]))


def test_each_type_has_a_bound_of_its_own() -> None:
    for kind in KINDS:
        # A message that is one byte longer than its bound, whatever it says, is not decoded.
        head = cbor.encode([kind.number, {}])[:-1]
        with pytest.raises(DecodeError, match=r"at most|a message of"):
            decode_message(head + bytes(kind.max_bytes + 1 - len(head)))


def test_a_message_past_its_bound_is_not_written() -> None:
    runs = tuple((4 * n, 1) for n in range(b.RUNS_MAX + 1))
    for message in (m.Want(1, runs), m.RootReply(1, bytes(b.MESSAGE_BYTES_MAX))):
        with pytest.raises(InternalError):
            encode_message(message)


@pytest.mark.parametrize(
    "message",
    [
        m.Resolved(1, (bytes(b.RECORD_BYTES_MAX),) * 16, (bytes(900),) * b.NAME_RECORDS_MAX, bytes(b.ROOT_BYTES_MAX)),
        m.RootReply(2**32 - 1, bytes(b.ROOT_BYTES_MAX)),
        m.Publish(1, bytes(b.RECORD_BYTES_MAX), (bytes(900),) * b.NAME_RECORDS_MAX, bytes(b.ROOT_BYTES_MAX)),
        m.Bitfield(1, bytes((b.INDEX_COUNT_MAX + 7) // 8), bytes((b.INDEX_COUNT_MAX + 7) // 8)),
        m.Want(1, tuple((100_000 + 2 * n, 1) for n in range(b.RUNS_MAX))),
        m.Request(1, 1, 1, tuple((b.INDEX_COUNT_MAX - 1 - 2 * n, 1) for n in reversed(range(64)))),
        m.HandOut(
            VersionId(bytes(32)),
            (m.PeerInfo(AgentId(bytes(32)), PeerId("1" * 64), ("a" * 255,) * 16, "s" * 255, False),) * 256,
        ),
        m.LeaseGrant(bytes(b.LEASE_BYTES_MAX), "u" * b.URL_BYTES_MAX),
        m.Leases(tuple(m.LeaseReport(2**63 - 1, m.LeaseState.MOVING, b.STREAM_BYTES_MAX) for _ in range(b.LEASES_MAX))),
        m.Goodbye("x" * 5000),
    ],
    ids=lambda message: type(message).__name__,
)
def test_the_largest_messages_fit_their_bounds(message: m.Message) -> None:
    decoded = decode_message(encode_message(message))
    assert decoded == message or isinstance(message, m.Goodbye)


def test_a_request_is_for_at_most_64_blocks() -> None:
    for runs in (((0, 65),), ((0, 60), (100, 5))):
        with pytest.raises(DecodeError):
            decode_message(encode_message(m.Request(1, 1, 1, runs)))


def test_names_on_the_wire_are_legal_names() -> None:
    for name in ("", "A", "../x", "a/b", "@a", "x" * 129):
        with pytest.raises(DecodeError):
            decode_message(encode_message(m.Resolve(1, name, None)))
    for tag in ("^1.2", "~1", "1.x", "latest"):
        assert decode_message(encode_message(m.Resolve(1, "@a/b", tag))) == m.Resolve(1, "@a/b", tag)
