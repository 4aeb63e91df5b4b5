"""tags, log, tag, rollback, untag and trust --moved as commands, on a real directory store; nothing listens."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from cli.commands.trust import register as trust_parser
from swarm.agent.recordbook import Recordbook
from swarm.protocol.names import parse_reference
from swarm.seeder.marks import parse_marks
from swarm.seeder.publication import PublishOptions
from swarm.seeder.publish import publish
from swarm.store import open_store
from swarm.store.layout import history_key
from tests.cli.conftest import Ended, Run
from tests.cli.test_datasets import World


class Tagged(World):
    """`places` in three versions: 1.0.0, 1.1.0 with labels, 2.0.0-rc1."""

    def __init__(self, tmp_path: Path, home: Path, run: Run) -> None:
        super().__init__(tmp_path, home, run)
        self.first = self.publication.version.id.hex()
        (self.data / "new").write_bytes(b"n" * 1000)
        self.second = self.publish_marked("places:1.1.0", note="with what was new", labels=("schema=3",))
        (self.data / "new").write_bytes(b"m" * 1000)
        self.third = self.publish("places:2.0.0-rc1").version.id.hex()

    def publish_marked(self, name: str, *, note: str, labels: tuple[str, ...]) -> str:
        async def main() -> str:
            async with open_store(self.store) as store:
                options = PublishOptions(marks=parse_marks(note, labels))
                names = [parse_reference(name)]
                return (await publish(self.data, names, store=store, key=self.key, options=options)).version.id.hex()

        return trio.run(main)


@pytest.fixture
def world(tmp_path: Path, home: Path, run: Run) -> Tagged:
    return Tagged(tmp_path, home, run)


def one(ended: Ended, event: str) -> dict[str, object]:
    assert ended.code == 0, ended.err
    (found,) = [each for each in ended.objects if each["event"] == event]
    return found


def test_tags_shows_channels_then_releases_the_greatest_first(world: Tagged) -> None:
    found = world.run("tags", "places", "--json").objects
    assert [each["tag"] for each in found] == ["latest", "2.0.0-rc1", "1.1.0", "1.0.0"]
    assert found == world.run("ls", "places", "--json").objects, "one list, whichever way it is asked for"
    assert [each["tag"] for each in world.run("tags", "places:1.x", "--json").objects] == ["1.1.0", "1.0.0"]
    second = found[2]
    assert (second["digest"], second["labels"], second["notes"]) == (world.second, {"schema": "3"}, "with what was new")
    assert (second["files"], second["bytes"], second["immutable"]) == (5, found[3]["bytes"] + 1000, True)
    text = world.run("tags", "places").out
    assert "places:latest     " in text
    assert "channel  5 files" in text
    assert "release  5 files, 3.30 MB  schema=3" in text
    world.run("untag", "places:latest")
    assert world.run("tags", "places", "--json").objects[0] == {
        "event": "tag", "name": "places", "tag": "latest", "digest": None,
    }  # fmt: skip
    assert "places:latest     removed" in world.run("tags", "places").out


def test_tags_of_an_empty_range_names_what_there_is(world: Tagged) -> None:
    ended = world.run("tags", "places:^3")
    assert ended.code == 3
    assert "1.1.0" in ended.err
    assert world.run("tags", "plaices").code == 3


def test_a_range_is_resolved_by_every_command_that_reads(world: Tagged) -> None:
    assert one(world.run("inspect", "places:^1", "--json"), "version")["digest"] == world.second
    assert one(world.run("inspect", "places:~1.0", "--json"), "version")["digest"] == world.first
    found = world.run("cat", "places:1.1.x/new")
    assert found.data == b"n" * 1000
    assert "places:1.1.x means places:1.1.0" in found.err
    assert world.run("cat", "places:^2.0.0-rc1/new").data == b"m" * 1000
    assert world.run("inspect", "places:2.x").code == 3
    assert "label    schema=3" in world.run("inspect", "places:1.x").out


def test_a_tag_is_moved_rolled_back_and_removed(world: Tagged) -> None:
    moved = one(world.run("tag", "places:~1.0", "places:stable", "--note", "go", "--json"), "tagged")
    assert (moved["digest"], moved["previous"], moved["seq"], moved["notes"]) == (world.first, None, 0, "go")
    moved = one(world.run("tag", "places:1.1.0", "places:stable", "--json"), "tagged")
    assert (moved["digest"], moved["previous"], moved["labels"]) == (world.second, world.first, {"schema": "3"})
    assert "already" in world.run("tag", "places:1.1.0", "places:stable").out
    moved = one(world.run("rollback", "places:stable", "--label", "a=b", "--json"), "tagged")
    assert (moved["digest"], moved["previous"], moved["labels"]) == (world.first, world.second, {"a": "b"})
    assert world.run("rollback", "places:stable").code == 3
    assert one(world.run("rollback", "places:stable", "--to", "1", "--json"), "tagged")["digest"] == world.second
    gone = one(world.run("untag", "places:stable", "--note", "over", "--json"), "tagged")
    assert (gone["digest"], gone["previous"], gone["seq"]) == (None, world.second, 4)
    found = world.run("log", "places:stable", "--json").objects
    assert [(each["seq"], each["step"]) for each in found] == [
        (4, "removed"), (3, "back"), (2, "back"), (1, "moved"), (0, "moved"),
    ]  # fmt: skip
    assert found[3]["bytes_new"] is not None
    assert found[0]["publisher"] == world.key.fingerprint
    text = world.run("log", "places:stable").out
    assert "note     over" in text
    assert "note     go" in text
    assert "label    schema=3" in text
    assert "3 before these" in world.run("log", "places:stable", "--limit", "2").err


def test_a_new_release_moves_latest_unless_it_is_told_not_to(world: Tagged) -> None:
    quiet = world.run("tag", "places:2.0.0-rc1", "places:2.0.0", "--no-latest", "--json").objects
    assert [each["tag"] for each in quiet if each["event"] == "tagged"] == ["2.0.0"]
    both = world.run("tag", "places:2.0.0-rc1", "places:2.1.0", "--json").objects
    assert [(each["tag"], each["previous"]) for each in both if each["event"] == "tagged"] == [
        ("2.1.0", None), ("latest", world.second),
    ]  # fmt: skip


def test_what_cannot_be_done_says_what_to_do(world: Tagged, tmp_path: Path) -> None:
    for words, code, says in (
        (("tag", "places:1.1.0", "places:1.0.0"), 5, "--force"),
        (("untag", "places:1.0.0"), 5, "--force"),
        (("tag", "places:1.1.0", "places:2.x"), 2, "asks for a range"),
        (("tag", "places:1.1.0", "others:1.1.0"), 2, "two datasets"),
        (("tag", "places:1.1.0", "places:a", "--label", "A=1"), 2, "is not a label"),
        (("rollback", "places:nothing"), 3, "swarm tags places"),
        (("rollback", "places:latest", "--to", "latest"), 2, "neither a number nor a digest"),
        (("log", "places:nothing"), 3, "swarm tags places"),
        (("log", f"places@{world.first}"), 2, "only tags have a history"),
        (("log", "places", "--limit", "0"), 2, "--limit"),
        (("trust", "places", "--moved", "1.0.0", "--remove"), 2, "--moved takes a NAME"),
        (("trust", "places", "--moved", "1.0.0"), 3, "has seen no places:1.0.0"),
    ):
        ended = world.alone(*words) if words[0] == "trust" else world.run(*words)
        assert (ended.code, says in ended.err) == (code, True), ended.err
    assert world.alone("tag", "places:1.1.0", "places:a").code == 2
    assert "--moved" in trust_parser().format_help()


def test_a_release_moved_by_force_is_refused_by_who_has_seen_it_until_he_is_told(world: Tagged, home: Path) -> None:
    other = home.parent / "producer"
    other.mkdir()
    (other / "publisher.key").write_bytes((home / "publisher.key").read_bytes())
    (other / "publisher.key").chmod(0o600)
    book = Recordbook(home)  # what a fetch of 1.0.0 has left behind

    async def see() -> None:
        async with open_store(world.store) as store:
            data = await store.newest_tag("places", "1.0.0")
            assert data is not None
            book.keep("places", "1.0.0", data, await store.name_chain("places"))

    trio.run(see)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWARM_HOME", str(other))
        forced = world.run("tag", "places:1.1.0", "places:1.0.0", "--force")
        assert forced.code == 0
        assert "swarm trust places --moved 1.0.0" in forced.err
        assert world.run("inspect", "places:1.0.0").code == 0, "who has not seen it takes what it means now"
    for words in (("inspect", "places:1.0.0"), ("inspect", "places:~1.0"), ("cat", "places:1.0.0/new")):
        refused = world.run(*words)
        assert refused.code == 5
        assert "is immutable, and its producer has moved it all the same" in refused.err
        assert world.first[:8] in refused.err
        assert world.second[:8] in refused.err
    assert "moved it all the same" in world.run("tags", "places").out
    assert "moved by force" in world.run("log", "places:1.0.0").out
    told = world.alone("trust", "places", "--moved", "1.0.0", "--json").objects
    assert told == [{"event": "forgotten", "name": "places", "tag": "1.0.0", "digest": world.first}]
    assert one(world.run("inspect", "places:1.0.0", "--json"), "version")["digest"] == world.second


def test_the_log_of_a_store_that_has_lost_records_is_shown_and_refused(world: Tagged, tmp_path: Path) -> None:
    world.run("tag", "places:1.0.0", "places:stable")
    past = (Path(world.store) / "tags/places/stable").read_bytes()
    world.run("tag", "places:1.1.0", "places:stable")
    (Path(world.store) / "tags/places/stable").write_bytes(past)
    (Path(world.store) / history_key("places", "stable", 1)).unlink()
    ended = world.run("log", "places:stable")
    assert ended.code == 5
    assert world.first[:16] in ended.out
    assert "older than what this machine has seen" in ended.err
