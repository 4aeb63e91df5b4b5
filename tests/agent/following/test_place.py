"""DEST: the link is replaced in one step, and nothing that is not ours is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarm.agent.following.place import Place
from swarm.errors import PermissionError_, RefusedError
from swarm.protocol.ids import VersionId, digest

ONE, TWO = digest(b"one"), digest(b"two")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "dest")
    place.prepare()
    for version in (ONE, TWO):
        place.directory(VersionId(version)).mkdir()
    return place


def test_there_is_no_current_version_at_first_and_each_flip_makes_one(place: Place) -> None:
    assert place.current() is None
    for version in (VersionId(ONE), VersionId(TWO), VersionId(ONE)):
        place.flip(version)
        assert place.current() == version
        assert place.link.resolve() == place.directory(version)
    assert sorted(os.listdir(place.dest)) == ["current", "versions"]
    assert str(place.link.readlink()) == f"versions/{ONE.hex()}", "a DEST that is moved as a whole stays whole"


def test_a_flip_that_was_killed_before_its_rename_does_not_stop_the_next(place: Place) -> None:
    place.flip(VersionId(ONE))
    (place.dest / ".current.new").symlink_to("versions/nowhere")
    assert place.current() == ONE
    place.flip(VersionId(TWO))
    assert place.current() == TWO


def test_a_link_without_a_version_can_be_taken_away(place: Place) -> None:
    place.flip(VersionId(ONE))
    place.unlink()
    place.unlink()
    assert place.current() is None


@pytest.mark.parametrize("kind", ["directory", "file", "elsewhere", "above", "no digest"])
def test_a_current_that_is_not_ours_is_refused_and_stays(place: Place, kind: str) -> None:
    targets = {"elsewhere": "/etc", "above": f"versions/../../{ONE.hex()}", "no digest": "versions/x"}
    if kind == "directory":
        place.link.mkdir()
        (place.link / "precious").write_text("mine")
    elif kind == "file":
        place.link.write_text("mine")
    else:
        place.link.symlink_to(targets[kind])
    for do in (place.current, place.prepare, place.unlink, lambda: place.flip(VersionId(ONE))):
        with pytest.raises(RefusedError) as refused:
            do()
        assert "move" in refused.value.hint
    if kind == "directory":
        assert (place.link / "precious").read_text() == "mine"
    elif kind == "file":
        assert place.link.read_text() == "mine"
    else:
        assert str(place.link.readlink()) == targets[kind]


def test_an_absolute_link_into_versions_is_ours_too(place: Place) -> None:
    place.link.symlink_to(place.directory(VersionId(TWO)))
    assert place.current() == TWO


def test_versions_are_directories_with_a_digest_for_a_name_newest_first(place: Place) -> None:
    (place.dest / "versions" / "readme").write_text("mine")
    (place.dest / "versions" / "ab").mkdir()
    (place.dest / "versions" / digest(b"file").hex()).write_text("no directory")
    os.utime(place.directory(VersionId(ONE)), (10, 10))
    os.utime(place.directory(VersionId(TWO)), (20, 20))
    assert place.versions() == [TWO, ONE]


def test_what_is_staged_is_known_by_its_name(place: Place) -> None:
    (place.dest / "versions" / f".{ONE.hex()}.swarm-0123abcd").mkdir()
    (place.dest / "versions" / ".something.swarm-0123abcd").mkdir()
    assert place.staged() == [ONE]


def test_a_second_follower_is_refused_and_told_who_is_there(place: Place) -> None:
    with place.locked(), pytest.raises(RefusedError, match=f"process {os.getpid()}"), Place(place.dest).locked():
        pass
    with Place(place.dest).locked():
        pass


def test_a_dest_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="cannot make") as raised:
        Place(tmp_path / "file" / "dest").prepare()
    assert getattr(raised.value, "hint", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_dest_is_exit_6(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError_):
        Place(tmp_path / "dest").prepare()
