"""What every store does, whatever it is kept in. `test_contract` runs it on each kind of place."""

from __future__ import annotations

import pytest
import trio

from swarm.errors import (
    ConflictError,
    CorruptError,
    InternalError,
    MissingError,
    NotFoundError,
    RefusedError,
    SignatureError,
    TrustError,
)
from swarm.protocol.ids import Realm
from swarm.store import layout
from swarm.store.blocks import HEAD_BYTES, encode_block
from swarm.store.condemned import Condemnation, condemn
from swarm.store.identity import CreateClass
from tests.store.place import KEY, NAME, OTHER_KEY, TAG, Place, block, name_record, tag_record, tag_records, version

REALM = Realm(bytes(range(16)))
OTHER_REALM = Realm(bytes(16))


# --- beginning


async def test_an_empty_place_opens_but_is_no_store_yet(place: Place) -> None:
    async with place.open() as store:
        assert not store.is_initialised
        with pytest.raises(NotFoundError, match="no swarm store"):
            _ = store.realm
        with pytest.raises(NotFoundError, match="no swarm store"):
            await store.get_block(block(1)[0])


async def test_a_store_keeps_its_realm_and_what_creation_is_worth(place: Place) -> None:
    async with place.store() as store:
        realm = store.realm
        assert store.create_class is CreateClass.ATOMIC
        assert await store.initialise() == realm
    async with place.open() as again:
        assert again.realm == realm
        assert again.create_class is CreateClass.ATOMIC


async def test_two_who_begin_a_store_at_once_agree_on_its_realm(place: Place) -> None:
    realms: list[Realm] = []

    async def begin() -> None:
        async with place.store() as store:
            realms.append(store.realm)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(begin)
    assert len(set(realms)) == 1


async def test_the_probe_leaves_nothing_behind(place: Place) -> None:
    async with place.store(), place.objects() as objects:
        assert [listed.key for listed in (await objects.list_page("")).objects] == [layout.IDENTITY_KEY]


async def test_a_store_of_another_realm_is_not_taken_over(place: Place) -> None:
    async with place.store(REALM) as store:
        assert store.realm == REALM
        with pytest.raises(ConflictError, match=OTHER_REALM.hex()):
            await store.initialise(OTHER_REALM)


async def test_a_place_that_holds_other_things_is_refused_and_untouched(place: Place) -> None:
    async with place.objects() as objects:
        await objects.put("letters/to-mother.txt", b"Dear")
        async with place.open() as store:
            with pytest.raises(RefusedError, match=r"to-mother\.txt"):
                await store.initialise()
        assert [listed.key for listed in (await objects.list_page("")).objects] == ["letters/to-mother.txt"]


async def test_a_lost_identity_needs_the_old_realm(place: Place) -> None:
    name, data = block(1)
    async with place.store(REALM) as store, place.objects() as objects:
        await store.put_block(name, data)
        await objects.delete(layout.IDENTITY_KEY)
    async with place.open() as store:
        with pytest.raises(RefusedError, match=r"lost its swarm\.cbor"):
            await store.initialise()
        assert await store.initialise(REALM) == REALM
        assert await store.get_block(name) == data


@pytest.mark.parametrize("content", [b"", b"garbage", bytes.fromhex("a20002018000"), b"x" * 5000])
async def test_a_wrong_identity_is_corrupt(place: Place, content: bytes) -> None:
    async with place.objects() as objects:
        await objects.put(layout.IDENTITY_KEY, content)
    with pytest.raises(CorruptError, match=r"swarm\.cbor"):
        async with place.open():
            pass


# --- blocks and roots


@pytest.mark.parametrize("size", [0, 1, 300_000, 3_000_000])
async def test_a_block_comes_back(place: Place, size: int) -> None:
    name, data = block(1, size)
    moved: list[int] = []
    async with place.store() as store:
        assert await store.put_block(name, data)
        assert await store.get_block(name, moved=moved.append) == data
    assert moved == sorted(moved)
    assert moved[-1] == size + HEAD_BYTES


async def test_a_block_that_is_there_is_not_written_again(place: Place) -> None:
    name, data = block(1)
    async with place.store() as store:
        assert await store.put_block(name, data)
        assert not await store.put_block(name, data)
        assert await store.put_block(name, data, is_missing=True)


