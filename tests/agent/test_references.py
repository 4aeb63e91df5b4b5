"""What can be written after `swarm fetch`: tags, none, whole digests, their first digits; and what is noted down."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.agent.claims import Pinned
from swarm.agent.notices import Note, Planned, Resolved
from swarm.agent.target import Targets
from swarm.errors import NotFoundError, TrustError, UsageError
from swarm.protocol.keys import SigningKey
from swarm.protocol.names import Reference
from tests.agent.world import PUBLISHER, make_data, open_world, same_trees

MALLORY = SigningKey.from_seed(b"m" * 32)


async def test_a_whole_digest_needs_nobodys_word(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        version = (await world.publish(data, "data:1.0.0")).version.id
        consumer = await world.machine(reads_store=True)
        receipt = await consumer.fetch(f"data@{version.hex()}", tmp_path / "copy", pin=Pinned(MALLORY.public_key, None))
    assert (receipt.dataset, receipt.digest) == (f"data@{version.hex()}", version.hex())
    assert same_trees(data, tmp_path / "copy")


async def test_the_first_digits_are_found_among_what_the_tags_mean(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        version = (await world.publish(data, "data:1.0.0")).version.id
        consumer = await world.machine(reads_store=True)
        receipt = await consumer.fetch(f"data@{version.hex()[:6]}", tmp_path / "copy")
    assert receipt.dataset == f"data@{version.hex()}"
    assert same_trees(data, tmp_path / "copy")


async def test_the_first_digits_of_what_only_an_untrusted_key_has_signed_are_not_found(tmp_path: Path) -> None:
    """Anybody can make a version whose digest begins with six given digits."""
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        version = (await world.publish(data, "data:1.0.0")).version.id
        consumer = await world.machine(reads_store=True)
        with pytest.raises(TrustError):
            await consumer.fetch(f"data@{version.hex()[:6]}", tmp_path / "copy", pin=Pinned(MALLORY.public_key, None))


async def test_the_first_digits_are_found_among_what_is_held_without_asking(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        version = (await world.publish(data, "data:1.0.0")).version.id
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
        (data / "more").write_bytes(b"more")
        await world.publish(data, "data:2.0.0")
        consumer.agent.resolver._store = None  # nobody can be asked
        receipt = await consumer.fetch(f"data@{version.hex()[:6]}", tmp_path / "second")
    assert receipt.bytes_local == receipt.bytes


async def test_digits_that_fit_nothing_or_too_much_are_told(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        first = (await world.publish(data, "data:1.0.0")).version.id
        (data / "more").write_bytes(b"more")
        second = (await world.publish(data, "data:2.0.0")).version.id
        consumer = await world.machine(reads_store=True)
        targets = Targets(consumer.agent, consumer.holdings, None, None, consumer.notices)
        with pytest.raises(NotFoundError, match="begins with 000000000000") as unknown:
            await targets.find(Reference("data", digest_prefix="0" * 12))
        with pytest.raises(UsageError, match="several versions") as ambiguous:
            await targets.find(Reference("data", digest_prefix=""))
    for version, tag in ((first, "1.0.0"), (second, "2.0.0")):
        assert f"{version.hex()[:16]} (data:{tag})" in unknown.value.hint, "what there is, to choose from"
        assert f"{version.hex()[:16]} (data:{tag})" in ambiguous.value.message


async def test_what_is_held_under_the_same_name_is_named_too(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        first = (await world.publish(data, "data:stable")).version.id
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:stable", tmp_path / "copy")
        (data / "more").write_bytes(b"more")
        await world.publish(data, "data:stable")
        with pytest.raises(NotFoundError) as unknown:
            await consumer.fetch("data@00000000", tmp_path / "second")
    assert f"{first.hex()[:16]} (data:stable in {tmp_path / 'copy'})" in unknown.value.hint


async def test_the_first_use_pins_the_key_and_the_realm_once_they_are_believed(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    pinned: list[tuple[str, Pinned]] = []

    def remember(name: str, pin: Pinned) -> None:
        pinned.append((name, pin))

    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        with pytest.raises(NotFoundError):
            await consumer.fetch("data:9.9.9", tmp_path / "copy", pin=None, remember=remember)
        assert pinned == []
        await consumer.fetch("data:1.0.0", tmp_path / "copy", pin=None, remember=remember)
        assert pinned == [("data", Pinned(PUBLISHER.public_key, world.store.realm))]
        assert consumer.agent.parts.me.realm == world.store.realm
    notes = [notice.text for notice in consumer.notices if isinstance(notice, Note)]
    assert sum("first use of data" in note for note in notes) == 1


async def test_a_pinned_name_is_not_remembered_again(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    pinned: list[str] = []
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "copy", remember=lambda name, _pin: pinned.append(name))
    assert pinned == []
    assert [notice.dataset for notice in consumer.notices if isinstance(notice, Resolved)] == ["data:1.0.0"]


async def test_a_dry_run_notes_down_nothing_and_counts_what_other_holdings_have(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=8)
    pinned: list[str] = []
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "first")
        (data / "more").write_bytes(bytes(range(256)) * 4000)
        second = (await world.publish(data, "data:2.0.0")).version
        before = snapshot(tmp_path / "home1", tmp_path / "first")
        reads = world.store_reads
        receipt = await consumer.fetch(
            "data:2.0.0", tmp_path / "copy", pin=None, dry_run=True, remember=lambda name, _pin: pinned.append(name)
        )
        after = snapshot(tmp_path / "home1", tmp_path / "first")
        planned = [notice for notice in consumer.notices if isinstance(notice, Planned)][-1]
        # The manifest is looked at, as by any look at a version; no block is read.
        assert world.store_reads - reads <= second.space.page_count
    assert pinned == []
    assert {path for path in after - before if not {"versions", "pages"} & set(path.parts)} == set()
    assert not (tmp_path / "copy").exists()
    assert 0 < planned.bytes_to_fetch < 0.4 * planned.bytes
    assert planned.bytes_local == planned.bytes - planned.bytes_to_fetch
    assert receipt.bytes == planned.bytes


def snapshot(*tops: Path) -> set[Path]:
    return {path for top in tops for path in top.rglob("*") if path.is_file() and "index" not in path.name}


async def test_a_dry_run_of_what_is_here_costs_nothing(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
        await consumer.fetch("data:1.0.0", tmp_path / "copy", dry_run=True)
        planned = [notice for notice in consumer.notices if isinstance(notice, Planned)][-1]
    assert (planned.bytes_to_fetch, planned.bytes_needed) == (0, 0)
    assert planned.bytes_local == planned.bytes
