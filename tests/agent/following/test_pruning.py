"""Which old versions stay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.agent.following.pruning import superfluous
from swarm.protocol.ids import VersionId, digest

V = [VersionId(digest(bytes([number]))) for number in range(8)]


def test_what_was_current_last_stays_and_what_never_was_goes_first() -> None:
    there, installed = [V[5], V[4], V[3], V[2], V[1]], [V[4], V[2], V[1]]
    assert superfluous(there, {V[4]}, installed, 2) == [V[5], V[3]]
    assert superfluous(there, {V[4], V[5]}, installed, 1) == [V[1], V[3]]
    assert superfluous(there, {V[4]}, installed, 0) == [V[2], V[1], V[5], V[3]]
    assert superfluous(there, {V[4]}, installed, 9) == []


@given(st.permutations(V), st.sets(st.sampled_from(V)), st.permutations(V), st.integers(0, 10))
def test_what_is_used_never_goes_and_keep_is_kept(
    there: list[VersionId], used: set[VersionId], installed: list[VersionId], keep: int
) -> None:
    gone = superfluous(there, used, installed[:5], keep)
    assert not used & set(gone)
    assert len(gone) == max(0, len(there) - len(used) - keep)
