"""A follower over real holdings and a real directory store: what it does when the tag moves, and when things fail."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from swarm.agent.follow_notices import FirstAsked, Flipped, Following, HookEnd, Moved, Standing
from swarm.agent.following import fetching
from swarm.agent.following.place import Place
from swarm.agent.following.record import RecordFile, Step
from swarm.agent.following.switching import Switching
from swarm.agent.notices import Note
from swarm.errors import EditedFilesError, HookError, NotFoundError, RefusedError, UnavailableError, UsageError
from swarm.protocol.ids import VersionId
from swarm.protocol.keys import SigningKey
from swarm.protocol.records import (
    NameRecord,
    decode_name_record,
    decode_tag_record,
    record_id,
    sign_name_record,
    sign_tag_record,
)
from tests.agent.following.followed import Channel, follow_once, following, hook, in_world, order, text_of
from tests.agent.world import PUBLISHER, Machine, World, raised_by


def _not_to_be_read(_block: object) -> None:
    raise AssertionError("the store is not to be read")


def log_hook(path: Path, more: str = "") -> object:
    code = f"open({str(path)!r}, 'a').write(E['SWARM_PREVIOUS'][:8] + '>' + E['SWARM_VERSION'][:8] + '\\n')\n{more}"
    return hook(code)


@in_world
async def test_it_goes_where_the_tag_goes_and_keeps_the_one_before(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    versions = [await channel.publish("one")]
    async with following(world, machine, order(dest)) as told:
        await told.until_settled(versions[0])
        assert text_of(dest) == "one"
        for text in ("two", "three"):
            versions.append(await channel.publish(text))
            await told.until_settled(versions[-1])
            assert text_of(dest) == text
        moved = [one for one in told if isinstance(one, Moved)]
        assert [one.digest for one in moved] == [version.hex() for version in versions]
        assert [one.behind_versions for one in moved] == [None, 1, 1]
        assert all(one.source == "store" for one in moved)
        flips = [one for one in told if isinstance(one, Flipped)]
        assert [one.previous for one in flips] == [None, versions[0].hex(), versions[1].hex()]
        assert flips[1].bytes_local > flips[1].bytes_origin, "what was here is not fetched again"
        asked = [one for one in told if isinstance(one, FirstAsked)]
        assert len(asked) == 3
    assert sorted(Place(dest).versions()) == sorted(versions[1:]), "--keep 1"


@in_world
async def test_it_gives_what_it_has(world: World, machine: Machine, channel: Channel, dest: Path) -> None:
    await channel.publish("one")
    other = await world.machine()
    async with following(world, machine, order(dest)) as told:
        version = await channel.publish("two")
        await told.until_settled(version)
        world.store_fault = _not_to_be_read
        other.meet(machine)
        machine.meet(other)
        receipt = await other.fetch("data:stable", world.path / "copy")
        assert receipt.bytes_peer > 0
        assert receipt.bytes_origin == 0


@in_world
async def test_a_restart_finds_everything_on_the_disk_and_runs_no_hook_again(
    world: World, channel: Channel, dest: Path, tmp_path: Path
) -> None:
    version, log, home = await channel.publish("one"), tmp_path / "log", tmp_path / "home"
    for _ in range(2):
        machine = await world.machine(reads_store=True, home=home)
        async with following(world, machine, order(dest, hook=log_hook(log))) as told:
            await told.until_settled(version)
    assert log.read_text() == f">{version.hex()[:8]}\n"


@in_world
async def test_a_hook_that_fails_takes_current_back_until_the_tag_moves(
    world: World, machine: Machine, channel: Channel, dest: Path, tmp_path: Path
) -> None:
    good, log = await channel.publish("good"), tmp_path / "log"
    what = order(dest, hook=log_hook(log, "sys.exit('bad' in open(E['SWARM_CURRENT'] + '/text').read())"))
    async with following(world, machine, what) as told:
        await told.until_settled(good)
        bad = await channel.publish("bad")
        refused = await told.until(Following, lambda one: one.state is Standing.REFUSED)
        assert (refused.current, refused.newest, refused.behind_versions) == (good.hex(), bad.hex(), 1)
        assert refused.waiting is not None
        assert "ended with 1" in refused.waiting
        assert text_of(dest) == "good"
        back = (
            told[-2] if isinstance(told[-2], Flipped) else next(f for f in told if isinstance(f, Flipped) and f.is_back)
        )
        assert isinstance(back, Flipped)
        assert (back.digest, back.previous, back.is_back) == (good.hex(), bad.hex(), True)
    # A restart remembers it, `--once` says so, and `--retry` tries it again.
    async with raised_by(RefusedError) as caught:
        await follow_once(world, machine, what)
    assert "refused" in str(caught[0])
    assert text_of(dest) == "good"
    async with raised_by(HookError):
        await follow_once(world, machine, order(dest, hook=what.hook, retry=True))
    assert text_of(dest) == "good"
    better = await channel.publish("better")
    await follow_once(world, machine, what)
    assert text_of(dest) == "better"
    first = [one.hex()[:8] for one in (good, bad, better)]
    assert log.read_text().splitlines() == [
        f">{first[0]}", f"{first[0]}>{first[1]}", f"{first[0]}>{first[1]}", f"{first[0]}>{first[2]}",
    ]  # fmt: skip


@in_world
async def test_a_tag_that_is_removed_while_its_version_is_refused_is_said_too(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    await channel.publish("good")
    await follow_once(world, machine, order(dest))
    await channel.publish("bad")
    async with following(world, machine, order(dest, hook=hook("sys.exit(1)"))) as told:
        await told.until(Following, lambda one: one.state is Standing.REFUSED)
        await channel.point(None)
        now = await told.until(Following, lambda one: "removed by its producer" in (one.waiting or ""))
        assert now.state is Standing.REFUSED
        assert "ended with 1" in (now.waiting or "")
        assert text_of(dest) == "good"


@pytest.mark.parametrize(("kind", "outcome"), [("hangs", HookEnd.TIMED_OUT), ("is missing", HookEnd.MISSING)])
@in_world
async def test_a_hook_that_hangs_or_is_missing_is_one_that_failed(
    world: World, machine: Machine, channel: Channel, dest: Path, tmp_path: Path, kind: str, outcome: HookEnd
) -> None:
    good = await channel.publish("good")
    await follow_once(world, machine, order(dest))
    await channel.publish("new")
    bad_hook = hook("import time; time.sleep(600)", 0.5) if kind == "hangs" else hook("", 60.0)
    if kind == "is missing":
        object.__setattr__(bad_hook, "words", (str(tmp_path / "nothing"),))
    async with following(world, machine, order(dest, hook=bad_hook)) as told:
        await told.until(Following, lambda one: one.state is Standing.REFUSED and one.current == good.hex())
        assert [one.outcome for one in told.hooks()] == [outcome]
    assert text_of(dest) == "good"


@in_world
async def test_the_first_version_whose_hook_fails_leaves_no_current(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    await channel.publish("one")
    async with raised_by(HookError) as caught:
        await follow_once(world, machine, order(dest, hook=hook("sys.exit(4)")))
    assert "4" in str(caught[0])
    assert Place(dest).current() is None


@in_world
async def test_what_the_hook_is_told(
    world: World, machine: Machine, channel: Channel, dest: Path, tmp_path: Path
) -> None:
    one, out = await channel.publish("one"), tmp_path / "out"
    await follow_once(world, machine, order(dest))
    two = await channel.publish("two")
    dump = f"import json; json.dump({{k: v for k, v in E.items() if k[:6] == 'SWARM_'}}, open({str(out)!r}, 'w'))"
    await follow_once(world, machine, order(dest, hook=hook(dump)))
    versions = dest / "versions"
    told = json.loads(out.read_text())
    assert {
        "SWARM_NAME": "data", "SWARM_TAG": "stable", "SWARM_SEQ": "1", "SWARM_VERSION": two.hex(),
        "SWARM_PREVIOUS": one.hex(), "SWARM_DEST": str(dest), "SWARM_CURRENT": str(dest / "current"),
        "SWARM_VERSION_PATH": str(versions / two.hex()), "SWARM_PREVIOUS_PATH": str(versions / one.hex()),
    }.items() <= told.items()  # fmt: skip


@in_world
async def test_a_rollback_is_a_step_forward_to_what_is_here(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    one = await channel.publish("one")
    async with following(world, machine, order(dest)) as told:
        await told.until_settled(one)
        two = await channel.publish("two")
        await told.until_settled(two)
        told.forget()
        await channel.point(one)
        await told.until_settled(one)
        assert text_of(dest) == "one"
        assert not [notice for notice in told if isinstance(notice, FirstAsked)]


@in_world
async def test_a_removed_tag_keeps_what_is_here_and_says_so(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    one = await channel.publish("one")
    async with following(world, machine, order(dest)) as told:
        await told.until_settled(one)
        await channel.point(None)
        waits = await told.until(Following, lambda now: now.state is Standing.WAITING and now.current is not None)
        assert waits.waiting is not None
        assert "removed by its producer" in waits.waiting
        assert text_of(dest) == "one"
        two = await channel.publish("two")
        await told.until_settled(two)


@in_world
async def test_older_records_forks_and_other_realms_change_nothing(
    world: World, machine: Machine, channel: Channel, dest: Path, tmp_path: Path
) -> None:
    """The sources now say what an attacker, or a lost store's backup, would say."""
    one = await channel.publish("one")
    old = await world.store.newest_tag("data", "stable")
    two = await channel.publish("two")
    newest = await world.store.newest_tag("data", "stable")
    assert old is not None
    assert newest is not None
    await follow_once(world, machine, order(dest))
    path = tmp_path / "store" / "tags" / "data" / "stable"
    _, last = sorted((tmp_path / "store" / "history" / "data" / "stable").iterdir())
    last.unlink()
    path.write_bytes(old)
    async with raised_by(RefusedError) as caught:
        await follow_once(world, machine, order(dest))
    assert "older" in str(caught[0])
    await channel.point(one)  # number 1 again, and another root
    async with raised_by(RefusedError) as caught:
        await follow_once(world, machine, order(dest))
    assert "two records" in str(caught[0])
    async with following(world, machine, order(dest)) as told:
        waits = await told.until(Following, lambda now: now.waiting is not None and "two records" in now.waiting)
        assert (waits.state, waits.current) == (Standing.WAITING, two.hex())
    assert text_of(dest) == "two"
    assert decode_tag_record(newest).root == two


