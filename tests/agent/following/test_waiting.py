"""Waiting for a follower, from outside: when a version counts as there, and what is said where it does not come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from swarm.agent.following.place import Place
from swarm.agent.following.record import FollowRecord, RecordFile, Step
from swarm.agent.following.waiting import Wanted, look, wait
from swarm.errors import HookError, NotFoundError, RefusedError
from swarm.protocol.ids import VersionId
from swarm.protocol.records import TagRecord, decode_tag_record
from tests.agent.following.followed import Channel, following, hook, in_world, order
from tests.agent.signing import root, tagged
from tests.agent.world import Machine, World

LONG_S = 60.0


def record(number: int) -> TagRecord:
    return decode_tag_record(tagged(seq=number, to=number))


class Followed:
    """What a follower leaves on the disk, without one."""

    def __init__(self, path: Path) -> None:
        self.home, self.dest = path / "home", path / "dest"
        self.place = Place(self.dest)
        self.file = RecordFile(self.home, self.dest, "data:latest")

    def flip(self, number: int) -> None:
        self.place.prepare()
        self.place.flip(root(number))

    def settle(self, number: int) -> None:
        self.flip(number)
        self.file.save(FollowRecord().settle(Step.of(record(number))))

    def is_there(self, wanted: Wanted) -> bool:
        return wanted.is_there(look(self.home, self.dest))


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path)


def wanted(number: int) -> Wanted:
    return Wanted(root(number).hex(), record(number))


def test_a_version_is_there_when_its_hook_has_ended(followed: Followed) -> None:
    assert not followed.is_there(Wanted())
    followed.settle(1)
    assert followed.is_there(Wanted())
    assert followed.is_there(Wanted(root(1).hex()[:8]))
    followed.file.save(replace(FollowRecord().settle(Step.of(record(1))), pending=Step.of(record(2))))
    followed.flip(2)
    assert not followed.is_there(wanted(2)), "the hook runs"
    assert not followed.is_there(Wanted())
    followed.settle(2)
    assert followed.is_there(wanted(2))


def test_a_later_step_of_the_same_tag_counts_and_an_earlier_one_does_not(followed: Followed) -> None:
    followed.settle(3)
    assert followed.is_there(wanted(2))
    assert not followed.is_there(wanted(4))
    other = replace(record(2), tag="other")
    assert not followed.is_there(Wanted(root(2).hex(), other))
    assert not followed.is_there(Wanted(root(2).hex())), "a digest is that version"


def test_under_another_home_the_link_counts(followed: Followed, tmp_path: Path) -> None:
    followed.flip(1)
    sight = look(tmp_path / "elsewhere", followed.dest)
    assert wanted(1).is_there(sight)
    assert (sight.dataset, sight.step) == (None, None)
    assert not wanted(2).is_there(sight)


def test_what_was_refused_is_said_at_once(followed: Followed) -> None:
    followed.settle(1)
    followed.file.save(FollowRecord().settle(Step.of(record(1))).refuse(Step.of(record(2)), "it ended with 1"))
    with pytest.raises(HookError, match="it ended with 1"):
        followed.is_there(wanted(2))
    assert followed.is_there(Wanted())


def test_a_current_that_is_no_followers_is_refused(followed: Followed) -> None:
    followed.dest.mkdir()
    (followed.dest / "current").mkdir()
    with pytest.raises(RefusedError):
        followed.is_there(Wanted())


async def test_what_does_not_come_in_time_says_what_is_there(followed: Followed) -> None:
    with pytest.raises(NotFoundError, match=r"a version has not come .* nothing is current") as caught:
        await wait(followed.home, followed.dest, Wanted(), 0.0)
    assert "start swarm follow" in caught.value.hint
    followed.settle(1)
    with pytest.raises(NotFoundError, match=f"{root(1).hex()[:16]} is current"):
        await wait(followed.home, followed.dest, wanted(2), 0.01)
    assert (await wait(followed.home, followed.dest, wanted(1), 0.0)).current == root(1)


@in_world
async def test_it_waits_for_a_follower_that_is_at_it(
    world: World, machine: Machine, channel: Channel, dest: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    code = f"import time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    home, found = machine.agent.parts.home, list[VersionId | None]()

    async def waiting(version: VersionId) -> None:
        sight = await wait(home, dest, Wanted(version.hex()), LONG_S)
        assert gate.exists(), "not before the hook has ended"
        found.append(sight.current)

    version = await channel.publish("one")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting, version)
        async with following(world, machine, order(dest, hook=hook(code))) as told:
            while not (dest / "current").is_symlink():  # noqa: ASYNC110  # a file system has no event
                await trio.sleep(0.01)
            await trio.to_thread.run_sync(gate.touch)
            await told.until_settled(version)
    assert found == [version]
