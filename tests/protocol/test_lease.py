from __future__ import annotations

import pytest
from hypothesis import given, settings

from swarm.errors import DecodeError, SignatureError
from swarm.protocol import cbor
from swarm.protocol.bounds import LEASE_BYTES_MAX
from swarm.protocol.envelope import seal
from swarm.protocol.keys import LEASE_CONTEXT, TAG_CONTEXT
from swarm.protocol.lease import LEASE, Lease, sign_lease, verify_lease
from tests.examples import examples
from tests.protocol.samples import KEY, OTHER_KEY, lease
from tests.protocol.strategies import objects_of


@given(objects_of(LEASE).filter(lambda value: value.indexes))
@settings(max_examples=examples(30))
def test_leases_come_back(value: Lease) -> None:
    assert verify_lease(sign_lease(value, KEY), KEY.public_key) == value


def test_only_the_trackers_signature_holds() -> None:
    token = sign_lease(lease(), KEY)
    with pytest.raises(SignatureError):
        verify_lease(token, OTHER_KEY.public_key)
    with pytest.raises(SignatureError):
        verify_lease(seal(cbor.encode(LEASE.write(lease())), KEY, TAG_CONTEXT), KEY.public_key)


def test_the_longest_lease_fits_and_longer_ones_are_refused() -> None:
    runs = tuple((4_000_000 + 2 * n, 1) for n in range(64))
    token = sign_lease(lease(indexes=runs, number=2**63 - 1), KEY)
    assert len(token) <= LEASE_BYTES_MAX
    for wrong in ((), ((0, 65),), (*runs, (4_100_000, 1))):
        body = cbor.encode(LEASE.write(lease()) | {5: wrong})
        with pytest.raises(DecodeError):
            verify_lease(seal(body, KEY, LEASE_CONTEXT), KEY.public_key)
