"""ls, inspect, cat, verify, rm and key on a real directory store and real holdings; nothing listens."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from cli import rotation
from cli.commands.cat import split_word
from cli.remote_file import exactly
from swarm.agent.trust import Answer
from swarm.config.key_file import load_key, make_key_file
from swarm.config.pins import Pins
from swarm.dataset.selection import Selection
from swarm.errors import SwarmError, UnreachableError, UsageError
from swarm.holdings import open_holdings
from swarm.protocol.chain import verify_chain
from swarm.protocol.ids import Index
from swarm.protocol.keys import SigningKey
from swarm.protocol.names import parse_reference
from swarm.protocol.records import TagRecord, decode_tag_record
from swarm.seeder.history import open_history
from swarm.seeder.publication import Publication
from swarm.seeder.publish import publish
from swarm.store import open_store
from tests.cli.conftest import Ended, Run

FILES = {
    b"README.md": b"hello\n",
    b"empty": b"",
    # With these bytes two whole blocks are zeros; where the first cut comes late there is only one.
    b"dir/big.bin": random.Random(2).randbytes(300_000) + b"\0" * 3_000_000 + b"end",
    b"dir/not utf-8 \xff": b"odd",
}


class World:
    """A store with `places`, a publisher key, and a home that may hold it."""

    def __init__(self, tmp_path: Path, home: Path, run: Run) -> None:
        self.store = str(tmp_path / "store")
        self.data = tmp_path / "data"
        self.dest = tmp_path / "here" / "places"
        self.home = home
        self._run = run
        for name, content in FILES.items():
            path = self.data / os.fsdecode(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (self.data / "link").symlink_to("dir/big.bin")
        self.key = make_key_file(home / "publisher.key", "publisher key")
        self.publication = self.publish("places:1.0.0")

    def publish(self, *names: str, key: SigningKey | None = None) -> Publication:
        async def main() -> Publication:
            async with open_store(self.store) as store:
                references = [parse_reference(name) for name in names]
                return await publish(self.data, references, store=store, key=key or self.key)

        return trio.run(main)

    def fetch(self) -> None:
        """Fills `dest` from the store, as a fetch would."""

        async def main() -> None:
            version = self.publication.version
            async with open_store(self.store) as store, open_holdings(self.home) as holdings:
                await holdings.keep_root(version.root_bytes)
                for number, page in enumerate(self.publication.pages):
                    await holdings.keep_page(version.id, Index(number), page)
                async with holdings.stage(version, self.dest, Selection(), label="places:1.0.0") as staging:
                    for first, count in staging.lacking:
                        for index in range(first, first + count):
                            await staging.write(Index(index), await store.get_block(version.id_of(index)))
                    await staging.commit()

        trio.run(main)

    def newest(self, tag: str) -> Any:
        async def main() -> Any:
            async with open_store(self.store) as store:
                data = await store.newest_tag("places", tag)
                chain = verify_chain(await store.name_chain("places"), name="places", realm=store.realm)
                return (None if data is None else decode_tag_record(data)), chain

        return trio.run(main)

    def run(self, *words: str) -> Ended:
        """With the store, and without asking the LAN."""
        return self._run(*words, "--store", self.store, "--no-lan")

    def alone(self, *words: str) -> Ended:
        """With nothing but this machine."""
        return self._run(*words, "--no-lan")


@pytest.fixture
def world(tmp_path: Path, home: Path, run: Run) -> World:
    return World(tmp_path, home, run)


def test_ls_of_nothing(run: Run) -> None:
    ended = run("ls")
    assert (ended.code, ended.out) == (0, "")
    assert "nothing is held" in ended.err


def test_ls_lists_holdings(world: World) -> None:
    world.fetch()
    digest = world.publication.version.id.hex()
    (found,) = world.alone("ls", "--json").objects
    assert found["event"] == "holding"
    assert (found["dataset"], found["digest"], found["dest"]) == ("places:1.0.0", digest, str(world.dest))
    assert (found["kind"], found["is_partial"], found["files"]) == ("fetched", False, 4)
    assert found["bytes"] == sum(map(len, FILES.values()))
    text = world.alone("ls").out
    assert f"places:1.0.0  {digest[:16]}  4 files, 3.30 MB  {world.dest}  (fetched)" in text


def test_ls_lists_the_tags_of_a_name(world: World) -> None:
    world.fetch()
    found = {one["tag"]: one for one in world.run("ls", "places", "--json").objects}
    assert sorted(found) == ["1.0.0", "latest"]
    assert found["1.0.0"]["immutable"]
    assert not found["latest"]["immutable"]
    for one in found.values():
        assert one["digest"] == world.publication.version.id.hex()
        assert one["publisher"] == world.key.fingerprint
        assert one["source"] == "store"
        assert one["dest"] == str(world.dest)
    assert f"held at {world.dest}" in world.run("ls", "places").out


def test_ls_verifies_each_record_of_a_long_history_a_few_times_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All records anew for each tag would be 1,600 here, and minutes with a thousand tags."""
    world.publish(*(f"places:t{number}" for number in range(40)))
    verified: list[bytes] = []

    def decode(data: bytes) -> TagRecord:
        verified.append(data)
        return decode_tag_record(data)

    for module in ("swarm.agent.claims", "swarm.agent.trust", "swarm.protocol.records"):
        monkeypatch.setattr(f"{module}.decode_tag_record", decode)
    found = [one["tag"] for one in world.run("ls", "places", "--json").objects]
    assert set(found) > {f"t{number}" for number in range(40)}
    assert len(verified) < 12 * len(found)