async def test_a_truncated_block_is_written_again(place: Place) -> None:
    name, data = block(1)
    async with place.store() as store, place.objects() as objects:
        await objects.put(layout.block_key(name), encode_block(data)[:500])
        assert await store.put_block(name, data)
        assert await store.get_block(name) == data


async def test_a_block_that_is_not_there_is_missing(place: Place) -> None:
    async with place.store() as store:
        with pytest.raises(MissingError, match=block(1)[0].hex()):
            await store.get_block(block(1)[0])
        with pytest.raises(MissingError):
            await store.get_root(version("none"))


async def test_a_wrong_block_is_corrupt_and_named(place: Place) -> None:
    name, data = block(1)
    key = layout.block_key(name)
    wrong = {
        "flipped": encode_block(data[:-1] + bytes([data[-1] ^ 1])),
        "truncated": encode_block(data)[:500],
        "longer": encode_block(data) + b"!",
        "headless": data,
        "tiny": b"swb",
    }
    async with place.store() as store, place.objects() as objects:
        for body in wrong.values():
            await objects.put(key, body)
            with pytest.raises(CorruptError, match=key):
                await store.get_block(name)


@pytest.mark.parametrize("head", ["7377620101000000", "7377620100010000", "7377620100000001"])
async def test_an_unknown_encoding_is_refused(place: Place, head: str) -> None:
    name, data = block(1)
    async with place.store() as store, place.objects() as objects:
        await objects.put(layout.block_key(name), bytes.fromhex(head) + data)
        with pytest.raises(RefusedError, match="encoded in a way") as caught:
            await store.get_block(name)
        assert "upgrade" in caught.value.hint


async def test_a_block_longer_than_allowed_is_corrupt(place: Place) -> None:
    name, data = block(1, 2000)
    async with place.store() as store:
        await store.put_block(name, data)
        assert await store.get_block(name, max_length=2000) == data
        with pytest.raises(CorruptError, match="more than"):
            await store.get_block(name, max_length=1999)


async def test_nothing_is_stored_under_a_name_that_is_not_its_own(place: Place) -> None:
    async with place.store() as store:
        with pytest.raises(InternalError):
            await store.put_block(block(1)[0], block(2)[1])
        with pytest.raises(InternalError):
            await store.put_root(version("one"), b"two")
        assert await store.missing_blocks([block(1)[0]]) == {block(1)[0]}


async def test_a_root_comes_back_verified(place: Place) -> None:
    async with place.store() as store, place.objects() as objects:
        await store.put_root(version("a root"), b"a root")
        assert await store.get_root(version("a root")) == b"a root"
        await objects.put(layout.version_key(version("a root")), b"another")
        with pytest.raises(CorruptError, match="versions/"):
            await store.get_root(version("a root"))


async def test_missing_blocks_are_told_from_present_ones(place: Place) -> None:
    present = [block(seed, 10) for seed in range(8)]
    absent = {block(seed, 10)[0] for seed in range(8, 16)}
    told: list[tuple[int, int]] = []
    async with place.store() as store:
        for name, data in present:
            await store.put_block(name, data, is_missing=True)
        missing = await store.missing_blocks(absent | {name for name, _ in present}, lambda *two: told.append(two))
        assert missing == absent
        assert told[-1] == (16, 16)
        assert await store.missing_blocks([]) == set()


async def test_condemned_blocks_are_missing_until_they_are_written_again(place: Place) -> None:
    name, data = block(1)
    async with place.store() as store, place.objects() as objects:
        await store.put_block(name, data)
        later_ms = int((await objects.server_time() + 2) * 1000)
        await condemn(objects, "run", Condemnation(later_ms, bytes(name), ()))
        assert await store.missing_blocks([name]) == {name}
        assert await store.condemned([name, block(2)[0]]) == {name}
        assert await store.put_block(name, data)
        stat = await objects.stat(layout.block_key(name))
        assert stat is not None
        await condemn(objects, "run", Condemnation(int(stat.modified_s * 1000) - 1, bytes(name), ()))
        assert await store.condemned([name]) == set()
        assert await store.missing_blocks([name]) == set()


