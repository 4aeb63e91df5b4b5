from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from swarm.errors import DecodeError, ForkError, RefusedError, SignatureError, SwarmError
from swarm.protocol import cbor, keys
from swarm.protocol.bounds import RECORD_BYTES_MAX
from swarm.protocol.envelope import ENVELOPE, Envelope, seal
from swarm.protocol.ids import VersionId, digest
from swarm.protocol.records import (
    NAME_RECORD,
    TAG_RECORD,
    Order,
    TagRecord,
    check_follows,
    check_history,
    compare,
    decode_name_record,
    decode_tag_record,
    moves_immutable,
    record_id,
    sign_name_record,
    sign_tag_record,
)
from tests.examples import examples
from tests.protocol.samples import KEY, OTHER_KEY, ROOT_ID, name_record, tag_record
from tests.protocol.strategies import objects_of

OTHER_ROOT = VersionId(digest(b"another root"))


def signed(**changes: object) -> bytes:
    return sign_tag_record(tag_record(**changes), KEY)


def forged(body: dict[int, object], context: bytes = keys.TAG_CONTEXT) -> bytes:
    """A body that no writer of ours would sign."""
    return seal(cbor.encode(body), KEY, context)


def test_a_tag_record_comes_back_with_everything_in_it() -> None:
    record = tag_record(
        tag="1.2.3",
        seq=3,
        prev=bytes(32),
        not_before=5,
        expires=9,
        immutable=True,
        notes="first line\n\tsecond line",
        labels=(("build", "17"), ("git/commit", "abc")),
        rollout=b"\xa0",
    )
    assert decode_tag_record(sign_tag_record(record, KEY)) == record


def test_records_hold_only_with_their_own_signature() -> None:
    data = signed()
    value: Any = cbor.decode(data, max_bytes=RECORD_BYTES_MAX)
    for key, change in ((4, bytes(64)), (3, cbor.encode(TAG_RECORD.write(tag_record(seq=0, root=OTHER_ROOT))))):
        with pytest.raises(SignatureError):
            decode_tag_record(cbor.encode(value | {key: change}))


def test_a_signature_for_one_purpose_is_none_for_another() -> None:
    for context in (keys.NAME_CONTEXT, keys.LEASE_CONTEXT, keys.AGENT_CONTEXT):
        with pytest.raises(SignatureError):
            decode_tag_record(forged(TAG_RECORD.write(tag_record()), context))
    with pytest.raises(SignatureError):
        decode_name_record(forged(NAME_RECORD.write(name_record()), keys.TAG_CONTEXT))


def test_another_key_cannot_sign_in_ones_name() -> None:
    with pytest.raises(DecodeError):
        sign_tag_record(tag_record(), OTHER_KEY)
    body = cbor.encode(TAG_RECORD.write(tag_record()))
    with pytest.raises(SignatureError):
        decode_tag_record(seal(body, OTHER_KEY, keys.TAG_CONTEXT))


def test_an_unknown_algorithm_is_refused() -> None:
    body = cbor.encode(TAG_RECORD.write(tag_record()))
    data = cbor.encode(ENVELOPE.write(Envelope(2, body, KEY.sign(keys.TAG_CONTEXT, body))))
    with pytest.raises(DecodeError, match="alg"):
        decode_tag_record(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 1},  # without prev
        {"prev": bytes(32)},  # at seq 0
        {"tag": "1.x"},
        {"tag": "^1"},
        {"tag": "A"},
        {"name": "a/b"},
        {"tag": "1.2.3"},  # a release that is not immutable
        {"labels": (("b", ""), ("a", ""))},
        {"labels": (("a", ""), ("a", ""))},
        {"labels": (("A b", ""),)},
        {"labels": tuple((f"k{n:03}", "") for n in range(65))},
        {"notes": "x" * 16_385},
        {"notes": "\x1b[2J"},
        {"notes": "\udc80"},
        {"not_before": 9, "expires": 9},
        {"time": -1},
        {"epoch": 2**62},
        {"realm": b"short"},
        {"root": b"short"},
        {"rollout": bytes(4097)},
    ],
)
def test_a_record_that_breaks_the_rules_is_neither_signed_nor_read(changes: dict[str, object]) -> None:
    record = tag_record(**changes)
    with pytest.raises(DecodeError):
        sign_tag_record(record, KEY)
    if "\udc80" not in record.notes:
        with pytest.raises(DecodeError):
            decode_tag_record(forged(TAG_RECORD.write(record)))


def test_a_record_that_requires_what_we_do_not_know_is_refused() -> None:
    body = TAG_RECORD.write(tag_record())
    assert decode_tag_record(forged(body | {99: 1})) == tag_record()
    with pytest.raises(DecodeError, match="requires"):
        decode_tag_record(forged(body | {1: [99], 99: 1}))


@given(objects_of(TAG_RECORD))
@settings(max_examples=examples(30))
def test_tag_records_come_back_or_are_refused(record: TagRecord) -> None:
    record = replace(record, key=KEY.public_key)
    try:
        data = sign_tag_record(record, KEY)
    except DecodeError:
        return
    assert decode_tag_record(data) == record


