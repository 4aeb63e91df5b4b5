from __future__ import annotations

import pytest

from swarm.errors import DecodeError, ForkError, RefusedError, TrustError
from swarm.protocol.chain import Chain, is_trusted, is_valid, verify_chain
from swarm.protocol.ids import Realm
from swarm.protocol.keys import SigningKey
from swarm.protocol.records import record_id, sign_name_record
from tests.protocol.samples import KEY, OTHER_KEY, REALM, name_record, tag_record

THIRD_KEY = SigningKey.from_seed(bytes(range(64, 96)))
NAME = "@maps/tiles"


def chain(*steps: tuple[SigningKey, tuple[SigningKey, ...]], **changes: object) -> list[bytes]:
    """Each step: who signs, and whom it lists."""
    records: list[bytes] = []
    for n, (signer, listed) in enumerate(steps):
        record = name_record(
            n=n,
            keys=tuple(key.public_key for key in listed),
            prev=record_id(records[-1]) if records else None,
            key=signer.public_key,
            **changes,
        )
        records.append(sign_name_record(record, signer))
    return records


def verified(*steps: tuple[SigningKey, tuple[SigningKey, ...]]) -> Chain:
    return verify_chain(chain(*steps), name=NAME, realm=REALM)


def test_keys_come_and_go_by_the_word_of_those_before() -> None:
    result = verified((KEY, (KEY,)), (KEY, (KEY, OTHER_KEY)), (OTHER_KEY, (OTHER_KEY,)))
    assert result.keys == (OTHER_KEY.public_key,)
    assert result.fingerprints == (OTHER_KEY.fingerprint,)
    assert result.signers == {KEY.public_key, OTHER_KEY.public_key}
    assert result.realm == REALM


def test_a_stranger_cannot_continue_a_chain() -> None:
    with pytest.raises(TrustError):
        verified((KEY, (KEY,)), (OTHER_KEY, (OTHER_KEY,)))
    with pytest.raises(TrustError):
        verified((KEY, (KEY,)), (KEY, (OTHER_KEY,)), (KEY, (KEY,)))


def test_the_chain_is_dense_and_linked() -> None:
    records = chain((KEY, (KEY,)), (KEY, (KEY, OTHER_KEY)), (KEY, (KEY,)))
    with pytest.raises(RefusedError):
        verify_chain(records[1:], name=NAME)
    with pytest.raises(RefusedError):
        verify_chain([records[0], records[2]], name=NAME)
    other = chain((KEY, (KEY, THIRD_KEY)))
    with pytest.raises(ForkError):
        verify_chain([other[0], records[1]], name=NAME)
    for wrong in ([], [records[0]] * 1025):
        with pytest.raises(DecodeError):
            verify_chain(wrong, name=NAME)


def test_another_name_or_realm_is_refused() -> None:
    records = chain((KEY, (KEY,)))
    with pytest.raises(RefusedError):
        verify_chain(records, name="other")
    with pytest.raises(TrustError, match="realm"):
        verify_chain(records, name=NAME, realm=Realm(bytes(16)))
    assert verify_chain(records, name=NAME).realm == REALM


def test_the_realm_does_not_change_on_the_way() -> None:
    first = chain((KEY, (KEY,)))
    second = sign_name_record(name_record(n=1, prev=record_id(first[0]), realm=Realm(bytes(16))), KEY)
    with pytest.raises(TrustError, match="realm"):
        verify_chain([*first, second], name=NAME)


def test_a_tag_record_is_valid_only_under_the_newest_keys() -> None:
    record = tag_record(key=KEY.public_key)
    assert is_valid(record, verified((KEY, (KEY,))))
    assert not is_valid(record, verified((KEY, (KEY,)), (KEY, (OTHER_KEY,))))
    for changes in ({"name": "other"}, {"realm": bytes(16)}, {"key": OTHER_KEY.public_key}):
        assert not is_valid(tag_record(**changes), verified((KEY, (KEY,))))


def test_a_pin_is_met_by_who_signed_not_by_who_is_listed() -> None:
    """A stranger may list the pinned key, which is public, beside its own."""
    hijacked = verified((OTHER_KEY, (OTHER_KEY, KEY)))
    pins = {KEY.public_key}
    assert not is_trusted(tag_record(key=OTHER_KEY.public_key), hijacked, pins)
    assert is_trusted(tag_record(key=KEY.public_key), hijacked, pins)
    honest = verified((KEY, (KEY,)), (KEY, (OTHER_KEY,)))
    assert is_trusted(tag_record(key=OTHER_KEY.public_key), honest, pins)
    assert not is_trusted(tag_record(key=KEY.public_key), honest, pins), "removed since"
    assert not is_trusted(tag_record(key=OTHER_KEY.public_key), honest, set())


def test_two_chains_agree_where_one_begins_with_the_other() -> None:
    steps = ((KEY, (KEY,)), (KEY, (KEY, OTHER_KEY)))
    short, long, other = verified(steps[0]), verified(*steps), verified((KEY, (KEY, THIRD_KEY)))
    assert long.extends(short)
    assert not short.extends(long)
    long.check_extends(short)
    short.check_extends(long)
    with pytest.raises(ForkError):
        other.check_extends(long)
