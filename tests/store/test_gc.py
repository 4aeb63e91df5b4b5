"""`Store.collect` on every kind of place: what goes, when, and what never does."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from trio.testing import MockClock

from swarm.errors import ConflictError, CorruptError, MissingError, PermissionError_, UnavailableError
from swarm.protocol.ids import BlockId, digest
from swarm.store import ages, collection, memory, sweep
from swarm.store import directory as store_directory
from swarm.store._objects import Objects, Stat
from swarm.store.collected import Amount, Collected, Request
from swarm.store.condemned import State, condemn, load_runs, with_state
from swarm.store.layout import PUBLISHING, block_key, version_key
from swarm.store.retention import Keep, kept_of
from swarm.store.store import Store
from swarm.store.sweep import Rules
from tests.store.faults import Faulty
from tests.store.place import Place
from tests.store.versions import Made, is_whole, made_of, parts, point, publish

HOUR_S = 3600.0


class KilledError(Exception):
    """Ends a collection before one of its requests."""


A, B = made_of(1, 2, 3, 4), made_of(3, 4, 5)


@asynccontextmanager
async def shifted(place: Place, hours: float) -> AsyncIterator[Store]:
    """The store as it is so many hours later."""
    async with place.open() as store:
        adapter: Objects = store._objects.once
        real, real_stat = adapter.server_time, adapter.stat

        async def server_time() -> float:
            return await real() + hours * HOUR_S

        async def stat(key: str) -> Stat | None:
            found = await real_stat(key)
            is_new = found is not None and key.startswith(f"{PUBLISHING}gc-")
            return replace(found, modified_s=found.modified_s + hours * HOUR_S) if found and is_new else found

        adapter.server_time, adapter.stat = server_time, stat  # type: ignore[method-assign]
        yield store


async def collect(
    place: Place, tmp_path: Path, hours: float, grace_s: float = ages.GRACE_S, **request: object
) -> Collected:
    rules = Rules(collector="tester", drain_s=0.0, grace_s=grace_s)
    async with shifted(place, hours) as store:
        return await store.collect(Request(**{"keep": Keep(last=1), "directory": tmp_path} | request), rules)  # type: ignore[arg-type]


async def names_of(place: Place, prefix: str) -> set[str]:
    async with place.objects() as objects:
        return {listed.key for listed in (await objects.list_page(prefix)).objects}


def keys(made: Made) -> set[str]:
    return {block_key(block) for block in parts(made)}


async def begun(place: Place) -> None:
    """A and B are published, A's tag is taken away."""
    async with place.store() as store:
        await publish(store, A, "a")
        await publish(store, B, "b")
        await point(store, "a", None)


async def test_only_what_nobody_needs_goes_and_only_a_day_after_it_was_condemned(place: Place, tmp_path: Path) -> None:
    await begun(place)
    only_a = keys(A) - keys(B)
    at_once = await collect(place, tmp_path, 0)
    assert (at_once.condemned, at_once.young.versions, at_once.young.blocks) == (Amount(), 1, len(only_a))
    first = await collect(place, tmp_path, 1)
    assert first.young == Amount()
    assert (first.freed, first.condemned.versions, first.condemned.blocks) == (Amount(), 1, len(only_a))
    assert first.kept.blocks == len(keys(B))
    early = await collect(place, tmp_path, 24)
    assert (early.freed, early.condemned, early.pending.blocks) == (Amount(), Amount(), len(only_a))
    assert await names_of(place, "blocks/") == keys(A) | keys(B)
    late = await collect(place, tmp_path, 26)
    assert (late.freed.versions, late.freed.blocks, late.due_s) == (1, len(only_a), None)
    assert late.freed.bytes == first.condemned.bytes
    assert await names_of(place, "blocks/") == keys(B)
    assert await names_of(place, "versions/") == {version_key(B.id)}
    assert await names_of(place, "gc/") == set()
    async with place.open() as store:
        assert await is_whole(store, B.id)
        with pytest.raises(MissingError):
            await store.get_root(A.id)
        assert len(await store.tag_history("maps", "a")) == 2


