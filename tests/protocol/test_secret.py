from __future__ import annotations

from itertools import combinations

from swarm.protocol.secret import Role, is_proof, prove
from tests.protocol.samples import KEY, OTHER_KEY

NONCES = (b"a" * 16, b"b" * 16)
PEERS = (KEY.peer_id, OTHER_KEY.peer_id)


def test_a_proof_holds_for_its_secret_role_nonces_and_peers_only() -> None:
    proofs = [
        prove(secret, role, nonces, peers)
        for secret in (b"secret", b"Secret", b"")
        for role in Role
        for nonces in (NONCES, NONCES[::-1], (NONCES[0], NONCES[0]))
        for peers in (PEERS, PEERS[::-1])
    ]
    assert all(left != right for left, right in combinations(proofs, 2))
    assert {len(proof) for proof in proofs} == {32}


def test_a_proof_cannot_be_mirrored() -> None:
    """What the acceptor sends back is not what the dialer sent."""
    proof = prove(b"secret", Role.DIALER, NONCES, PEERS)
    assert is_proof(proof, b"secret", Role.DIALER, NONCES, PEERS)
    assert not is_proof(proof, b"secret", Role.ACCEPTOR, NONCES, PEERS)
    assert not is_proof(b"", b"secret", Role.DIALER, NONCES, PEERS)
