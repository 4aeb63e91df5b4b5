"""Every decoder gives a value or one of our refusals, whatever it is given, and stays within memory."""

from __future__ import annotations

import tracemalloc
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.errors import DecodeError, SignatureError, UnsafeManifestError
from swarm.protocol import cbor, keys
from swarm.protocol import messages as m
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.blocks_pages import decode_blocks_page, expand
from swarm.protocol.bounds import MESSAGE_BYTES_MAX, PAGE_BYTES_MAX, ROOT_BYTES_MAX
from swarm.protocol.chain import verify_chain
from swarm.protocol.codec import decode_message, encode_message
from swarm.protocol.envelope import seal
from swarm.protocol.frames import FrameHeader, pack, unpack
from swarm.protocol.ids import PeerId, digest
from swarm.protocol.lease import LEASE, sign_lease, verify_lease
from swarm.protocol.manifest import decode_root
from swarm.protocol.pages import decode_tree_page
from swarm.protocol.records import (
    NAME_RECORD,
    TAG_RECORD,
    decode_name_record,
    decode_tag_record,
    sign_name_record,
    sign_tag_record,
)
from swarm.protocol.version import assemble
from tests.examples import examples
from tests.protocol.samples import AGENT, KEY, ROOT_ID, lease, name_record, small_version, tag_record

BUILT = small_version()
REFUSALS = (DecodeError, UnsafeManifestError, SignatureError)
Decoder = Callable[[bytes], object]


def _read_blocks(data: bytes) -> object:
    page = decode_blocks_page(data)
    if page.positions < 10_000:
        expand(page, array("I"), 0)
    return page


def _read_peer_id(data: bytes) -> object:
    return keys.public_key_of(PeerId(data.decode("latin-1")))


DECODERS: dict[str, tuple[Decoder, bytes]] = {
    "root": (decode_root, BUILT.root_bytes),
    "blocks page": (_read_blocks, BUILT.pages[0]),
    "tree page": (decode_tree_page, BUILT.pages[1]),
    "tag record": (decode_tag_record, sign_tag_record(tag_record(labels=(("a", "b"),), notes="n"), KEY)),
    "name record": (decode_name_record, sign_name_record(name_record(), KEY)),
    "chain": (lambda data: verify_chain([data], name="@maps/tiles"), sign_name_record(name_record(), KEY)),
    "lease": (lambda data: verify_lease(data, KEY.public_key), sign_lease(lease(), KEY)),
    "frame": (unpack, pack(FrameHeader(1, 2, 3, 4, 9))),
    "bitfield": (lambda data: Bitfield.from_bytes(data, 13), b"\xff\xf8"),
    "peer id": (_read_peer_id, KEY.peer_id.encode()),
}
MESSAGES: list[m.Message] = [
    m.Resolved(1, (b"r",), (b"n",), b"root", ("near",)),
    m.Bitfield(1, b"\xff", b"\x00"),
    m.Haves(((0, ((1, 2), (5, 1))), (3, ()))),
    m.Request(1, 2, 3, ((1, 2),)),
    m.HandOut(ROOT_ID, (m.PeerInfo(AGENT, KEY.peer_id, ("/ip4/127.0.0.1/tcp/1",), "a/b", False),)),
    m.Leases((m.LeaseReport(1, m.LeaseState.MOVING, 5),)),
    m.Join(ROOT_ID, 9, 3, True, False, True, "a", (), (b"lease",), ((0, 1),), ((2, 1),), b"c"),
]
for _message in MESSAGES:
    DECODERS[type(_message).__name__] = (decode_message, encode_message(_message))

every_decoder = pytest.mark.parametrize("name", DECODERS)

each_function = pytest.mark.parametrize(
    "name", list({decode: name for name, (decode, _) in reversed(DECODERS.items())}.values())
)
"""All messages go through one decoder: for bytes that have nothing to do with the sample one name stands for them."""


def attempt(decode: Decoder, data: bytes) -> None:
    """Anything but a value or a refusal of ours propagates and fails the test."""
    text = ""
    try:
        decode(data)
    except REFUSALS as error:
        text = str(error)
    assert len(text) < 500, "an error stays readable"


@every_decoder
def test_the_samples_are_valid(name: str) -> None:
    decode, valid = DECODERS[name]
    decode(valid)


@each_function
@given(data=st.binary(max_size=200))
@settings(max_examples=examples(30))
def test_random_bytes(name: str, data: bytes) -> None:
    attempt(DECODERS[name][0], data)


@every_decoder
@given(data=st.data())
@settings(max_examples=examples(50))
def test_valid_bytes_with_some_changed_cut_or_added(name: str, data: st.DataObject) -> None:
    decode, valid = DECODERS[name]
    changed = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(0, len(changed) - 1)))
        piece = data.draw(st.binary(max_size=4))
        changed[place : place + data.draw(st.integers(0, 4))] = piece
    attempt(decode, bytes(changed))