def test_ls_of_an_unknown_name_names_the_nearest(world: World) -> None:
    ended = world.run("ls", "place")
    assert ended.code == 3
    assert "did you mean places?" in ended.err
    alone = world.alone("ls", "places")
    assert alone.code == 4
    assert "--store" in alone.err


def test_a_name_that_is_pinned_to_another_key_is_listed_as_refused(world: World, run: Run) -> None:
    other = make_key_file(world.home / "other.key", "key")
    run("trust", "places", other.fingerprint)
    ended = world.run("ls", "places", "--json")
    assert ended.code == 0
    assert all("is pinned" in one["refused"] for one in ended.objects)
    assert world.run("inspect", "places").code == 5
    assert world.run("cat", "places/README.md").code == 5


def test_inspect(world: World) -> None:
    (found,) = world.run("inspect", "places", "--json").objects
    version = world.publication.version
    assert found["digest"] == version.id.hex()
    assert found["content"] == version.root.content.hex()
    assert (found["files"], found["directories"], found["symlinks"]) == (4, 1, 1)
    assert found["bytes"] == sum(map(len, FILES.values()))
    assert found["blocks"] == version.space.block_count
    assert found["repetition"] == round(found["bytes"] / found["block_bytes"], 4) > 1.4  # a run of zeros
    assert "by repetition" in world.run("inspect", "places").out
    assert found["record"]["tag"] == "latest"
    assert found["record"]["publisher"] == world.key.fingerprint
    assert found["record"]["source"] == "store"
    assert found["keys"] == [world.key.fingerprint]
    assert found["pinned"] is None
    assert found["held_at"] == []
    top = {row["path"]: row for row in found["top"]}
    assert (top["dir"]["kind"], top["dir"]["files"]) == ("directory", 2)
    assert top["README.md"] == {"path": "README.md", "kind": "file", "files": 1, "bytes": 6}
    assert top["link"]["kind"] == "symlink"
    text = world.run("inspect", "places:1.0.0").out
    assert f"  version  {version.id.hex()}" in text
    assert f"  signed   {world.key.fingerprint}" in text
    assert "immutable, from the store" in text
    assert "nobody yet" in text


def test_looking_pins_nothing(world: World) -> None:
    world.run("inspect", "places")
    world.run("ls", "places")
    assert Pins(world.home, {}).all() == {}


def test_inspect_by_digest(world: World) -> None:
    digest = world.publication.version.id.hex()
    for word in (f"places@{digest}", f"places@{digest[:10]}"):
        (found,) = world.run("inspect", word, "--json").objects
        assert found["digest"] == digest
        assert "record" not in found
    unknown = world.run("inspect", "places@" + "0" * 10)
    assert unknown.code == 3
    assert digest[:16] in unknown.err, "the candidates are named"
    assert world.run("inspect", "places@" + "0" * 64).code == 3