async def test_a_dry_run_says_the_same_and_changes_nothing(place: Place, tmp_path: Path) -> None:
    await begun(place)
    before = await names_of(place, "")
    dry = await collect(place, tmp_path, 1, is_dry_run=True)
    assert await names_of(place, "") == before
    wet = await collect(place, tmp_path, 1)
    assert (dry.condemned, dry.kept) == (wet.condemned, wet.kept)
    before = await names_of(place, "")
    dry = await collect(place, tmp_path, 26, is_dry_run=True)
    assert await names_of(place, "") == before
    assert dry.freed == (await collect(place, tmp_path, 26)).freed


async def test_a_dry_run_names_what_goes_and_what_each_version_frees(directory: Place, tmp_path: Path) -> None:
    c = made_of(2, 3, 9)
    async with directory.store() as store:
        for made, tag in ((A, "a"), (c, "a"), (c, "c"), (B, "b")):
            await publish(store, made, tag)
        for tag in "ac":
            await point(store, tag, None)
        orphan = BlockId(digest(b"of nobody"))
        await store.put_block(orphan, b"of nobody")
    await collect(directory, tmp_path, 1)
    for hours in (1, 26):
        dropping = (await collect(directory, tmp_path, hours, is_dry_run=True)).dropping
        assert dropping is not None
        found = {one.version: one for one in dropping.versions}
        assert found.keys() == {A.id, c.id}
        assert [(one.tag, one.seq) for one in found[c.id].meanings] == [("maps:a", 1), ("maps:c", 0)]
        assert all(one.until_s is not None and one.until_s >= one.since_s for one in found[c.id].meanings)
        shared = (parts(A).keys() & parts(c).keys()) - parts(B).keys()
        assert dropping.shared.blocks == len(shared) > 0
        assert found[A.id].blocks == len(parts(A).keys() - parts(c).keys() - parts(B).keys())
        assert dropping.unowned.blocks == 1
        assert {one.is_due for one in dropping.versions} == {hours == 26}
    done = await collect(directory, tmp_path, 26)
    of_each = [(one.blocks, one.bytes) for one in (*dropping.versions, dropping.shared, dropping.unowned)]
    assert (done.freed.blocks, done.freed.bytes) == tuple(map(sum, zip(*of_each, strict=True)))
    assert done.dropping is None


