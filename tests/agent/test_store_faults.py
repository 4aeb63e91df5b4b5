"""A store that is slow, away, forbidding, or has lost or spoilt a block: what a fetch makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.agent.notices import Note
from swarm.errors import (
    CorruptError,
    MissingError,
    NotFoundError,
    PermissionError_,
    SwarmError,
    UnavailableError,
    VerificationError,
)
from swarm.protocol.ids import BlockId
from tests.agent.world import make_data, open_world, same_trees


def first(count: int, error: Exception) -> Callable[[BlockId], None]:
    """Fails so often, then no more."""
    left = count

    def fail(_block: BlockId) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error

    return fail


def only(block: BlockId, error: Exception) -> Callable[[BlockId], None]:
    def fail(asked: BlockId) -> None:
        if asked == block:
            raise error

    return fail


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [UnavailableError("SlowDown", is_slow_down=True), UnavailableError("502"), KeyError("a defect")]
)
async def test_a_store_that_is_away_for_a_while_delays_and_ends_nothing(tmp_path: Path, error: Exception) -> None:
    data = make_data(tmp_path / "data", files=3)
    async with open_world(tmp_path) as world:
        await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        world.store_fault = first(2, error)
        receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
        consumer.agent.driver.node.check()
    assert same_trees(data, tmp_path / "copy")
    assert receipt.bytes_wasted == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CorruptError("blocks/ab is corrupt"), VerificationError),
        (MissingError("blocks/ab is not there"), NotFoundError),
        (PermissionError_("403", hint="ask for s3:GetObject"), PermissionError_),
    ],
)
async def test_a_block_that_nobody_can_give_ends_the_fetch_with_the_stores_reason(
    tmp_path: Path, error: SwarmError, expected: type[SwarmError]
) -> None:
    data = make_data(tmp_path / "data", files=3)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        block = publication.version.block_ids[2]
        world.store_fault = only(block, error)
        with pytest.raises(expected) as caught:
            await consumer.fetch("data:1.0.0", tmp_path / "copy")
        assert error.message in str(caught.value)
        assert block.hex() in str(caught.value)
        # The agent lives on: once the store is mended, what had come is not read again.
        reads, world.store_fault = world.store_reads, None
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
        assert world.store_reads - reads < publication.version.space.size
    assert same_trees(data, tmp_path / "copy")


async def test_a_block_that_is_spoilt_in_the_store_comes_from_a_peer_and_is_named(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=3)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer, seeder = await world.machine(reads_store=True), await world.seeder(publication)
        block = publication.version.block_ids[1]

        def fail(asked: BlockId) -> None:
            if asked == block:
                consumer.meet(seeder)
                raise CorruptError("blocks/ab is corrupt: its bytes hash to cd")

        world.store_fault = fail
        await consumer.fetch("data:1.0.0", tmp_path / "copy")
    assert same_trees(data, tmp_path / "copy")
    notes = [notice.text for notice in consumer.notices if isinstance(notice, Note)]
    assert any("blocks/ab is corrupt" in note for note in notes)


@pytest.mark.slow
async def test_wrong_bytes_that_a_store_let_through_are_caught_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stores verify; the shelf does not rely on it."""
    data = make_data(tmp_path / "data", files=3)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        consumer = await world.machine(reads_store=True)
        block, get_block = publication.version.block_ids[0], world.store.get_block

        async def lie(asked: BlockId, **options: object) -> bytes:
            found = await get_block(asked, **options)  # type: ignore[arg-type]
            return found[:-1] + b"!" if asked == block else found

        monkeypatch.setattr(world.store, "get_block", lie)
        with pytest.raises(SwarmError, match=block.hex()):
            await consumer.fetch("data:1.0.0", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


async def test_a_seeder_that_loses_a_block_to_an_edit_says_so_and_the_store_fills_in(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=6)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder, consumer = await world.seeder(publication), await world.machine(reads_store=True)
        edited = data / "deep" / "file3.bin"
        original = edited.read_bytes()
        edited.write_bytes(b"edited" + original[6:])
        consumer.meet(seeder)
        receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
        seeder.agent.driver.node.check()
        have = await seeder.holdings.have(publication.version.id)
        assert have is not None
        assert have.count < publication.version.space.size
    assert (tmp_path / "copy" / "deep" / "file3.bin").read_bytes() == original
    assert receipt.banned == ()
    assert receipt.bytes == receipt.bytes_local + receipt.bytes_origin
