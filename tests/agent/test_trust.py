"""Which record is believed: every rule of DESIGN 3 (Trust) as a script of answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarm.agent.claims import is_believable
from swarm.agent.trust import Answer, Decision, Pinned, Seen, decide
from swarm.errors import ForkError, NotFoundError, RefusedError, SwarmError, TrustError
from swarm.protocol.records import TagRecord, sign_tag_record
from tests.agent.signing import ALICE, ALICES, BOB, MALLORY, NOW, OTHER_REALM, REALM, chain, root, tagged


def ask(
    *answers: Answer,
    tag: str | None = "latest",
    pin: Pinned | None = None,
    seen: bytes | None = None,
    seen_chain: tuple[bytes, ...] = (),
    now_ms: int = NOW,
) -> Decision:
    book = Seen(lambda _tag: seen, seen_chain)
    return decide("data", tag, answers, pin=pin, seen=book, now_ms=now_ms)


def store(*records: bytes, names: tuple[bytes, ...] = ALICES) -> Answer:
    return Answer("store", records, names)


def tracker(*records: bytes, names: tuple[bytes, ...] = ALICES) -> Answer:
    return Answer("tracker", records, names, root=b"the root")


def test_the_first_use_says_so() -> None:
    decision = ask(store(tagged()))
    assert decision.is_first_use
    assert decision.record.root == root(1)


def test_a_pinned_key_is_no_first_use() -> None:
    assert not ask(store(tagged()), pin=Pinned(ALICE.public_key, REALM)).is_first_use


def test_the_highest_record_of_several_sources_wins() -> None:
    assert ask(tracker(tagged(seq=1, to=1)), store(tagged(seq=2, to=2))).record.root == root(2)


def test_a_new_epoch_is_newer_than_any_number() -> None:
    assert ask(tracker(tagged(seq=9, to=1)), store(tagged(epoch=2, to=2))).record.root == root(2)


def test_the_root_comes_from_whoever_sent_it_along() -> None:
    assert ask(store(tagged()), tracker(tagged())).root == b"the root"


def test_equal_number_with_another_root_is_a_fork() -> None:
    with pytest.raises(ForkError, match="two records claim one number"):
        ask(tracker(tagged(to=1)), store(tagged(to=2)))


def test_older_than_seen_is_refused() -> None:
    with pytest.raises(RefusedError, match="older than what this machine has seen"):
        ask(store(tagged(seq=0)), seen=tagged(seq=5, to=2), seen_chain=ALICES)


def test_the_same_as_seen_is_taken() -> None:
    assert ask(store(tagged()), seen=tagged(), seen_chain=ALICES).record.seq == 0


def test_a_fork_against_what_was_seen_is_refused() -> None:
    with pytest.raises(ForkError):
        ask(store(tagged(to=1)), seen=tagged(to=2), seen_chain=ALICES)


def test_another_key_than_the_pinned_one_is_refused_with_both_shown() -> None:
    with pytest.raises(TrustError) as caught:
        ask(store(tagged(MALLORY), names=chain((MALLORY, (MALLORY,)))), pin=Pinned(ALICE.public_key, REALM))
    assert ALICE.fingerprint in str(caught.value)
    assert MALLORY.fingerprint in str(caught.value)


def test_listing_the_pinned_key_in_a_chain_of_ones_own_gains_nothing() -> None:
    names = chain((MALLORY, (MALLORY, ALICE)))
    with pytest.raises(TrustError):
        ask(store(tagged(MALLORY), names=names), pin=Pinned(ALICE.public_key, REALM))


def test_a_rotated_key_is_followed() -> None:
    names = chain((ALICE, (ALICE,)), (ALICE, (ALICE, BOB)), (BOB, (BOB,)))
    assert ask(store(tagged(BOB), names=names), pin=Pinned(ALICE.public_key, REALM)).record.key == BOB.public_key


def test_a_removed_key_signs_no_more() -> None:
    names = chain((ALICE, (ALICE, BOB)), (ALICE, (ALICE,)))
    with pytest.raises(TrustError, match="may no longer sign"):
        ask(store(tagged(BOB), names=names))


def test_a_source_that_is_behind_does_not_bring_a_removed_key_back() -> None:
    behind, newest = chain((ALICE, (ALICE, BOB))), chain((ALICE, (ALICE, BOB)), (ALICE, (ALICE,)))
    decision = ask(tracker(tagged(BOB, seq=7, to=7), names=behind), store(tagged(ALICE, seq=3, to=3), names=newest))
    assert decision.record.root == root(3)


def test_another_realm_than_the_pinned_one_is_refused_with_both_shown() -> None:
    names = chain((ALICE, (ALICE,)), realm=OTHER_REALM)
    with pytest.raises(TrustError) as caught:
        ask(store(tagged(realm=OTHER_REALM), names=names), pin=Pinned(ALICE.public_key, REALM))
    assert REALM.hex() in str(caught.value)
    assert OTHER_REALM.hex() in str(caught.value)
    assert "--realm" in caught.value.hint


def test_two_keys_that_claim_an_unpinned_name_are_refused_both_listed() -> None:
    lan = (
        Answer("lan", (tagged(ALICE),), ALICES),
        Answer("lan", (tagged(MALLORY, seq=9, to=9),), chain((MALLORY, (MALLORY,)))),
    )
    with pytest.raises(TrustError) as caught:
        ask(*lan)
    assert ALICE.fingerprint in str(caught.value)
    assert MALLORY.fingerprint in str(caught.value)


def test_a_chain_that_does_not_begin_like_the_one_seen_is_a_fork() -> None:
    with pytest.raises(ForkError):
        ask(store(tagged(MALLORY), names=chain((MALLORY, (MALLORY,)))), seen_chain=ALICES)


def test_without_a_tag_latest_is_meant_else_the_newest_release() -> None:
    assert ask(store(tagged(tag="1.0.0"), tagged(to=2)), tag=None).record.tag == "latest"
    assert ask(store(tagged(tag="1.0.0"), tagged(tag="1.10.0"), tagged(tag="1.9.0")), tag=None).record.tag == "1.10.0"


def test_a_removed_latest_does_not_hide_the_releases() -> None:
    assert ask(store(tagged(to=None, seq=1), tagged(tag="2.0.0")), tag=None).record.tag == "2.0.0"


def test_a_tombstone_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="removed"):
        ask(store(tagged(to=None)))


def test_an_unknown_tag_names_the_nearest() -> None:
    with pytest.raises(NotFoundError) as caught:
        ask(store(tagged(tag="stable")), tag="stabel")
    assert "stable" in caught.value.hint


def test_an_unknown_name_passes_on_what_the_sources_found_near() -> None:
    with pytest.raises(NotFoundError) as caught:
        ask(Answer("store", (), (), near=("date",)))
    assert "date" in caught.value.hint


def with_times(**times: int) -> bytes:
    record = TagRecord(REALM, "data", "latest", 1, 0, None, root(1), NOW, ALICE.public_key)
    return sign_tag_record(replace(record, **times), ALICE)  # type: ignore[arg-type]


@pytest.mark.parametrize("times", [{"expires": NOW}, {"not_before": NOW + 1}])
def test_a_record_counts_only_in_its_time(times: dict[str, int]) -> None:
    with pytest.raises(RefusedError):
        ask(store(with_times(**times)))


def test_a_forged_signature_never_counts() -> None:
    forged = bytearray(tagged())
    forged[-1] ^= 1
    with pytest.raises(SwarmError):
        ask(store(bytes(forged)))


def test_a_chain_that_was_seen_outlives_a_source_that_is_behind() -> None:
    """The removed key signs a newer record, and a source shows the chain from before its removal."""
    behind, newest = chain((ALICE, (ALICE, BOB))), chain((ALICE, (ALICE, BOB)), (ALICE, (ALICE,)))
    with pytest.raises(TrustError, match="may no longer sign"):
        ask(store(tagged(BOB, seq=9, to=9), names=behind), seen_chain=newest)
    decision = ask(store(tagged(ALICE, seq=9), names=behind), seen_chain=newest)
    assert decision.chain_records == newest


def test_older_than_seen_is_refused_also_where_no_tag_was_asked_for() -> None:
    with pytest.raises(RefusedError, match="older than what this machine has seen"):
        ask(store(tagged(seq=0)), tag=None, seen=tagged(seq=5, to=2), seen_chain=ALICES)


def test_what_was_seen_holds_the_realm_until_the_pin_says_otherwise() -> None:
    names = chain((ALICE, (ALICE,)), realm=OTHER_REALM)
    anew = store(tagged(realm=OTHER_REALM, to=7), names=names)
    for pin in (None, Pinned(ALICE.public_key, None), Pinned(ALICE.public_key, REALM)):
        with pytest.raises(TrustError) as caught:
            ask(anew, pin=pin, seen=tagged(seq=5), seen_chain=ALICES)
        assert OTHER_REALM.hex() in caught.value.hint
    pin = Pinned(ALICE.public_key, OTHER_REALM)
    assert ask(anew, pin=pin, seen=tagged(seq=5), seen_chain=ALICES).record.root == root(7)


def test_a_neighbour_cannot_spoil_what_the_store_says() -> None:
    mallorys = Answer("lan", (tagged(MALLORY, seq=9, to=9),), chain((MALLORY, (MALLORY,))))
    assert ask(mallorys, store(tagged(to=3))).record.root == root(3)
    assert ask(mallorys, store(tagged(to=3)), pin=Pinned(ALICE.public_key, None)).record.root == root(3)


def test_a_neighbour_that_is_ahead_in_the_same_history_counts() -> None:
    names = chain((ALICE, (ALICE,)), (ALICE, (ALICE, BOB)))
    ahead = Answer("lan", (tagged(BOB, seq=4, to=4),), names)
    assert ask(ahead, store(tagged(seq=3, to=3))).record.root == root(4)


def test_a_chain_of_somebody_elses_with_old_records_of_the_pinned_key_does_not_hide_the_true_one() -> None:
    """Records of Alice's are genuine, the chain around them is Mallory's: it must not make a fork of hers."""
    forged = tracker(tagged(ALICE, to=1), names=chain((MALLORY, (MALLORY, ALICE)), (MALLORY, (MALLORY, ALICE, BOB))))
    honest = store(tagged(ALICE, seq=2, to=2))
    for answers in ((forged, honest), (honest, forged)):
        assert ask(*answers, pin=Pinned(ALICE.public_key, REALM)).record.root == root(2)


def test_one_tag_that_nobody_signed_again_does_not_hide_the_others() -> None:
    names = chain((ALICE, (ALICE, BOB)), (ALICE, (ALICE,)))
    answer = store(tagged(BOB, tag="1.0.0", to=5), tagged(ALICE, to=6), names=names)
    assert ask(answer, tag=None, pin=Pinned(ALICE.public_key, REALM)).record.root == root(6)


def test_believable_is_what_would_count_by_itself() -> None:
    pin, seen = Pinned(ALICE.public_key, None), Seen(chain=ALICES)
    assert is_believable("data", store(tagged()), pin=pin, seen=seen)
    assert not is_believable("data", store(), pin=pin, seen=seen)
    assert not is_believable("data", store(tagged(MALLORY)), pin=pin, seen=seen)
    assert not is_believable("data", Answer("store", (b"garbage",), ALICES), pin=None, seen=Seen())
    assert not is_believable("other", store(tagged()), pin=pin, seen=seen)


def test_one_source_that_lies_does_not_silence_the_other() -> None:
    forged = bytearray(tagged(seq=9))
    forged[-1] ^= 1
    assert ask(tracker(bytes(forged)), store(tagged(to=3))).record.root == root(3)