@pytest.mark.parametrize(
    ("known", "other", "order"),
    [
        ((5, 3), (5, 3), Order.SAME),
        ((5, 3), (5, 4), Order.NEWER),
        ((5, 3), (6, 0), Order.NEWER),
        ((5, 3), (5, 2), Order.OLDER),
        ((5, 3), (4, 9), Order.OLDER),
    ],
)
def test_records_are_ordered_by_epoch_then_seq(known: tuple[int, int], other: tuple[int, int], order: Order) -> None:
    one, two = (tag_record(epoch=e, seq=s, prev=bytes(32) if s else None) for e, s in (known, other))
    assert compare(one, two) is order


def test_an_equal_number_with_another_root_is_a_fork() -> None:
    for other in (OTHER_ROOT, None):
        assert compare(tag_record(), tag_record(root=other)) is Order.FORK
        with pytest.raises(ForkError) as caught:
            check_follows(signed(), signed(root=other))
        assert "nothing" in str(caught.value) or digest(b"another root")[:4].hex() in str(caught.value)


def test_the_next_record_names_the_one_before_it() -> None:
    first = signed()
    good, bad = signed(seq=1, prev=record_id(first)), signed(seq=1, prev=bytes(32))
    assert check_follows(first, good) is Order.NEWER
    assert check_follows(good, first) is Order.OLDER
    assert check_follows(first, first) is Order.SAME
    for pair in ((first, bad), (bad, first)):
        with pytest.raises(ForkError):
            check_follows(*pair)
    assert check_follows(first, signed(seq=2, prev=bytes(32))) is Order.NEWER, "what lies between is not known here"


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_immutable_tag_never_means_anything_else(epoch: int) -> None:
    first = signed(tag="1.0.0", immutable=True)
    step = {"seq": 1, "prev": record_id(first)} if not epoch else {"epoch": tag_record().epoch + epoch}
    for root, is_allowed in ((ROOT_ID, True), (None, True), (OTHER_ROOT, False)):
        second = signed(tag="1.0.0", immutable=True, root=root, **step)
        if is_allowed:
            assert check_follows(first, second) is Order.NEWER
        else:
            with pytest.raises(RefusedError, match="immutable"):
                check_follows(first, second)


def test_a_history_that_moves_an_immutable_tag_is_still_one_history() -> None:
    """Who passes records on does not judge: who was promised that the tag stays does."""
    first = signed(tag="1.0.0", immutable=True)
    second = signed(tag="1.0.0", immutable=True, root=OTHER_ROOT, seq=1, prev=record_id(first))
    assert check_history(first, second) is Order.NEWER
    assert moves_immutable(decode_tag_record(first), decode_tag_record(second))
    assert not moves_immutable(decode_tag_record(first), decode_tag_record(first))
    with pytest.raises(ForkError):
        check_history(first, signed(tag="1.0.0", immutable=True, root=OTHER_ROOT))
    with pytest.raises(RefusedError, match="does not belong"):
        check_history(first, signed(tag="1.0.1", immutable=True))


def test_nothing_follows_the_tombstone_of_an_immutable_tag() -> None:
    tombstone = signed(tag="1.0.0", immutable=True, root=None)
    step = {"seq": 1, "prev": record_id(tombstone), "tag": "1.0.0", "immutable": True}
    assert check_follows(tombstone, signed(**step, root=None)) is Order.NEWER
    with pytest.raises(RefusedError):
        check_follows(tombstone, signed(**step))


def test_a_channel_moves_and_comes_back_after_its_tombstone() -> None:
    first = signed(root=None)
    assert check_follows(first, signed(seq=1, prev=record_id(first), root=OTHER_ROOT)) is Order.NEWER


def test_records_of_another_history_are_refused() -> None:
    for changes in ({"realm": bytes(16)}, {"name": "other"}, {"tag": "other"}):
        with pytest.raises(RefusedError):
            check_follows(signed(), signed(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": ()},
        {"keys": (KEY.public_key, KEY.public_key)},
        {"keys": (OTHER_KEY.public_key,)},
        {"n": 1},
        {"prev": bytes(32)},
        {"n": 1024, "prev": bytes(32)},
        {"keys": tuple(digest(b"%d" % n) for n in range(257))},
        {"name": ""},
    ],
)
def test_a_name_record_that_breaks_the_rules_is_neither_signed_nor_read(changes: dict[str, object]) -> None:
    record = name_record(**changes)
    with pytest.raises(DecodeError):
        sign_name_record(record, KEY)
    with pytest.raises(DecodeError):
        decode_name_record(forged(NAME_RECORD.write(record), keys.NAME_CONTEXT))
    with pytest.raises(DecodeError):
        sign_name_record(name_record(), OTHER_KEY)


def test_the_largest_name_record_fits() -> None:
    many = (KEY.public_key, *(digest(b"%d" % n) for n in range(255)))
    record = name_record(keys=many)
    assert decode_name_record(sign_name_record(record, KEY)) == record


def test_every_error_is_ours() -> None:
    for data in (b"", b"\x80", b"\xa0", bytes(RECORD_BYTES_MAX + 1)):
        for decode in (decode_tag_record, decode_name_record):
            with pytest.raises(SwarmError):
                decode(data)