# --- tags


async def test_a_tag_that_never_was_is_none(place: Place) -> None:
    async with place.store() as store:
        assert await store.newest_tag(NAME, TAG) is None
        assert await store.tag_history(NAME, TAG) == []
        assert await store.names() == []
        assert await store.tags(NAME) == []


async def test_a_tag_moves_along_its_history(place: Place) -> None:
    async with place.store() as store:
        records = tag_records(store.realm, 4)
        for record in records:
            await store.commit_tag(record)
            assert await store.newest_tag(NAME, TAG) == record
        assert await store.tag_history(NAME, TAG) == records
        assert await store.tag_history(NAME, TAG, limit=2) == records[2:]
        assert await store.tags(NAME) == [TAG]


async def test_a_pointer_that_lags_or_is_gone_is_made_up_for(place: Place) -> None:
    async with place.store() as store, place.objects() as objects:
        records = tag_records(store.realm, 4)
        for record in records:
            await store.commit_tag(record)
        await objects.put(layout.tag_key(NAME, TAG), records[1])
        assert await store.newest_tag(NAME, TAG) == records[3]
        await objects.delete(layout.tag_key(NAME, TAG))
        assert await store.newest_tag(NAME, TAG) == records[3]
        await store.commit_tag(records[3])
        assert await objects.get(layout.tag_key(NAME, TAG), max_bytes=1000) == records[3]


async def test_the_second_of_two_producers_is_told_and_changes_nothing(place: Place) -> None:
    async with place.store() as store:
        first = tag_record(store.realm, 0, None, root="first")
        await store.commit_tag(first)
        with pytest.raises(ConflictError, match="another producer was first") as caught:
            await store.commit_tag(tag_record(store.realm, 0, None, root="second"))
        assert caught.value.newest == first
        assert await store.newest_tag(NAME, TAG) == first


async def test_of_eight_producers_at_once_one_wins(place: Place) -> None:
    won: list[bytes] = []
    conflicts: list[bytes | None] = []

    async def publish(number: int) -> None:
        async with place.open() as store:
            record = tag_record(store.realm, 0, None, root=f"root {number}")
            try:
                await store.commit_tag(record)
                won.append(record)
            except ConflictError as error:
                conflicts.append(error.newest)

    async with place.store() as store:
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(publish, number)
        assert len(won) == 1
        assert conflicts == won * 7
        assert await store.newest_tag(NAME, TAG) == won[0]


async def test_a_commit_may_be_repeated(place: Place) -> None:
    async with place.store() as store:
        records = tag_records(store.realm, 3)
        for record in records[:2]:
            await store.commit_tag(record)
        await store.commit_tag(records[1])
        await store.commit_tag(records[0])
        assert await store.newest_tag(NAME, TAG) == records[1]


async def test_a_record_that_leaves_a_gap_or_forks_is_a_conflict(place: Place) -> None:
    async with place.store() as store:
        records = tag_records(store.realm, 3)
        await store.commit_tag(records[0])
        with pytest.raises(ConflictError):
            await store.commit_tag(records[2])
        with pytest.raises(ConflictError):
            await store.commit_tag(tag_record(store.realm, 1, tag_record(store.realm, 0, None, root="elsewhere")))


async def test_a_record_of_another_realm_is_refused(place: Place) -> None:
    async with place.store(REALM) as store, place.objects() as objects:
        with pytest.raises(TrustError, match=OTHER_REALM.hex()):
            await store.commit_tag(tag_record(OTHER_REALM, 0, None))
        await objects.put(layout.tag_key(NAME, TAG), tag_record(OTHER_REALM, 0, None))
        with pytest.raises(TrustError, match=REALM.hex()):
            await store.newest_tag(NAME, TAG)


async def test_records_that_are_not_what_their_key_says_are_corrupt(place: Place) -> None:
    async with place.store() as store, place.objects() as objects:
        records = tag_records(store.realm, 2)
        good = records[0]
        wrong = [b"garbage", good[:-1], tag_record(store.realm, 0, None, tag="other")]
        for body in wrong:
            await objects.put(layout.tag_key(NAME, TAG), body)
            with pytest.raises(CorruptError, match="tags/"):
                await store.newest_tag(NAME, TAG)
        await objects.put(layout.tag_key(NAME, TAG), good)
        for body in [b"", good, tag_record(store.realm, 1, tag_record(store.realm, 0, None, root="fork"))]:
            await objects.put(layout.history_key(NAME, TAG, 1), body)
            with pytest.raises(CorruptError, match="history/"):
                await store.newest_tag(NAME, TAG)


