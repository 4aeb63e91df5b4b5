"""A producer without a store: the history under $SWARM_HOME, and nothing copied."""

from __future__ import annotations

from pathlib import Path

from swarm.protocol.ids import Realm
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import decode_root
from swarm.seeder.history import open_history
from swarm.seeder.publication import PublishOptions
from tests.dataset.trees import make_tree
from tests.seeder.producers import Producer
from tests.seeder.test_publish import noise


async def test_a_history_goes_on_where_it_was_left(tmp_path: Path) -> None:
    data = make_tree(tmp_path / "data", {"a": noise(1, 700_000)})
    async with open_history(tmp_path / "home") as history:
        first = await Producer(data, None, history).publish("name")
        assert first.bytes_new == 700_000
    make_tree(data, {"b": b"new"})
    async with open_history(tmp_path / "home") as history:
        producer = Producer(data, None, history)
        second = await producer.publish("name")
        record = await producer.newest("name", "latest")
    assert record is not None
    assert record.seq == 1
    assert second.realm == first.realm
    assert second.blocks_new == 1


async def test_no_data_is_copied_and_the_manifest_is_kept(tmp_path: Path) -> None:
    data = make_tree(tmp_path / "data", {"a": noise(1, 2_000_000)})
    async with open_history(tmp_path / "home") as history:
        published = await Producer(data, None, history).publish("name")
        assert await history.missing_blocks(published.version.block_ids) == set(published.version.block_ids)
        root = decode_root(await history.get_root(published.version.id))
        pages = [await history.get_block(ref.id) for ref in IndexSpace(root).page_refs]
    assert tuple(pages) == published.pages
    assert sum(file.stat().st_size for file in (tmp_path / "home").rglob("*") if file.is_file()) < 10_000


async def test_each_realm_has_its_own_history(tmp_path: Path) -> None:
    realm = Realm(bytes(range(16)))
    async with open_history(tmp_path) as own, open_history(tmp_path, realm) as theirs:
        assert theirs.realm == realm
        assert own.realm != realm
    async with open_history(tmp_path) as again, open_history(tmp_path, realm) as theirs_again:
        assert again.realm == own.realm
        assert theirs_again.realm == realm


async def test_a_machine_that_has_published_nothing_yet_takes_the_realm_of_its_tracker(tmp_path: Path) -> None:
    realm = Realm(bytes(range(16)))
    async with open_history(tmp_path, realm) as theirs:
        assert theirs.realm == realm
    async with open_history(tmp_path) as own:
        assert (own.realm, own.url) == (realm, theirs.url)


async def test_an_unchanged_dataset_makes_no_record(tmp_path: Path) -> None:
    data = make_tree(tmp_path / "data", {"a": b"1"})
    async with open_history(tmp_path / "home") as history:
        producer = Producer(data, None, history)
        first = await producer.publish("name:1.0.0")
        again = await producer.publish("name:1.0.0")
    assert again.is_unchanged
    assert again.blocks_new == 0
    assert again.tags[0].record == first.tags[0].record


async def test_the_next_release_costs_what_the_newest_one_did_not_have(tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_tree(data, {str(number): noise(number, 300_000) for number in range(4)})
    async with open_history(tmp_path / "home") as history:
        producer = Producer(data, None, history)
        first = await producer.publish("name:1.0.0")
        make_tree(data, {"new": noise(9, 300_000)})
        would = await producer.publish("name:1.1.0", options=PublishOptions(dry_run=True))
        second = await producer.publish("name:1.1.0")
    assert first.bytes_new == first.version.root.totals.block_bytes
    assert (would.bytes_new, would.blocks_new) == (second.bytes_new, second.blocks_new)
    assert 0 < second.bytes_new < second.version.root.totals.block_bytes