def test_inspect_of_what_is_not_there(world: World) -> None:
    ended = world.run("inspect", "places:1.0.1")
    assert ended.code == 3
    assert "1.0.0" in ended.err
    assert world.run("inspect", "nothing-like-it").code == 3


@pytest.mark.parametrize("is_held", [True, False])
def test_cat_streams_a_file(world: World, is_held: bool) -> None:
    if is_held:
        world.fetch()
    assert world.run("cat", "places/README.md").data == b"hello\n"
    assert world.run("cat", "places:1.0.0/dir/big.bin").data == FILES[b"dir/big.bin"]
    assert world.run("cat", "places:latest/empty").data == b""
    assert world.run("cat", os.fsdecode(b"places/dir/not utf-8 \xff")).data == b"odd"


def test_cat_reads_what_is_held_without_a_store(world: World) -> None:
    world.fetch()
    digest = world.publication.version.id.hex()
    assert world.alone("cat", f"places@{digest}/dir/big.bin").data == FILES[b"dir/big.bin"]


def test_cat_takes_an_edited_file_from_the_store(world: World) -> None:
    world.fetch()
    (world.dest / "README.md").write_bytes(b"other\n")
    assert world.run("cat", "places/README.md").data == b"hello\n"


@pytest.mark.parametrize(
    ("word", "code", "says"),
    [
        ("places/READNE.md", 3, "did you mean README.md?"),
        ("places/dir", 2, "is a directory"),
        ("places/link", 2, "is a symlink to dir/big.bin"),
        ("places", 2, "say which"),
        ("places:2.0.0/README.md", 3, "1.0.0"),
        ("Places/README.md", 2, "places"),
    ],
)
def test_cat_of_what_is_no_file(world: World, word: str, code: int, says: str) -> None:
    ended = world.run("cat", word)
    assert ended.code == code, ended.err
    assert says in ended.err
    assert ended.data == b""


def test_cat_is_not_json(world: World) -> None:
    assert world.run("cat", "places/README.md", "--json").code == 2


def test_a_single_file_needs_no_path(world: World) -> None:
    world.data = world.data / "README.md"
    world.publish("readme:1.0.0")
    assert world.run("cat", "readme").data == b"hello\n"


def test_a_corrupt_block_is_named_and_nothing_wrong_is_written(world: World) -> None:
    for path in Path(world.store, "blocks").rglob("*"):
        if path.is_file():
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)
    ended = world.run("cat", "places/dir/big.bin")
    assert ended.code == 7, ended.err
    assert "blocks/" in ended.err
    assert ended.data == b""


def test_words_of_cat() -> None:
    assert split_word("places/a/b") == ("places", b"a/b")
    assert split_word("@maps/places:1.0.0/a:b@c") == ("@maps/places:1.0.0", b"a:b@c")
    assert split_word("@maps/places@0123456789/x") == ("@maps/places@0123456789", b"x")
    assert split_word("@maps/places") == ("@maps/places", None)
    for word in ("", "/x", ":x/y"):
        with pytest.raises(UsageError):
            split_word(word)


def test_a_path_as_a_pattern_matches_itself_only() -> None:
    for path in (b"a/b", b"what? [1]*", b"back\\slash", b"not utf-8 \xff"):
        selection = Selection([exactly(path)])
        assert selection.takes(path, is_directory=False)
        assert not selection.takes(b"x/" + path, is_directory=False)
    assert not Selection([exactly(b"a?")]).takes(b"ab", is_directory=False)