async def test_a_history_ends_before_a_gap_and_a_wrong_record_in_it_is_corrupt(place: Place) -> None:
    async with place.store() as store, place.objects() as objects:
        for record in tag_records(store.realm, 3):
            await store.commit_tag(record)
        key = layout.history_key(NAME, TAG, 1)
        await objects.put(key, tag_record(store.realm, 1, tag_record(store.realm, 0, None, root="elsewhere")))
        with pytest.raises(CorruptError, match=f"{key}.* its successor follows"):
            await store.tag_history(NAME, TAG)
        await objects.delete(key)
        assert await store.tag_history(NAME, TAG) == [await store.newest_tag(NAME, TAG)], "a bundle leaves such gaps"
        assert len(await store.tag_history(NAME, TAG, limit=1)) == 1


async def test_a_record_with_a_broken_signature_is_never_committed(place: Place) -> None:
    async with place.store() as store:
        record = bytearray(tag_record(store.realm, 0, None))
        record[-1] ^= 1
        with pytest.raises(SignatureError):
            await store.commit_tag(bytes(record))
        assert await store.newest_tag(NAME, TAG) is None


async def test_tags_of_one_name_are_not_those_of_its_neighbours(place: Place) -> None:
    async with place.store() as store:
        for tag in ("latest", "1.0.0-rc", "a.b"):
            await store.commit_tag(tag_record(store.realm, 0, None, tag=tag))
        assert await store.tags(NAME) == ["1.0.0-rc", "a.b", "latest"]
        assert await store.tags(NAME[:-1]) == []


# --- names


async def test_a_chain_grows_by_those_it_names(place: Place) -> None:
    async with place.store() as store:
        first = name_record(store.realm, 0, None, KEY)
        second = name_record(store.realm, 1, first, KEY, OTHER_KEY)
        assert await store.name_chain(NAME) == ()
        await store.commit_name_record(first)
        await store.commit_name_record(second)
        await store.commit_name_record(first)
        assert await store.name_chain(NAME) == (first, second)
        await store.commit_name_record(name_record(store.realm, 0, None, name="plain"))
        assert await store.names() == [NAME, "plain"]


async def test_a_name_that_is_taken_is_a_conflict(place: Place) -> None:
    async with place.store() as store:
        first = name_record(store.realm, 0, None, KEY)
        await store.commit_name_record(first)
        with pytest.raises(ConflictError) as caught:
            await store.commit_name_record(name_record(store.realm, 0, None, KEY, OTHER_KEY))
        assert caught.value.newest == first
        with pytest.raises(ConflictError):
            await store.commit_name_record(name_record(store.realm, 2, first, KEY))


async def test_a_chain_that_is_broken_is_not_handed_out(place: Place) -> None:
    async with place.store() as store, place.objects() as objects:
        first = name_record(store.realm, 0, None, OTHER_KEY, KEY)
        await store.commit_name_record(first)
        await objects.put(layout.name_key(NAME, 1), name_record(store.realm, 1, name_record(store.realm, 0, None)))
        with pytest.raises(RefusedError):
            await store.name_chain(NAME)
        await objects.put(layout.name_key(NAME, 1), b"garbage")
        with pytest.raises(CorruptError, match="names/"):
            await store.name_chain(NAME)


# --- publishing


async def test_a_marker_is_there_while_somebody_publishes(place: Place) -> None:
    async with place.store() as store, place.objects() as objects:
        async with store.publishing() as marker:
            assert await objects.stat(layout.marker_key(marker.run)) is not None
            await marker.check_age()
        assert await objects.stat(layout.marker_key(marker.run)) is None


async def test_an_error_while_publishing_comes_out_as_it_is(place: Place) -> None:
    async with place.store() as store:
        with pytest.raises(KeyError):
            async with store.publishing():
                raise KeyError("the publisher's own")