odd = st.sampled_from(
    [None, True, -1, 0, 1, 2**31, 2**63, 2**64 - 1, b"", b"\0", b"a\0" * 9, "", "\u202e", [], [[]], {}]
)
odd_values = odd | st.recursive(
    odd, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 9), inner)
)


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """A CBOR value with something changed somewhere inside."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value)))
        return value | {key: draw(mutated(value[key]))}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(mutated(value[place])), *value[place + 1 :]]
    if isinstance(value, int) and draw(st.booleans()):
        return value + draw(st.sampled_from([-1, 1, 2**32]))
    if isinstance(value, bytes) and draw(st.booleans()):
        place = draw(st.integers(0, len(value)))
        return value[:place] + draw(st.binary(max_size=3)) + value[place + draw(st.integers(0, 3)) :]
    return draw(odd_values)


@every_decoder
@given(data=st.data())
@settings(max_examples=examples(50))
def test_well_formed_values_with_something_else_inside(name: str, data: st.DataObject) -> None:
    decode, valid = DECODERS[name]
    if name in ("frame", "bitfield", "peer id"):
        return
    value = cbor.decode(valid, max_bytes=MESSAGE_BYTES_MAX)
    attempt(decode, cbor.encode(data.draw(mutated(value))))


@pytest.mark.parametrize(
    ("schema", "sample", "context", "decode"),
    [
        (TAG_RECORD, tag_record(), keys.TAG_CONTEXT, decode_tag_record),
        (NAME_RECORD, name_record(), keys.NAME_CONTEXT, decode_name_record),
        (LEASE, lease(), keys.LEASE_CONTEXT, lambda data: verify_lease(data, KEY.public_key)),
    ],
    ids=["tag", "name", "lease"],
)
@given(data=st.data())
@settings(max_examples=examples(50))
def test_signed_bodies_with_something_else_inside(
    schema: Any, sample: Any, context: bytes, decode: Decoder, data: st.DataObject
) -> None:
    body = cbor.encode(data.draw(mutated(schema.write(sample))))
    attempt(decode, seal(body, KEY, context))


@given(data=st.data())
@settings(max_examples=examples(60))
def test_assembling_whole_pages_that_a_liar_wrote(data: st.DataObject) -> None:
    """Pages and root changed together, so that hashes hold and only meaning is wrong."""
    pages = list(BUILT.pages)
    root = cbor.decode(BUILT.root_bytes, max_bytes=ROOT_BYTES_MAX)
    assert isinstance(root, dict)
    place = data.draw(st.integers(0, 1))
    value = cbor.decode(pages[place], max_bytes=PAGE_BYTES_MAX)
    pages[place] = cbor.encode(data.draw(mutated(value)))
    listed = 5 if place == 0 else 4
    root[listed] = root[listed] | {2: digest(pages[place]), 3: [len(pages[place]), 0, b""]}
    if data.draw(st.booleans()):
        root = data.draw(mutated(root))
    attempt(lambda _: assemble(cbor.encode(root), dict(enumerate(pages))), b"")


BOMBS = [
    b"\x5b\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\xa8\x00\x01\x01\x80\x02\x5b\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\xa8" + b"\x80" * 1_000_000,
    b"\x9a\x00\x0f\x00\x00" + b"\x80" * 0xF0000,
    b"\x81" * 1_000_000,
    b"\x82\x18\x42\xa1\x03\x9a\x00\x0f\x00\x00" + b"\x82\x00\x01" * 300_000,
    b"\x82\x18\x21" + b"\xa1\x02" * 400_000,
    b"\x82\x18\x87\xa1\x02\x5b\x00\x00\x00\x01\x00\x00\x00\x00",
]


@each_function
@pytest.mark.parametrize("number", range(len(BOMBS)))
def test_bombs_are_refused_in_bounded_memory(name: str, number: int) -> None:
    bomb = BOMBS[number]
    tracemalloc.start()
    try:
        attempt(DECODERS[name][0], bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(bomb) * 4 + (8 << 20)


def test_a_tree_page_of_nothing_but_short_paths_stays_within_its_factor() -> None:
    """The densest page there is: 200,000 directories of three letters in one MiB."""
    letters = [
        bytes((a, b, c))
        for a in range(33, 127)
        for b in range(97, 123)
        for c in range(33, 127)
        if b"/"[0] not in (a, c)
    ]
    paths = sorted(path for path in letters if path != b"...")[:200_000]
    page = cbor.encode(
        {
            0: 1,
            1: [],
            2: b"".join(p + b"\0" for p in paths),
            3: [1, 0, b""],
            4: [0, 0, b""],
            5: [0, 0, b""],
            6: b"",
            8: b"",
        }
    )
    assert len(page) < PAGE_BYTES_MAX
    tracemalloc.start()
    decoded = decode_tree_page(page)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(decoded.paths) == len(paths)
    assert peak < 40 << 20
