from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID

from swarm.errors import DecodeError, SignatureError, UsageError
from swarm.protocol import keys
from swarm.protocol.ids import PeerId, digest
from tests.protocol.samples import KEY, OTHER_KEY


def test_a_signature_holds_for_its_key_context_and_bytes_only() -> None:
    signature = KEY.sign(keys.TAG_CONTEXT, b"data")
    keys.verify(KEY.public_key, keys.TAG_CONTEXT, b"data", signature)
    for key, context, data, proof in (
        (OTHER_KEY.public_key, keys.TAG_CONTEXT, b"data", signature),
        (KEY.public_key, keys.NAME_CONTEXT, b"data", signature),
        (KEY.public_key, keys.TAG_CONTEXT, b"datA", signature),
        (KEY.public_key, keys.TAG_CONTEXT, b"data", bytes(64)),
        (KEY.public_key, keys.TAG_CONTEXT, b"data", b""),
        (b"short", keys.TAG_CONTEXT, b"data", signature),
    ):
        with pytest.raises(SignatureError):
            keys.verify(key, context, data, proof)


def test_a_context_ends_in_nul_so_that_none_is_the_beginning_of_another() -> None:
    with pytest.raises(ValueError, match="NUL"):
        KEY.sign(b"swarm/tag/1", b"")


def test_a_seed_makes_the_key_of_rfc_8032() -> None:
    """Section 7.1, test 1."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert keys.SigningKey.from_seed(seed).public_key.hex() == public


def test_the_seed_is_not_shown() -> None:
    assert KEY.seed.hex() not in repr(KEY)
    assert KEY.fingerprint in repr(KEY)


def test_peer_ids_are_those_of_libp2p() -> None:
    for key in (KEY, OTHER_KEY):
        theirs = ID.from_pubkey(create_new_key_pair(key.seed).public_key)
        assert key.peer_id == theirs.to_base58()
        assert key.peer_id.startswith("12D3Koo")
        assert keys.public_key_of(key.peer_id) == key.public_key


@pytest.mark.parametrize("text", ["", "1", "12D3KooW", "Qm" + "a" * 44, "z" * 52, "z" * 9999, "0OIl", "1" * 64, "é"])
def test_other_peer_ids_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        keys.public_key_of(PeerId(text))


@given(st.binary(min_size=32, max_size=32))
def test_names_of_a_key_come_back(public_key: bytes) -> None:
    assert keys.public_key_of(keys.peer_id_of(public_key)) == public_key
    assert keys.parse_fingerprint(keys.fingerprint(public_key)) == public_key
    assert keys.parse_fingerprint(f" {keys.fingerprint(public_key)}\n") == public_key


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:aaaa", "rsa:" + "a" * 52, "ed25519:" + "1" * 52])
def test_what_is_no_fingerprint_is_told_how_one_looks(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        keys.parse_fingerprint(text)
    assert "swarm key show" in caught.value.hint


def test_a_fingerprint_has_one_form() -> None:
    with pytest.raises(UsageError):
        keys.parse_fingerprint(KEY.fingerprint[:-1] + "b")


def test_an_agent_id_is_the_hash_of_the_key() -> None:
    assert KEY.agent_id == digest(KEY.public_key)


def test_seeds_have_32_bytes() -> None:
    with pytest.raises(ValueError, match="32"):
        keys.SigningKey.from_seed(b"x")
    assert keys.SigningKey.generate(KEY.seed).public_key == KEY.public_key
