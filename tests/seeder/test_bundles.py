"""Bundles: what went in comes out, what is no bundle is refused before anything is written, records are merged."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.errors import ConflictError, CorruptError, NotFoundError, RefusedError, SwarmError
from swarm.protocol.ids import Realm
from swarm.protocol.keys import SigningKey
from swarm.protocol.records import NameRecord, sign_name_record
from swarm.seeder.bundle_in import Imported, import_bundle
from swarm.seeder.bundle_out import Parcel, write_bundle
from swarm.seeder.presence import load_kept
from swarm.store import Store, open_store
from swarm.store.bundle import read_members
from tests.store.versions import KEY, NAME, Made, is_whole, made_of, point, publish

A, B = made_of(1, 2, 3, size=700), made_of(3, 4, size=700)
TAG = "stable"


def chain(realm: Realm, key: SigningKey = KEY) -> bytes:
    return sign_name_record(NameRecord(realm, NAME, 0, (key.public_key,), None, 5, key.public_key), key)


async def filled(store: Store, *versions: Made) -> None:
    """One tag that meant each of the versions in turn."""
    await store.initialise()
    await store.commit_name_record(chain(store.realm))
    for made in versions:
        await publish(store, made, TAG)


async def bundle_of(store: Store, version: Made, *, records: int | None = None, first: tuple[bytes, ...] = ()) -> bytes:
    """`first`: says that these were the history's first records."""
    kept = await load_kept(store, version.id)
    history = [*first, *(await store.tag_history(NAME, TAG))[len(first) :]]

    async def read(block: bytes, length: int) -> bytes:
        return await store.get_block(block, max_length=length)  # type: ignore[arg-type]

    tags = tuple(history if records is None else history[len(history) - records :])
    names = await store.name_chain(NAME)
    file = io.BytesIO()
    parcel = Parcel(store.realm, kept.version, kept.pages, names, tags, NAME, 1_700_000_000)
    assert await write_bundle(parcel, read, file, lambda *_: None) == len(file.getvalue())
    return file.getvalue()


async def bring(data: bytes, store: Store, tmp_path: Path) -> Imported:
    path = tmp_path / "bundle.tar"
    path.write_bytes(data)
    with path.open("rb") as file:
        return await import_bundle(file, store, lambda *_: None)


@pytest.fixture
async def bundle(tmp_path: Path) -> bytes:
    """Of B, which came after A."""
    async with open_store(str(tmp_path / "origin")) as store:
        await filled(store, A, B)
        return await bundle_of(store, B)


async def test_a_bundle_is_a_directory_store_in_a_tar(bundle: bytes, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    async with open_store(str(tmp_path / "unpacked")) as store, open_store(str(tmp_path / "origin")) as origin:
        assert store.realm == origin.realm
        assert await is_whole(store, B.id)
        assert not await is_whole(store, A.id)
        assert await store.tag_history(NAME, TAG) == await origin.tag_history(NAME, TAG)
        assert await store.name_chain(NAME) == await origin.name_chain(NAME)


async def test_it_makes_a_store_of_an_empty_place_and_is_brought_in_once(bundle: bytes, tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "far")) as store, open_store(str(tmp_path / "origin")) as origin:
        first = await bring(bundle, store, tmp_path)
        assert (first.versions, first.tags, first.kept) == ((B.id,), (f"{NAME}:{TAG}",), ())
        assert first.blocks_new == first.blocks == len(B.blocks) + len(B.pages)
        assert await is_whole(store, B.id)
        assert await store.newest_tag(NAME, TAG) == await origin.newest_tag(NAME, TAG)
        assert await store.tag_history(NAME, TAG) == await origin.tag_history(NAME, TAG)
        again = await bring(bundle, store, tmp_path)
        assert (again.blocks_new, again.tags, again.kept) == (0, (), (f"{NAME}:{TAG}",))
        await point(store, TAG, None)  # and it can be built upon


async def test_the_same_bytes_come_of_the_same_parcel(bundle: bytes, tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "origin")) as origin:
        assert await bundle_of(origin, B) == bundle


async def test_of_records_the_newer_stay_and_blocks_are_shared(tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "origin")) as origin, open_store(str(tmp_path / "far")) as far:
        await filled(origin, A)
        old = await bundle_of(origin, A)
        await publish(origin, B, TAG)
        new = await bundle_of(origin, B)
        await bring(old, far, tmp_path)
        second = await bring(new, far, tmp_path)
        assert second.blocks_new < second.blocks
        assert second.tags == (f"{NAME}:{TAG}",)
        assert (await bring(old, far, tmp_path)).kept == (f"{NAME}:{TAG}",)
        assert await far.tag_history(NAME, TAG) == await origin.tag_history(NAME, TAG)


