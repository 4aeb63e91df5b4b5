"""`swarm tag`, `rollback`, `untag` as functions: what they sign on, and what they refuse as a fetch would."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cli.rotation import add_key, remove_key
from swarm.agent.announce import Announcement
from swarm.agent.recordbook import Recordbook
from swarm.config.configs import CommonConfig, Pin, SeedConfig
from swarm.config.pins import Pins
from swarm.config.values import KEY_PREFIX
from swarm.errors import ConflictError, ForkError, NotFoundError, RefusedError, TrustError, UsageError
from swarm.protocol.ids import VersionId
from swarm.protocol.keys import SigningKey
from swarm.protocol.names import Reference, parse_reference
from swarm.protocol.records import decode_tag_record, describe, record_id, sign_tag_record
from swarm.seeder.history import open_history
from swarm.seeder.marks import Marks
from swarm.seeder.standing import read_standing
from swarm.seeder.tagging import Signer, next_record
from swarm.service import moving
from swarm.service.from_store import load_from_store
from swarm.service.moving import MoveOptions, TagMove, move_tag, remove_tag, roll_back
from swarm.service.publishing import publish_path
from swarm.service.telling import renewed
from swarm.store import open_store
from swarm.store.layout import history_key, tag_key
from tests.service.test_publishing import Listener

ALICE, BOB = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2))


class Place:
    """A machine that publishes as Alice, and a store; Bob may be let in."""

    def __init__(self, tmp_path: Path, *, with_store: bool = True) -> None:
        self.path = tmp_path
        self.url = str(tmp_path / "store")
        self.config = self.machine("home", ALICE, with_store=with_store)

    def machine(self, home: str, key: SigningKey, *, with_store: bool = True) -> CommonConfig:
        text = f"{KEY_PREFIX}{key.seed.hex()}"
        return CommonConfig(home=self.path / home, store=self.url if with_store else None, key_text=text, lan=False)

    async def publish(self, content: str, tag: str, *, config: CommonConfig | None = None, **more: object) -> str:
        data = self.path / "data"
        data.mkdir(exist_ok=True)
        (data / "a").write_text(content)
        seeding = SeedConfig(config or self.config, Reference("n", tag), path=data)
        return (await publish_path(replace(seeding, **more), Listener()))[1].digest  # type: ignore[arg-type]

    async def tag(self, source: str, target: str, config: CommonConfig | None = None, **more: bool) -> TagMove:
        source_, target_ = parse_reference(source), parse_reference(target)
        options = MoveOptions(is_forced=more.get("force", False))
        return (await move_tag(config or self.config, source_, target_, options, Listener()))[0]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def digest(move: TagMove) -> str | None:
    return move.record.root.hex() if move.record.root is not None else None


async def test_a_tag_follows_a_range_a_digest_and_back(place: Place) -> None:
    first = await place.publish("first", "1.0.0", label=("schema=3",))
    second = await place.publish("second", "1.1.0")
    moved = await place.tag("n:~1.0", "n:stable")
    assert (digest(moved), moved.before, moved.record.labels) == (first, None, (("schema", "3"),))
    moved = await place.tag("n:1.x", "n:stable")
    assert (digest(moved), moved.record.seq, moved.record.labels) == (second, 1, ())
    assert (await place.tag(f"n@{second[:12]}", "n:stable")).is_moved is False
    moved = await place.tag(f"n@{first}", "n:stable")
    assert (digest(moved), moved.record.labels) == (first, ())
    (back,) = await roll_back(place.config, parse_reference("n:stable"), "1", MoveOptions(Marks("oops")), Listener())
    assert (digest(back), back.record.notes) == (second, "oops")
    (gone,) = await remove_tag(place.config, parse_reference("n:stable"), MoveOptions(), Listener())
    assert (gone.record.root, gone.is_moved) == (None, True)
    (gone,) = await remove_tag(place.config, parse_reference("n:stable"), MoveOptions(), Listener())
    assert not gone.is_moved
    with pytest.raises(NotFoundError, match="removed by its producer"):
        await place.tag("n:stable", "n:other")
    (back,) = await roll_back(place.config, parse_reference("n:stable"), None, MoveOptions(), Listener())
    assert (digest(back), back.record.seq) == (second, 5)


async def test_what_is_no_tag_of_the_name_is_refused(place: Place) -> None:
    await place.publish("first", "1.0.0")
    for source, target in (("n:1.0.0", "m:stable"), ("n:1.0.0", "n"), ("n:1.0.0", "n:2.x"), ("n:1.0.0", "n@abcdef")):
        with pytest.raises(UsageError):
            await place.tag(source, target)
    for source in ("n:nothing", "n:^3", "n@abcdef", "n@" + "0" * 64):
        with pytest.raises(NotFoundError):
            await place.tag(source, "n:stable")
    with pytest.raises(NotFoundError, match="nobody has published m"):
        await place.tag("m:1.0.0", "m:stable")
    for act in (roll_back(place.config, parse_reference("n:nothing"), None, MoveOptions(), Listener()),
                remove_tag(place.config, parse_reference("n:nothing"), MoveOptions(), Listener())):  # fmt: skip
        with pytest.raises(NotFoundError, match="there is no n:nothing"):
            await act


async def test_without_a_store_the_history_in_the_home_is_moved(tmp_path: Path) -> None:
    place = Place(tmp_path, with_store=False)
    with pytest.raises(UsageError, match="none was named"):
        await place.tag("n:1.0.0", "n:stable")
    first = await place.publish("first", "1.0.0")
    assert digest(await place.tag("n:1.0.0", "n:stable")) == first
    async with open_history(place.config.home) as history:
        data = await history.newest_tag("n", "stable")
    assert data is not None
    assert Recordbook(place.config.home).newest("n", "stable") == data


async def test_a_tracker_that_begins_anew_is_told_what_the_tags_mean_by_then(place: Place) -> None:
    await place.publish("first", "1.0.0")
    second = await place.publish("second", "1.1.0")
    await place.tag("n:1.0.0", "n:stable")
    async with open_store(place.url) as store:
        chain = await store.name_chain("n")
        records = [await store.newest_tag("n", tag) or b"" for tag in ("1.0.0", "stable")]
        told = tuple(Announcement("label", data, chain, b"the root") for data in records)
        await place.tag("n:1.1.0", "n:stable")
        await add_key(store, "n", BOB.public_key, ALICE)
        release, stable = await renewed(place.config, told)
        assert (release.tag_record, release.root) == (told[0].tag_record, b"the root")
        assert len(release.name_records) == len(stable.name_records) == 2
        assert stable.tag_record == await store.newest_tag("n", "stable")
        assert stable.root == await store.get_root(VersionId(bytes.fromhex(second)))
    shutil.rmtree(place.url)
    assert await renewed(place.config, told) == told


async def test_a_range_is_served_from_the_store(place: Place) -> None:
    first = await place.publish("first", "1.0.0")
    await place.publish("second", "2.0.0")
    async with open_store(place.url) as store:
        found = await load_from_store(store, parse_reference("n:1.x"), place.config)
    assert (found.version.id.hex(), decode_tag_record(found.tag_record).tag) == (first, "1.0.0")


# --- who may, and on what -------------------------------------------------------------------------


async def test_a_key_that_may_not_or_no_longer_sign_moves_nothing(place: Place) -> None:
    await place.publish("first", "1.0.0")
    bob = place.machine("bob", BOB)
    with pytest.raises(TrustError, match="may not publish"):
        await place.tag("n:1.0.0", "n:stable", bob)
    async with open_store(place.url) as store:
        await add_key(store, "n", BOB.public_key, ALICE)
        await place.tag("n:1.0.0", "n:stable", bob)
        await remove_key(store, "n", BOB.public_key, ALICE)
        stable = decode_tag_record(await store.newest_tag("n", "stable") or b"")
        assert (stable.key, stable.seq) == (ALICE.public_key, 1), "signed again by who may"
    with pytest.raises(TrustError, match="may not publish"):
        await place.tag("n:1.0.0", "n:stable", bob)
    for act in (roll_back(bob, parse_reference("n:stable"), "0", MoveOptions(), Listener()),
                remove_tag(bob, parse_reference("n:stable"), MoveOptions(), Listener())):  # fmt: skip
        with pytest.raises(TrustError, match="may not publish"):
            await act


async def test_what_a_removed_key_has_signed_is_no_source(place: Place) -> None:
    """As when somebody writes into the store who may no longer sign."""
    await place.publish("first", "1.0.0")
    async with open_store(place.url) as store:
        await add_key(store, "n", BOB.public_key, ALICE)
        standing = await read_standing(store, [("n", "1.0.0")], ALICE)
        root = standing.tags[0].record
        assert root is not None
        await remove_key(store, "n", BOB.public_key, ALICE)
        tagged = replace(standing.tags[0], tag="canary", data=None, record=None)
        await store.commit_tag(next_record(tagged, root.root, Signer(BOB, store.realm, 1_000), Marks()))
    with pytest.raises(TrustError, match="no longer sign"):
        await place.tag("n:canary", "n:stable")
    moved = await place.tag("n:1.0.0", "n:canary")  # who may puts it right
    assert (moved.record.key, moved.record.seq) == (ALICE.public_key, 1)


async def test_nothing_is_signed_on_top_of_the_past(place: Place) -> None:
    await place.publish("first", "1.0.0")
    await place.publish("second", "1.1.0")
    await place.tag("n:1.0.0", "n:stable")
    shutil.copytree(place.url, place.url + ".past")
    await place.tag("n:1.1.0", "n:stable")
    shutil.rmtree(place.url)
    Path(place.url + ".past").rename(place.url)
    for act in (lambda: place.tag("n:1.1.0", "n:stable"),
                lambda: roll_back(place.config, parse_reference("n:stable"), "0", MoveOptions(), Listener()),
                lambda: remove_tag(place.config, parse_reference("n:stable"), MoveOptions(), Listener())):  # fmt: skip
        with pytest.raises(RefusedError, match="older than what this machine has seen"):
            await act()
    with pytest.raises(RefusedError, match="older than"):
        await place.tag("n:stable", "n:other")
    with pytest.raises(RefusedError, match="older than"):
        await place.publish("third", "stable")


async def test_a_publish_is_held_to_what_was_published_from_here(place: Place) -> None:
    await place.publish("first", "1.0.0")
    shutil.copytree(place.url, place.url + ".past")
    await place.publish("second", "1.1.0")
    shutil.rmtree(place.url)
    Path(place.url + ".past").rename(place.url)
    with pytest.raises(RefusedError, match=r"n:latest #.* is older than what this machine has seen"):
        await place.publish("third", "1.2.0")
    assert await place.publish("third", "1.2.0", latest=False), "nothing is signed on top of the past"


async def test_a_fork_is_not_built_on(place: Place) -> None:
    await place.publish("first", "1.0.0")
    await place.publish("second", "1.1.0")
    shutil.copytree(place.url, place.url + ".other")
    await place.tag("n:1.0.0", "n:stable")
    elsewhere = replace(place.config, store=place.url + ".other", home=place.path / "elsewhere")
    await place.tag("n:1.1.0", "n:stable", elsewhere)
    seen = decode_tag_record(Recordbook(place.config.home).newest("n", "stable") or b"")
    forked = replace(place.config, store=place.url + ".other")
    async with open_store(place.url + ".other") as store:  # one history, two first records
        other = decode_tag_record(await store.newest_tag("n", "stable") or b"")
        twin = sign_tag_record(replace(other, epoch=seen.epoch), ALICE)
    for key in (tag_key("n", "stable"), history_key("n", "stable", 0)):
        (Path(place.url + ".other") / key).write_bytes(twin)
    for act in (lambda: place.tag("n:1.0.0", "n:stable", forked), lambda: place.tag("n:stable", "n:x", forked)):
        with pytest.raises(ForkError, match="two records claim one number"):
            await act()


async def test_another_realm_than_the_pinned_one_is_refused(place: Place) -> None:
    await place.publish("first", "1.0.0")
    Pins.of(place.config).add("n", Pin(ALICE.fingerprint, b"z" * 16))  # type: ignore[arg-type]
    with pytest.raises(TrustError, match="is pinned") as refused:
        await place.tag("n:1.0.0", "n:stable")
    assert "--realm" in refused.value.hint
    with pytest.raises(TrustError, match="is pinned"):
        await remove_tag(place.config, parse_reference("n:1.0.0"), MoveOptions(is_forced=True), Listener())


async def test_keys_of_an_earlier_time_are_refused(place: Place) -> None:
    await place.publish("first", "1.0.0")
    shutil.copytree(place.url, place.url + ".past")
    async with open_store(place.url) as store:
        await add_key(store, "n", BOB.public_key, ALICE)
    await place.tag("n:1.0.0", "n:stable")
    shutil.rmtree(place.url)
    Path(place.url + ".past").rename(place.url)
    with pytest.raises(RefusedError, match="keys of 'n' are those of an earlier time"):
        await place.tag("n:1.0.0", "n:other")


async def test_who_comes_second_is_told_both_records(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.publish("first", "1.0.0")
    await place.publish("second", "1.1.0")
    load, others = moving.load_kept, []

    async def slowly(*arguments: object) -> object:
        if not others:
            others.append(None)
            others.append((await place.tag("n:1.1.0", "n:stable", replace(place.config, home=place.path / "b"))).record)
        return await load(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(moving, "load_kept", slowly)
    with pytest.raises(ConflictError, match="another producer was first") as lost:
        await place.tag("n:1.0.0", "n:stable")
    assert lost.value.exit_code == 8
    assert describe(others[1]) in lost.value.message
    assert "#" in lost.value.message.partition("ours is")[2]
    assert record_id(lost.value.newest or b"")