def test_verify(world: World) -> None:
    world.fetch()
    good = world.alone("verify", str(world.dest))
    assert good.code == 0
    assert "places:1.0.0: 6 entries right, 3.30 MB" in good.out
    (world.dest / "README.md").write_bytes(b"HELLO\n")
    (world.dest / "empty").unlink()
    (world.dest / "mine").write_bytes(b"")
    bad = world.alone("verify", "places", "--json")
    assert bad.code == 7
    differences = {(one["kind"], one["path"]) for one in bad.objects if one["event"] == "difference"}
    assert differences == {("edited", "README.md"), ("missing", "empty"), ("extra", "mine")}
    last = bad.objects[-1]
    assert last["event"] == "verified"
    assert (last["edited"], last["missing"], last["extra"], last["is_whole"]) == (1, 1, 1, False)
    text = world.alone("verify", "places")
    assert "edited      README.md" in text.out
    assert "--repair" in text.err


def test_verify_takes_what_it_was_fetched_as(world: World) -> None:
    world.fetch()
    for word in ("places:1.0.0", "places:^1", "places:1.x"):
        (verified,) = world.alone("verify", word, "--json").objects
        assert (verified["dataset"], verified["dest"]) == ("places:1.0.0", str(world.dest)), word
    missing = world.alone("verify", "places:2.x")
    assert (missing.code, "places:2.x is not held here" in missing.err) == (3, True), missing.err
    assert world.alone("verify", "places:^1.2.3.4").code == 2


def test_an_added_file_is_no_failure(world: World) -> None:
    world.fetch()
    (world.dest / "mine").write_bytes(b"")
    ended = world.alone("verify", "places")
    assert ended.code == 0
    assert "1 added" in ended.out


def test_verify_and_rm_of_what_is_not_held(world: World) -> None:
    for command in ("verify", "rm"):
        ended = world.alone(command, str(world.data))
        assert ended.code == 3
        assert "swarm ls" in ended.err
    assert (world.data / "README.md").exists()


def test_rm_takes_what_is_its_own(world: World) -> None:
    world.fetch()
    (world.dest / "mine").write_bytes(b"")
    ended = world.alone("rm", "places", "--json")
    assert ended.code == 0
    assert ended.objects == [
        {"event": "removed", "dest": str(world.dest), "datasets": ["places:1.0.0"], "kept": ["mine"]}
    ]
    assert sorted(path.name for path in world.dest.iterdir()) == ["mine"]
    assert world.alone("ls", "--json").objects == []


def test_another_key_may_sign_and_then_may_not(world: World) -> None:
    other = make_key_file(world.home / "other.key", "key")
    added = world.run("key", "add", "places", other.fingerprint)
    assert added.code == 0
    assert world.run("key", "show", "places").out.split() == [world.key.fingerprint, other.fingerprint]
    (world.data / "README.md").write_bytes(b"second\n")
    world.publish("places:1.1.0", "places:stable", key=other)
    before, _ = world.newest("stable")
    removed = world.run("key", "remove", "places", other.fingerprint, "--json")
    assert removed.code == 0
    assert removed.objects[0]["keys"] == [world.key.fingerprint]
    assert removed.objects[0]["signed_again"] == ["1.0.0", "1.1.0", "latest", "stable"]
    after, chain = world.newest("stable")
    assert chain.fingerprints == (world.key.fingerprint,)
    assert (after.root, after.seq) == (before.root, before.seq + 1)
    assert after.key == world.key.public_key
    assert world.run("cat", "places:stable/README.md").data == b"second\n"


def test_a_removal_that_was_cut_short_is_finished_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_key_file(world.home / "other.key", "key")
    world.run("key", "add", "places", other.fingerprint)
    world.publish("places:a", "places:b", key=other)
    real = rotation._sign_again

    async def dies(store: Any, name: str, tag: str, *rest: Any) -> bool:
        if tag == "b":
            raise OSError(5, "power cut")
        return await real(store, name, tag, *rest)

    monkeypatch.setattr(rotation, "_sign_again", dies)
    assert world.run("key", "remove", "places", other.fingerprint).code == 1
    monkeypatch.setattr(rotation, "_sign_again", real)
    assert world.run("inspect", "places:a").code == 0
    assert world.run("inspect", "places:b").code == 5
    again = world.run("key", "remove", "places", other.fingerprint, "--json")
    assert again.objects[0]["signed_again"] == ["b"]
    assert world.run("inspect", "places:b").code == 0