async def test_a_bundle_with_the_newest_record_alone_moves_a_tag_too(tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "origin")) as origin, open_store(str(tmp_path / "far")) as far:
        await filled(origin, A, B, A, B)
        data = await bundle_of(origin, B, records=1)
        assert (await bring(data, far, tmp_path)).tags == (f"{NAME}:{TAG}",)
        assert await far.newest_tag(NAME, TAG) == await origin.newest_tag(NAME, TAG)


async def test_an_older_history_is_filled_in_by_a_bundle_that_has_it(tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "origin")) as origin, open_store(str(tmp_path / "far")) as far:
        await filled(origin, A, B, A)
        whole = await bundle_of(origin, A)
        await bring(await bundle_of(origin, A, records=1), far, tmp_path)
        assert len(await far.tag_history(NAME, TAG)) == 1
        assert (await bring(whole, far, tmp_path)).kept == (f"{NAME}:{TAG}",)
        assert await far.tag_history(NAME, TAG) == await origin.tag_history(NAME, TAG)


async def test_a_history_that_has_parted_is_a_conflict_and_nothing_moves(tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "origin")) as origin, open_store(str(tmp_path / "far")) as far:
        await filled(origin, A)
        await bring(await bundle_of(origin, A), far, tmp_path)
        await publish(origin, B, TAG)
        await publish(far, made_of(9), TAG)
        before = await far.newest_tag(NAME, TAG)
        with pytest.raises(ConflictError) as caught:
            await bring(await bundle_of(origin, B), far, tmp_path)
        assert caught.value.exit_code == 8
        await publish(origin, A, TAG)  # longer, and parted all the same
        with pytest.raises(ConflictError):
            await bring(await bundle_of(origin, A), far, tmp_path)
        assert await far.newest_tag(NAME, TAG) == before


async def test_another_realm_and_other_keys_are_conflicts(bundle: bytes, tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "other")) as store:
        await store.initialise(Realm(bytes(16)))
        with pytest.raises(ConflictError, match="realm"):
            await bring(bundle, store, tmp_path)
    async with open_store(str(tmp_path / "origin")) as origin, open_store(str(tmp_path / "claimed")) as store:
        await store.initialise(origin.realm)
        await store.commit_name_record(chain(origin.realm, SigningKey.from_seed(bytes([7]) * 32)))
        with pytest.raises(ConflictError, match="keys"):
            await bring(bundle, store, tmp_path)
        assert await store.newest_tag(NAME, TAG) is None


async def test_records_that_do_not_follow_each_other_are_no_history(tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "origin")) as origin, open_store(str(tmp_path / "fork")) as fork:
        await filled(origin, A, B)
        await fork.initialise(origin.realm)
        await filled(fork, B)
        forged = await bundle_of(origin, B, first=tuple(await fork.tag_history(NAME, TAG)))
        before = await origin.tag_history(NAME, TAG)
        with pytest.raises(RefusedError, match="does not follow"):
            await bring(forged, origin, tmp_path)
        assert await origin.tag_history(NAME, TAG) == before


async def test_a_whole_directory_store_that_tar_packs_is_a_bundle(tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "origin")) as origin, open_store(str(tmp_path / "far")) as far:
        await filled(origin, A, B)
        await publish(origin, A, "other")
        await publish(origin, A, "gone")
        await point(origin, "gone", None)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for part in ("swarm.cbor", "blocks", "versions", "names", "history", "tags"):
                tar.add(tmp_path / "origin" / part, part)
        done = await bring(packed.getvalue(), far, tmp_path)
        assert set(done.tags) == {f"{NAME}:{tag}" for tag in (TAG, "other", "gone")}
        assert await is_whole(far, A.id)
        assert await far.tag_history(NAME, "gone") == await origin.tag_history(NAME, "gone")


# --- hostile ones


def member(name: str, data: bytes = b"", **fields: object) -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for field, value in fields.items():
            setattr(info, field, value)
        tar.addfile(info, io.BytesIO(data) if info.isreg() else None)

    return add


