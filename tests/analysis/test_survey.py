"""A history of a name, published to a real directory store, and what is said of its cost."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from swarm.analysis.survey import Survey
from swarm.analysis.timeline import read_timeline
from swarm.errors import NotFoundError, UnavailableError
from swarm.protocol.ids import BlockId
from swarm.seeder.publication import Publication, PublishOptions
from swarm.store.layout import block_key
from tests.dataset.trees import make_tree
from tests.seeder.producers import Producer

AVERAGE = 64 * 1024
OPTIONS = PublishOptions(average=AVERAGE)


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


async def survey(producer: Producer, tag: str | None = None, *, last: int = 100, with_data: bool = False) -> Survey:
    records = producer.records

    async def get(block: BlockId, length: int) -> bytes:
        return await records.get_block(block, max_length=length)

    found = Survey(await read_timeline(records, "name", tag, last=last))
    await found.run(records, get, with_data=with_data, versions=lambda _d, _t: None, data=lambda _d, _t: None)
    return found


async def three_versions(producer: Producer) -> list[Publication]:
    """`big` is rewritten in its middle, then put back; `same` never changes; `more` comes with the second."""
    big = noise(1, 2_000_000)
    make_tree(producer.data, {"big": big, "same": noise(2, 500_000), "twin": noise(2, 500_000)})
    first = await producer.publish("name:1.0.0", options=OPTIONS)
    make_tree(producer.data, {"big": big[:900_000] + noise(3, 1000) + big[901_000:], "more": noise(4, 300_000)})
    second = await producer.publish("name:1.1.0", options=OPTIONS)
    make_tree(producer.data, {"big": big})
    third = await producer.publish("name:1.2.0", options=OPTIONS)
    return [first, second, third]


async def test_versions_are_costed_against_the_one_before_and_against_all_before(producer: Producer) -> None:
    published = await three_versions(producer)
    found = await survey(producer)
    first, second, third = found.ledger.costs
    assert [cost.moment.version for cost in found.ledger.costs] == [one.version.id for one in published]
    assert first.moment.tags[0] == "1.0.0"
    assert [cost.bytes_first for cost in found.ledger.costs] == [one.bytes_new for one in published]
    assert (first.bytes, first.files) == (3_000_000, 3)
    assert first.bytes_moved == first.block_bytes == first.bytes_first < first.bytes  # the twin is stored once
    assert first.repetition > 1.1
    assert (second.files_added, second.files_changed, second.files_removed) == (1, 1, 0)
    assert 300_000 < second.bytes_moved == second.bytes_first < 900_000
    # What comes back is new to who has the second version only, and to nobody who kept the first.
    assert third.bytes_moved > 0
    assert third.bytes_first < third.bytes_moved
    totals = found.ledger.totals
    assert totals.stored_bytes == sum(one.bytes_new for one in published)
    assert totals.logical_bytes == 3_000_000 + 2 * 3_300_000
    assert totals.deduplication == totals.logical_bytes / (totals.stored_bytes + totals.manifest_bytes)
    assert totals.moved_bytes == sum(cost.bytes_moved + cost.manifest_bytes_moved for cost in (second, third))


async def test_the_hottest_file_is_the_one_that_brought_most_new_bytes(producer: Producer) -> None:
    await three_versions(producer)
    found = await survey(producer)
    hot = {one.path: one for one in found.heat.hottest(10)}
    assert set(hot) == {b"big", b"more"}
    assert (hot[b"big"].changes, hot[b"more"].changes) == (2, 0)
    assert hot[b"more"].bytes_new <= 300_000
    assert [one.path for one in found.heat.busiest(10)] == [b"big"]
    assert found.heat.hottest(1)[0].bytes_new == max(one.bytes_new for one in hot.values())
    # The rest of what moved are ends of new blocks that lie in a neighbour that has not changed.
    moved, told = sum(cost.bytes_moved for cost in found.ledger.costs[1:]), sum(one.bytes_new for one in hot.values())
    assert moved - 4 * AVERAGE <= told <= moved


async def test_what_if_with_the_average_in_use_says_what_was(producer: Producer) -> None:
    await three_versions(producer)
    found = await survey(producer, with_data=True)
    assert found.what_if is not None
    steps = found.what_if.steps[AVERAGE]
    costs = found.ledger.costs
    assert [(step.blocks, step.block_bytes) for step in steps] == [(one.blocks_moved, one.bytes_moved) for one in costs]
    assert [step.page_bytes + step.root_bytes for step in steps] == [one.manifest_bytes_moved for one in costs]


async def test_a_small_change_costs_less_with_small_blocks_and_more_objects_without_one(producer: Producer) -> None:
    await three_versions(producer)
    found = await survey(producer, with_data=True)
    rows = {row["average"]: row for row in found.as_dict()["what_if"]}
    assert rows[64 * 1024]["moved_bytes"] < rows[1024 * 1024]["moved_bytes"]
    assert found.what_if is not None
    small, large = (found.what_if.steps[average][0] for average in (64 * 1024, 4 * 1024 * 1024))
    assert small.objects > large.objects
    assert small.page_bytes > large.page_bytes


async def test_one_tag_and_the_newest_versions_only(producer: Producer) -> None:
    published = await three_versions(producer)
    assert [cost.moment.tags[0] for cost in (await survey(producer, "1.1.0")).ledger.costs] == ["1.1.0"]
    found = await survey(producer, "latest", last=2)
    assert [cost.moment.version for cost in found.ledger.costs] == [one.version.id for one in published[1:]]
    assert found.timeline.left_out == 1
    with pytest.raises(NotFoundError) as caught:
        await survey(producer, "1.1.1")
    assert "1.1.0" in caught.value.hint


async def test_a_version_whose_manifest_is_gone_is_named_and_the_others_are_told(
    producer: Producer, tmp_path: Path
) -> None:
    published = await three_versions(producer)
    root = published[1].version.id.hex()
    (tmp_path / "store" / "versions" / root).unlink()
    found = await survey(producer)
    assert [moment.version for moment in found.gone] == [published[1].version.id]
    assert len(found.ledger.costs) == 2
    assert found.ledger.costs[1].moment.version == published[2].version.id
    assert found.ledger.costs[1].files_added == 1  # against the first: `big` is as it was, `more` is new


async def test_lost_data_ends_the_what_if_and_nothing_else(producer: Producer, tmp_path: Path) -> None:
    published = await three_versions(producer)
    (tmp_path / "store" / block_key(published[1].version.block_ids[0])).unlink()
    found = await survey(producer, with_data=True)
    assert found.is_whole
    assert found.what_if_lacks.startswith("1.0.0: ")
    assert len(found.ledger.costs) == 3


async def test_a_store_that_goes_away_is_one_error(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    published = await three_versions(producer)
    pages = {ref.id for one in published for ref in one.version.space.page_refs}
    original: Callable[..., object] = type(producer.records).get_block

    async def get_block(self: object, block: BlockId, **options: object) -> object:
        if block not in pages:
            raise UnavailableError("away")
        return await original(self, block, **options)  # type: ignore[misc]

    monkeypatch.setattr(type(producer.records), "get_block", get_block)
    with pytest.raises(UnavailableError, match="away"):
        await survey(producer, with_data=True)


async def test_what_was_found_before_an_interruption_is_labelled_as_part(producer: Producer) -> None:
    await three_versions(producer)
    records = producer.records

    async def get(block: BlockId, length: int) -> bytes:
        return await records.get_block(block, max_length=length)

    found = Survey(await read_timeline(records, "name"))
    with trio.CancelScope() as scope:

        def stop(done: int, _total: int) -> None:
            if done == 2:
                scope.cancel()

        await found.run(records, get, with_data=False, versions=stop, data=lambda _d, _t: None)
    assert found.as_dict()["is_partial"]
    assert len(found.as_dict()["versions"]) == 2