def test_what_was_published_without_a_store_is_looked_up_and_rotated_in_the_home(world: World) -> None:
    async def main() -> None:
        async with open_history(world.home) as history:
            await publish(world.data, [parse_reference("local:1.0.0")], store=None, history=history, key=world.key)

    trio.run(main)
    (found,) = world.alone("inspect", "local:1.0.0", "--json").objects
    assert found["record"]["source"] == "local"
    other = make_key_file(world.home / "other.key", "key")
    added = world.alone("key", "add", "local", other.fingerprint)
    assert added.code == 0, added.err
    assert "started again" in added.err
    assert world.alone("key", "show", "local").out.split() == [world.key.fingerprint, other.fingerprint]


def test_who_may_not_sign_may_not_change_who_may(world: World) -> None:
    other = make_key_file(world.home / "other.key", "key")
    third = make_key_file(world.home / "third.key", "key")
    theirs = ("--key", str(world.home / "other.key"))
    refused = world.run("key", "add", "places", third.fingerprint, *theirs)
    assert refused.code == 5
    assert world.key.fingerprint in refused.err
    assert world.run("key", "remove", "places", world.key.fingerprint, *theirs).code == 5
    _, chain = world.newest("latest")
    assert len(chain.records) == 1
    assert load_key(world.home / "other.key").fingerprint == other.fingerprint


def test_key_changes_that_make_no_sense(world: World) -> None:
    other = make_key_file(world.home / "other.key", "key")
    mine = world.key.fingerprint
    assert world.run("key", "add", "places", mine).code == 2
    assert world.run("key", "remove", "places", mine).code == 2
    assert world.run("key", "remove", "places", other.fingerprint).code == 3
    unknown = world.run("key", "add", "nothing", other.fingerprint)
    assert unknown.code == 3
    assert "nobody has published nothing" in unknown.err


def test_a_place_that_is_no_store(world: World, tmp_path: Path, run: Run) -> None:
    (tmp_path / "other").mkdir()
    for words in (("ls", "places"), ("inspect", "places"), ("key", "show", "places")):
        ended = run(*words, "--store", str(tmp_path / "other"), "--no-lan")
        assert ended.code == 3, (words, ended.err)
        assert "is no swarm store" in ended.err


def test_where_the_store_does_not_have_it_others_are_asked(
    world: World, service: Any, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """A resolver that knows the record, and a fetch that brings the file."""
    version = world.publication.version

    class Known:
        def __init__(self) -> None:
            self.failures: dict[str, SwarmError] = {"store": UnreachableError("the store is down", hint="wait")}

        async def ask(self, name: str, tag: str | None, *, every_tag: bool = False) -> list[Answer]:
            async with open_store(world.store) as store:
                record = await store.newest_tag(name, tag or "latest")
                assert record is not None
                return [Answer("tracker", (record,), await store.name_chain(name), version.root_bytes)]

        async def find_root(self, _version: object) -> bytes:
            return version.root_bytes

    @asynccontextmanager
    async def open_resolver(_config: object) -> Any:
        yield Known()

    fetched: list[Any] = []

    async def fetch(config: Any, _observer: object) -> None:
        fetched.append(config)
        config.dest.mkdir()
        (config.dest / "README.md").write_bytes(b"hello\n")

    opener: Callable[[object], AbstractAsyncContextManager[Known]] = open_resolver
    monkeypatch.setattr(sys.modules["swarm.service"], "open_resolver", opener, raising=False)
    monkeypatch.setattr(sys.modules["swarm.service"], "fetch", fetch)
    ended = run("cat", "places/README.md", "--tracker", "a")
    assert ended.data == b"hello\n", ended.err
    assert ended.err == "warning: the store is down; wait\n"
    (config,) = fetched
    assert config.include == ("/README.md",)
    assert config.dataset.version == version.id
    assert config.common.tracker == ("http://a:4180",)
    assert not config.dest.exists()
    note, found = run("inspect", "places", "--tracker", "a", "--json").objects
    assert (note["event"], note["level"]) == ("note", "warning")
    assert found["record"]["source"] == "tracker"
    assert found["top"] is None
