"""What polling asks of a store: whether a number is there, and whether a name's tags are as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from swarm.protocol.keys import SigningKey
from swarm.protocol.records import NameRecord, TagRecord, record_id, sign_name_record, sign_tag_record
from swarm.store import open_store

KEY = SigningKey.from_seed(b"k" * 32)


async def test_the_next_number_is_there_as_soon_as_it_is_committed_and_the_list_changes(tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "store")) as store:
        realm = await store.initialise()
        await store.commit_name_record(
            sign_name_record(NameRecord(realm, "maps", 0, (KEY.public_key,), None, 1, KEY.public_key), KEY)
        )
        states = [await store.tags_state("maps")]
        assert not await store.has_tag_record("maps", "stable", 0)
        record = TagRecord(realm, "maps", "stable", 1, 0, None, None, 1, KEY.public_key, immutable=False)
        first = sign_tag_record(record, KEY)
        await store.commit_tag(first)
        states.append(await store.tags_state("maps"))
        assert await store.has_tag_record("maps", "stable", 0)
        assert not await store.has_tag_record("maps", "stable", 1)
        assert await store.tags_state("maps") == states[-1]
        await store.commit_tag(sign_tag_record(replace(record, seq=1, prev=record_id(first)), KEY))
        states.append(await store.tags_state("maps"))
        assert await store.has_tag_record("maps", "stable", 1)
        other = TagRecord(realm, "maps", "beta", 1, 0, None, None, 1, KEY.public_key, immutable=False)
        await store.commit_tag(sign_tag_record(other, KEY))
        states.append(await store.tags_state("maps"))
        assert len(set(states)) == len(states)