@pytest.mark.slow
@in_world
async def test_an_outage_of_every_source_is_survived_and_said(
    world: World, machine: Machine, channel: Channel, dest: Path, tmp_path: Path
) -> None:
    one = await channel.publish("one")
    async with following(world, machine, order(dest)) as told:
        await told.until_settled(one)
        store, away = tmp_path / "store" / "tags", tmp_path / "away"
        history = tmp_path / "store" / "history"
        store.rename(away)
        history.rename(tmp_path / "away2")
        await told.until(Following, lambda now: now.state is Standing.WAITING and now.current == one.hex())
        assert text_of(dest) == "one"
        away.rename(store)
        (tmp_path / "away2").rename(history)
        two = await channel.publish("two")
        await told.until_settled(two)


@in_world
async def test_a_channel_that_does_not_exist_yet_is_waited_for_and_once_does_not(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    async with raised_by(NotFoundError):
        await follow_once(world, machine, order(dest))
    async with following(world, machine, order(dest)) as told:
        waits = await told.until(Following, lambda now: now.waiting is not None)
        assert waits.waiting is not None
        assert "nothing is here yet" in waits.waiting
        await told.until_settled(await channel.publish("one"))


@in_world
async def test_a_range_is_followed_to_the_greatest_release_in_it(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    one = await channel.publish("one", "data:2.1.0")
    async with following(world, machine, order(dest, "data:^2.1")) as told:
        await told.until_settled(one)
        await channel.publish("three", "data:3.0.0")
        two = await channel.publish("two", "data:2.2.0")
        await told.until_settled(two)
        moved = [notice.tag for notice in told if isinstance(notice, Moved)]
        assert moved == ["2.1.0", "2.2.0"]
    assert text_of(dest) == "two"


@in_world
async def test_an_edited_version_is_said_and_not_flipped_to(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    one = await channel.publish("one")
    await follow_once(world, machine, order(dest))
    two = await channel.publish("two")
    await follow_once(world, machine, order(dest))
    (Place(dest).directory(one) / "text").write_text("edited by hand")
    await channel.point(one)
    async with raised_by(EditedFilesError):
        await follow_once(world, machine, order(dest))
    async with following(world, machine, order(dest)) as told:
        waits = await told.until(Following, lambda now: now.waiting is not None and "edited" in now.waiting)
        assert (waits.state, waits.current, waits.newest) == (Standing.WAITING, two.hex(), one.hex())
        assert text_of(dest) == "two"
        three = await channel.publish("three")
        await told.until_settled(three)
    assert (Place(dest).directory(one) / "text").read_text() == "edited by hand", "nothing of a user's is removed"


@in_world
async def test_an_edited_current_version_is_said_and_the_next_one_comes_all_the_same(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    await channel.publish("one")
    await follow_once(world, machine, order(dest))
    (dest / "current" / "text").write_text("edited by hand")
    async with following(world, machine, order(dest)) as told:
        await told.until(Following, lambda now: now.waiting is not None and "edited" in now.waiting)
        await told.until_settled(await channel.publish("two"))
    assert text_of(dest) == "two"


@pytest.mark.slow
@in_world
async def test_a_current_that_was_replaced_by_hand_stops_nothing_but_the_flip(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    one = await channel.publish("one")
    async with following(world, machine, order(dest)) as told:
        await told.until_settled(one)
        (dest / "current").unlink()
        (dest / "current").mkdir()
        (dest / "current" / "mine").write_text("precious")
        two = await channel.publish("two")
        waits = await told.until(Following, lambda now: now.waiting is not None)
        assert waits.waiting is not None
        assert "is not a symlink" in waits.waiting
        assert (dest / "current" / "mine").read_text() == "precious"
        (dest / "current").rename(dest / "mine")
        await told.until_settled(two)


@in_world
async def test_a_version_that_was_removed_by_hand_comes_back(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    version = await channel.publish("one")
    await follow_once(world, machine, order(dest))
    shutil.rmtree(Place(dest).directory(version))
    assert not (dest / "current").exists()
    await follow_once(world, machine, order(dest))
    assert text_of(dest) == "one"


@in_world
async def test_a_second_follower_is_refused_at_once(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    version, other = await channel.publish("one"), await world.machine(reads_store=True)
    async with following(world, machine, order(dest)) as told:
        await told.until_settled(version)
        async with raised_by(RefusedError) as caught:
            await follow_once(world, other, order(dest))
        assert "another swarm follow" in str(caught[0])


@in_world
async def test_what_a_fetch_that_did_not_end_has_left_goes_when_nobody_wants_it_any_more(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    await channel.publish("one")
    await follow_once(world, machine, order(dest))
    two = await channel.publish("two")
    data = set(channel.blocks)

    def fault(block: object) -> None:
        if block in data:  # its pages may come
            raise UnavailableError("not now")

    world.store_fault = fault
    async with following(world, machine, order(dest)):
        with trio.fail_after(60):
            while Place(dest).staged() != [two]:  # noqa: ASYNC110  # the disk tells nobody
                await trio.sleep(0.01)
    world.store_fault = None
    assert text_of(dest) == "one"
    await channel.publish("three")
    await follow_once(world, machine, order(dest))
    assert text_of(dest) == "three"
    assert Place(dest).staged() == []


@pytest.mark.slow
@in_world
async def test_a_version_that_does_not_come_is_given_up_for_a_newer_one(
    world: World, machine: Machine, channel: Channel, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "SUPERSEDED_S", 0.5)
    one = await channel.publish("one")
    async with following(world, machine, order(dest)) as told:
        await told.until_settled(one)
        two = await channel.publish("two")
        withdrawn = set(channel.blocks)

        def fault(block: object) -> None:
            if block in withdrawn:
                raise UnavailableError("its producer has withdrawn it")

        world.store_fault = fault
        await told.until(Moved, lambda moved: moved.digest == two.hex())
        three = await channel.publish("three")
        withdrawn -= set(channel.blocks)
        await told.until_settled(three)
        assert not [notice for notice in told if isinstance(notice, Flipped) and notice.digest == two.hex()]


# --- what a kill leaves ------------------------------------------------------------------------------


class Left:
    """The states that a kill can leave between the steps of a switch."""

    def __init__(self, machine: Machine, dest: Path, settled: Step, new: Step) -> None:
        self.place = Place(dest)
        self.file = RecordFile(machine.agent.parts.home, dest, "data:stable")
        self.record = self.file.load()
        assert self.record.settled == settled
        self.new = new

    def begun(self) -> None:
        self.file.save(self.record.begin(self.new))

    def flipped(self) -> None:
        self.begun()
        self.place.flip(self.new.version)

    def refused(self) -> None:
        self.flipped()
        self.file.save(self.record.begin(self.new).refuse(self.new, "it ended with 1"))


@pytest.mark.parametrize("state", ["begun", "flipped", "refused"])
@in_world
async def test_a_restart_ends_what_a_kill_has_left(
    world: World, machine: Machine, channel: Channel, dest: Path, tmp_path: Path, state: str
) -> None:
    one, log = await channel.publish("one"), tmp_path / "log"
    await follow_once(world, machine, order(dest))
    settled = Step.of(decode_tag_record(await world.store.newest_tag("data", "stable") or b""))
    two = await channel.publish("two")
    new = Step.of(decode_tag_record(await world.store.newest_tag("data", "stable") or b""))
    await machine.fetch(f"data@{two.hex()}", Place(dest).directory(two))
    left = Left(machine, dest, settled, new)
    getattr(left, state)()
    what = order(dest, hook=log_hook(log))
    if state == "refused":
        async with raised_by(RefusedError):
            await follow_once(world, machine, what)
        assert (text_of(dest), log.exists()) == ("one", False)
    else:
        await follow_once(world, machine, what)
        assert text_of(dest) == "two"
        assert log.read_text() == f"{one.hex()[:8]}>{two.hex()[:8]}\n", "once, and with the version before"


def test_the_steps_of_a_switch_are_the_ones_that_the_test_above_knows() -> None:
    assert {name for name in vars(Left) if not name.startswith("_")} == {"begun", "flipped", "refused"}
    assert Switching.switch.__doc__


@in_world
async def test_notes_of_a_fetch_are_not_told_twice(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    version: VersionId = await channel.publish("one")
    async with following(world, machine, order(dest)) as told:
        await told.until_settled(version)
        texts = [notice.text for notice in told if isinstance(notice, Note)]
        assert len(texts) == len(set(texts))


@in_world
async def test_what_another_home_has_written_is_kept_and_the_next_version_comes(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    one = await channel.publish("one")
    await follow_once(world, machine, order(dest))
    other = await world.machine(reads_store=True)
    async with raised_by(UsageError):
        await follow_once(world, other, order(dest))
    assert text_of(dest) == "one"
    await channel.publish("two")
    await follow_once(world, other, order(dest, keep=0))
    assert text_of(dest) == "two"
    assert one in Place(dest).versions(), "not ours to remove"


# --- keys ---------------------------------------------------------------------------------------------


async def _hand_over(world: World, to: SigningKey) -> None:
    """The name's tags are signed by another key from now on."""
    chain = await world.store.name_chain("data")
    known = decode_name_record(chain[-1])
    step = NameRecord(
        known.realm, "data", known.n + 1, (to.public_key,), record_id(chain[-1]), known.time + 1, PUBLISHER.public_key
    )
    await world.store.commit_name_record(sign_name_record(step, PUBLISHER))


@in_world
async def test_a_key_that_was_taken_out_of_the_name_moves_nothing_and_its_successor_does(
    world: World, machine: Machine, channel: Channel, dest: Path
) -> None:
    one, successor = await channel.publish("one"), SigningKey.from_seed(b"s" * 32)
    async with following(world, machine, order(dest)) as told:
        await told.until_settled(one)
        await _hand_over(world, successor)
        await channel.point(one)  # signed by the key that may no longer
        waits = await told.until(Following, lambda now: now.waiting is not None)
        assert (waits.state, waits.current) == (Standing.WAITING, one.hex())
        assert "may no longer sign" in str(waits.waiting)
        newest = await world.store.newest_tag("data", "stable")
        assert newest is not None
        known = decode_tag_record(newest)
        step = replace(known, seq=known.seq + 1, prev=record_id(newest), key=successor.public_key)
        told.forget()
        await world.store.commit_tag(sign_tag_record(step, successor))
        await told.until(Following, lambda now: now.state is Standing.CURRENT)
        assert text_of(dest) == "one"