async def test_a_dry_run_needs_no_right_to_write(
    directory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To ask a directory for its time is to write there."""
    await begun(directory)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(store_directory, "_write", refuse)
    async with directory.open() as store:
        dry = await store.collect(Request(Keep(last=1), tmp_path, is_dry_run=True))
        assert (dry.kept.versions, dry.freed) == (1, Amount())
        with pytest.raises(PermissionError_):
            await store.collect(Request(Keep(last=1), tmp_path))


async def test_alone_it_need_not_wait(place: Place, tmp_path: Path) -> None:
    await begun(place)
    done = await collect(place, tmp_path, 0, is_alone=True)
    assert (done.freed.versions, done.freed.blocks) == (1, len(keys(A) - keys(B)))
    assert await names_of(place, "blocks/") == keys(B)


@pytest.fixture
def directory(tmp_path: Path) -> Place:
    return Place("directory", str(tmp_path / "store"))


async def test_alone_is_not_believed_while_somebody_publishes(directory: Place, tmp_path: Path) -> None:
    await begun(directory)
    async with directory.open() as other, other.publishing():
        with pytest.raises(ConflictError, match="somebody publishes"):
            await collect(directory, tmp_path, 0, is_alone=True)


async def test_what_is_published_again_meanwhile_stays(directory: Place, tmp_path: Path) -> None:
    await begun(directory)
    await collect(directory, tmp_path, 1)
    async with directory.open() as store:
        await point(store, "c", A.id)
    assert (await collect(directory, tmp_path, 26)).freed == Amount()
    async with directory.open() as store:
        assert await is_whole(store, A.id)


async def test_what_a_publisher_who_was_there_at_the_condemnation_counts_on_stays_until_he_has_gone(
    directory: Place, tmp_path: Path
) -> None:
    await begun(directory)
    """Nobody can be there at a condemnation a day old but by renewing his marker."""
    await collect(directory, tmp_path, 1)
    async with directory.open() as other, other.publishing() as publisher:
        async with shifted(directory, 1) as store:
            (run,) = await load_runs(store._objects)
            markers = (publisher.run,)
            await condemn(store._objects, run.name, with_state(run.condemnation, State.CONDEMNED, markers))
        waiting = await collect(directory, tmp_path, 23.9, grace_s=22 * HOUR_S)
        assert (waiting.freed, "has not ended" in waiting.waiting[0]) == (Amount(), True)
    assert (await collect(directory, tmp_path, 23.9, grace_s=22 * HOUR_S)).freed.versions == 1


async def test_what_is_being_published_is_not_condemned_under_the_publisher(directory: Place, tmp_path: Path) -> None:
    await begun(directory)
    async with directory.open() as other, other.publishing():
        assert (await collect(directory, tmp_path, 0.5)).condemned == Amount()
    assert (await collect(directory, tmp_path, 0.5)).condemned.blocks


async def test_a_killed_publisher_is_counted_for_a_day(directory: Place, tmp_path: Path) -> None:
    await begun(directory)
    await collect(directory, tmp_path, 0.1)
    async with directory.objects() as objects:
        await objects.put(f"{PUBLISHING}{'ab' * 16}", b"")
    waiting = await collect(directory, tmp_path, 0.2)
    assert waiting.freed == Amount()


async def test_objects_that_are_not_ours_stay(directory: Place, tmp_path: Path) -> None:
    await begun(directory)
    strange = {"blocks/00/zz", "blocks/readme", "versions/x", "notes/mine", "gc.txt", "history/maps/readme"}
    async with directory.objects() as objects:
        for key in strange:
            await objects.put(key, b"mine")
    await collect(directory, tmp_path, 1)
    assert (await collect(directory, tmp_path, 26)).freed.versions == 1
    assert strange <= await names_of(directory, "")


@pytest.mark.parametrize("what", ["root", "page", "record"])
async def test_what_cannot_be_read_stops_it_and_nothing_is_deleted(directory: Place, tmp_path: Path, what: str) -> None:
    await begun(directory)
    await collect(directory, tmp_path, 1)
    page = B.version.space.page_ref(0).id
    key = {"root": version_key(B.id), "page": block_key(page), "record": f"history/maps/b/{0:020d}"}[what]
    async with directory.objects() as objects:
        await objects.put(key, b"rubbish")
    before = await names_of(directory, "")
    with pytest.raises(CorruptError, match=r"b|history") as caught:
        await collect(directory, tmp_path, 26)
    assert caught.value.exit_code == 7
    assert await names_of(directory, "") == before


async def test_a_root_that_is_gone_stops_it_where_a_tag_means_it(directory: Place, tmp_path: Path) -> None:
    await begun(directory)
    async with directory.objects() as objects:
        await objects.delete(version_key(B.id))
    with pytest.raises(CorruptError, match="maps:b"):
        await collect(directory, tmp_path, 1)


async def test_a_kill_at_any_request_loses_nothing_and_the_next_run_goes_on(directory: Place, tmp_path: Path) -> None:
    await begun(directory)
    await collect(directory, tmp_path, 1)
    for left in count(1):
        async with shifted(directory, 26) as store:
            writes = count(1)

            def counted(operation: str, _key: str, is_done: bool, left: int = left, writes: count = writes) -> None:  # type: ignore[type-arg]
                if operation in {"put", "delete"} and not is_done and next(writes) > left:
                    raise KilledError

            store._objects.once = Faulty(store._objects.once, counted)  # type: ignore[arg-type]
            try:
                await store.collect(Request(Keep(last=1), tmp_path), Rules(collector="tester", drain_s=0.0))
                break
            except (KilledError, ExceptionGroup):
                pass
        async with directory.open() as reader:
            assert await is_whole(reader, B.id)
    assert left > 4
    assert await names_of(directory, "blocks/") == keys(B)
    assert await names_of(directory, "gc/") == set()


async def test_another_collections_sweep_is_left_to_it_for_two_hours(directory: Place, tmp_path: Path) -> None:
    await begun(directory)
    await collect(directory, tmp_path, 1)
    async with shifted(directory, 26) as store:
        other = sweep.Sweep(store._objects, Rules(collector="other"))
        await other.claim(await other.load(await store.server_time()))
        assert [run.condemnation.state for run in await load_runs(store._objects)] == [State.SWEEPING]
    waiting = await collect(directory, tmp_path, 1)
    assert (waiting.freed, "another collection" in waiting.waiting[0]) == (Amount(), True)
    assert (await collect(directory, tmp_path, 26)).freed.versions == 1


async def test_a_collector_that_was_suspended_stops(directory: Place, tmp_path: Path) -> None:
    await begun(directory)
    await collect(directory, tmp_path, 1)
    times = iter([0.0, 0.0, *[ages.DELETE_AGE_MAX_S + 1] * 1000])
    async with shifted(directory, 26) as store:
        with pytest.raises(UnavailableError, match="suspended"):
            await store.collect(Request(Keep(last=1), tmp_path), Rules(drain_s=0.0, clock=lambda: next(times)))
    assert await names_of(directory, "blocks/") == keys(A) | keys(B)


async def test_a_deletion_that_a_suspension_interrupted_is_not_tried_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The machine slept with the request on its way; who waited for the end of the sweep has written the block anew."""
    memory.forget("memory://suspended/prefix")
    place = Place("memory", "memory://suspended/prefix")
    await begun(place)
    await collect(place, tmp_path, 1)
    now_s, asked = 0.0, list[str]()

    def fault(operation: str, key: str, is_done: bool) -> Exception | None:
        nonlocal now_s
        if operation != "delete" or not key.startswith(("blocks/", "versions/")):
            return None
        asked.append(key)
        now_s += ages.DELETE_AGE_MAX_S + 1
        return None if is_done else UnavailableError("connection reset")

    async with shifted(place, 26) as store:
        store._objects.once = Faulty(store._objects.once, fault)
        with pytest.raises(UnavailableError, match="suspended for too long"):
            await store.collect(Request(Keep(last=1), tmp_path), Rules(drain_s=0.0, clock=lambda: now_s))
    assert len(asked) == 1
    assert await names_of(place, "blocks/") == keys(A) | keys(B)


async def test_many_runs_are_written_where_much_is_condemned(
    directory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "CONDEMNED_BYTES_MAX", 64)
    await begun(directory)
    first = await collect(directory, tmp_path, 1)
    assert len(await names_of(directory, "gc/")) > 1
    assert (await collect(directory, tmp_path, 26)).freed == first.condemned


def version(number: int) -> bytes:
    return bytes([number]) * 32


@pytest.mark.parametrize(
    ("roots", "keep", "expected"),
    [
        ([1], Keep(1), [1]),
        ([1, 2, 3], Keep(1), [3]),
        ([1, 2, 3], Keep(2), [3, 2]),
        ([1, 2, 2, 3, 3], Keep(2), [3, 2]),
        ([1, 2, 1], Keep(2), [1, 2]),
        ([1, 2, None], Keep(2), []),
        ([1, None, 3], Keep(2), [3, 1]),
        ([1, 2, 3], Keep(1, days=1.5), [3, 2]),
        ([1, 2, 3], Keep(1, days=3), [3, 2, 1]),
        ([1, 2, None], Keep(1, days=1.5), [2]),
        ([], Keep(1), []),
    ],
)
async def test_what_of_a_history_is_kept(roots: list[int | None], keep: Keep, expected: list[int]) -> None:
    """One step a day, the last a day ago."""
    day_s = 86400.0
    times = [at * day_s for at in range(len(roots))]

    async def root_of(step: int) -> bytes | None:
        root = roots[step]
        return None if root is None else version(root)

    kept = await kept_of(times, root_of, keep, len(roots) * day_s)  # type: ignore[arg-type]
    assert [one[0] for one, _ in kept] == expected