BLOCK = f"blocks/00/{'00' * 32}"
HOSTILE = {
    "traversal": member("blocks/../../evil", b"x"),
    "absolute": member("/etc/evil", b"x"),
    "dots": member(f"./{BLOCK}", b"x"),
    "unknown": member("readme", b"x"),
    "temporary": member(".tmp/x", b"x"),
    "marker": member("publishing/" + "ab" * 16, b"x"),
    "garbage": member("gc/x", b"x"),
    "wrong prefix": member(f"blocks/01/{'00' * 32}", b"x"),
    "symlink": member(BLOCK, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": member(BLOCK, type=tarfile.LNKTYPE, linkname="swarm.cbor"),
    "device": member(BLOCK, type=tarfile.CHRTYPE),
    "fifo": member(BLOCK, type=tarfile.FIFOTYPE),
    "sparse": member(BLOCK, type=tarfile.GNUTYPE_SPARSE),
    "directory": member("blocks/../x", type=tarfile.DIRTYPE),
    "twice": member("swarm.cbor", b"x"),
    "large": member("swarm.cbor2", b"x"),
    "large record": member("names/maps/" + "0" * 19 + "1", bytes(2 * 1024 * 1024)),
    "bad name": member("names/Bad Name/" + "0" * 20, b"x"),
    "pax": member(BLOCK, b"x", pax_headers={"comment": "x"}),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_what_is_no_bundle_is_refused_before_anything_is_written(
    bundle: bytes, tmp_path: Path, what: str
) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        with tarfile.open(fileobj=io.BytesIO(bundle)) as good:
            for info in good:
                tar.addfile(info, good.extractfile(info))
        HOSTILE[what](tar)
    async with open_store(str(tmp_path / "far")) as store:
        with pytest.raises(RefusedError):
            await bring(file.getvalue(), store, tmp_path)
    assert not (tmp_path / "far").exists()


async def test_a_size_past_the_format_is_refused_without_being_read(bundle: bytes, tmp_path: Path) -> None:
    info = tarfile.TarInfo(BLOCK)
    info.size = 1 << 40
    data = bundle[: -2 * 512] + info.tobuf(tarfile.GNU_FORMAT)
    async with open_store(str(tmp_path / "far")) as store:
        with pytest.raises(RefusedError, match="more than"):
            await bring(data, store, tmp_path)


async def test_a_truncated_bundle_is_refused_wherever_it_ends(bundle: bytes, tmp_path: Path) -> None:
    ends = sorted({0, 1, 511, *range(512, len(bundle) - 1024, 509)})
    async with open_store(str(tmp_path / "far")) as store:
        for end in ends:
            with pytest.raises(SwarmError) as caught:
                await bring(bundle[:end], store, tmp_path)
            assert caught.value.exit_code in {5, 7}
    assert not (tmp_path / "far").exists()


async def test_a_broken_header_and_a_foreign_file_are_no_bundles(bundle: bytes, tmp_path: Path) -> None:
    broken = bytearray(bundle)
    broken[3] ^= 1
    async with open_store(str(tmp_path / "far")) as store:
        for data in (bytes(broken), b"PK\x03\x04" * 1000, bytes(1024)):
            with pytest.raises((CorruptError, RefusedError)):
                await bring(data, store, tmp_path)
    assert not (tmp_path / "far").exists()


async def test_a_flipped_bit_of_a_block_tags_nothing(bundle: bytes, tmp_path: Path) -> None:
    with (tmp_path / "whole").open("wb") as file:
        file.write(bundle)
    with (tmp_path / "whole").open("rb") as file:
        (block, *_) = [one for one in read_members(file) if one.key.startswith("blocks/")]
    broken = bytearray(bundle)
    broken[block.offset + 100] ^= 1
    async with open_store(str(tmp_path / "far")) as store:
        with pytest.raises(CorruptError, match="corrupt"):
            await bring(bytes(broken), store, tmp_path)
        assert await store.newest_tag(NAME, TAG) is None


async def test_a_bundle_that_lacks_a_block_tags_nothing(bundle: bytes, tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar, tarfile.open(fileobj=io.BytesIO(bundle)) as good:
        infos = good.getmembers()
        left_out = next(info for info in infos if info.name.startswith("blocks/"))
        for info in infos:
            if info is not left_out:
                tar.addfile(info, good.extractfile(info))
    async with open_store(str(tmp_path / "far")) as store:
        with pytest.raises(NotFoundError):
            await bring(file.getvalue(), store, tmp_path)
        assert await store.newest_tag(NAME, TAG) is None


async def test_nothing_is_exported_of_what_cannot_be_read(tmp_path: Path) -> None:
    async with open_store(str(tmp_path / "origin")) as store:
        await filled(store, A)
        kept = await load_kept(store, A.id)
        parcel = Parcel(store.realm, kept.version, kept.pages, (), (), NAME, 0)

        async def read(_block: bytes, _length: int) -> bytes:
            raise NotFoundError("gone")

        with pytest.raises(NotFoundError, match="gone"):
            await write_bundle(parcel, read, io.BytesIO(), lambda *_: None)


def test_names_longer_than_ustar_knows_come_back() -> None:
    from swarm.store.bundle import END, header, padding  # noqa: PLC0415

    key = f"history/@{'s' * 127}/{'p' * 128}/{'t' * 128}/{'0' * 20}"
    file = io.BytesIO(header("swarm.cbor", 1, 0) + b"x" + padding(1) + header(key, 3, 0) + b"abc" + padding(3) + END)
    assert [(one.key, one.size) for one in read_members(file)] == [("swarm.cbor", 1), (key, 3)]
