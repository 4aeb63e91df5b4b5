"""`name:^1.4` among several sources: which release it means, and that nobody can take one back by leaving it out."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.agent.listing import ALIVE_MAX, in_range
from swarm.agent.notices import Note
from swarm.agent.trust import Answer, Pinned, Seen, decide
from swarm.errors import ForkError, NotFoundError, RefusedError, TrustError
from swarm.protocol.records import decode_tag_record
from tests.agent.signing import ALICE, ALICES, BOB, MALLORY, NOW, chain, tagged
from tests.agent.world import make_data, open_world, same_trees


def meant(query: str, *answers: Answer, pin: Pinned | None = None, seen: Seen | None = None) -> str:
    return decide("data", query, answers, pin=pin, seen=seen or Seen(), now_ms=NOW).record.tag


def store(*records: bytes, names: tuple[bytes, ...] = ALICES) -> Answer:
    return Answer("store", records, names)


def test_the_greatest_release_in_the_range_wins_whoever_knows_it() -> None:
    answers = (store(tagged(tag="1.4.0"), tagged(tag="1.4.1")), Answer("lan", (tagged(tag="1.4.3"),), ALICES))
    assert meant("~1.4", *answers) == "1.4.3"
    assert meant("1.x", *answers, store(tagged(tag="2.0.0"), tagged(tag="1.10.0"))) == "1.10.0"


def test_a_release_that_was_removed_is_passed_over() -> None:
    removed = tagged(tag="1.4.3", seq=1, to=None)
    assert meant("~1.4", store(tagged(tag="1.4.2"), tagged(tag="1.4.3")), store(removed)) == "1.4.2"


def test_a_range_with_nothing_in_it_says_what_there_is() -> None:
    with pytest.raises(NotFoundError, match=r"no release in \^3") as found:
        meant("^3", store(tagged(tag="1.4.2"), tagged(tag="3.0.0-rc1")))
    assert "1.4.2" in found.value.hint
    assert "pre-release" in found.value.hint


def test_a_record_of_a_key_that_may_not_sign_does_not_decide() -> None:
    assert meant("~1.4", store(tagged(tag="1.4.2"), tagged(MALLORY, tag="1.4.9"))) == "1.4.2"
    rotated = chain((ALICE, (ALICE, BOB)), (BOB, (BOB,)))
    with pytest.raises(TrustError, match="no longer sign"):
        meant("~1.4", store(tagged(tag="1.4.2"), names=rotated))


def test_a_stranger_with_a_greater_release_is_not_believed() -> None:
    stranger = Answer("lan", (tagged(MALLORY, tag="1.4.9"),), chain((MALLORY, (MALLORY,))))
    assert meant("~1.4", store(tagged(tag="1.4.2")), stranger) == "1.4.2"
    assert meant("~1.4", Answer("lan", (tagged(tag="1.4.2"),), ALICES), stranger, pin=Pinned(ALICE.public_key, None))


def test_a_fork_of_the_release_that_is_meant_is_refused() -> None:
    with pytest.raises(ForkError):
        meant("~1.4", store(tagged(tag="1.4.2", to=1)), Answer("tracker", (tagged(tag="1.4.2", to=2),), ALICES))


def test_a_release_that_moved_is_refused_by_who_has_seen_it() -> None:
    book = Seen(lambda _tag: tagged(tag="1.4.2", to=1))
    with pytest.raises(RefusedError, match=r"1\.4\.2"):
        meant("~1.4", store(tagged(tag="1.4.2", seq=2, to=2)), seen=book)


def test_of_one_source_only_the_greatest_are_judged() -> None:
    records = [tagged(tag=f"1.4.{n}", to=None if n == 60 else 1) for n in range(61)] + [tagged(tag="2.0.0")]
    tags = [decode_tag_record(data).tag for data in in_range("~1.4", [*records, b"no record"])]
    assert tags == [f"1.4.{n}" for n in range(60, 60 - ALIVE_MAX - 1, -1)]


async def test_a_range_is_fetched_from_a_store_and_the_receipt_says_which_release(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        for tag in ("1.4.0", "1.4.1", "1.5.0-rc1", "2.0.0"):
            (data / "tag").write_text(tag)
            await world.publish(data, f"data:{tag}")
        (data / "tag").write_text("1.4.1")
        consumer = await world.machine(reads_store=True)
        receipt = await consumer.fetch("data:^1.4", tmp_path / "copy")
        notes = [one.text for one in consumer.notices if isinstance(one, Note)]
    assert receipt.dataset == "data:1.4.1"
    assert (tmp_path / "copy" / "tag").read_text() == "1.4.1"
    assert "data:^1.4 means data:1.4.1" in notes
    assert same_trees(data, tmp_path / "copy")


async def test_what_was_seen_of_a_range_is_not_taken_back_by_leaving_it_out(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.4.0")
        (data / "tag").write_text("1.4.1")
        await world.publish(data, "data:1.4.1")
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:~1.4", tmp_path / "copy")
        answers = await consumer.agent.resolver.ask("data", "~1.4")
        without = [
            Answer(
                one.source, tuple(data for data in one.tag_records if decode_tag_record(data).tag != "1.4.1"), one.chain
            )
            if one.source == "store"
            else one
            for one in answers
        ]
        seen = consumer.agent.recordbook.seen("data")
    assert decide("data", "~1.4", without, pin=None, seen=seen, now_ms=NOW).record.tag == "1.4.1"
