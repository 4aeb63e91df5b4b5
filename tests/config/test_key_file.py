"""Key files: made private, never overwritten, refused when others can read them, never repeated in an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.config.configs import CommonConfig
from swarm.config.key_file import (
    load_key,
    load_or_make_identity,
    load_or_make_publisher_key,
    load_publisher_key,
    make_key_file,
    parse_key_text,
)
from swarm.errors import NotFoundError, PermissionError_, UsageError

SEED = "5e" * 32


def test_a_key_is_written_private_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "publisher.key"
    made = make_key_file(path, "publisher key")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert load_key(path).public_key == made.public_key
    assert made.fingerprint in path.read_text()


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "publisher.key"
    path.write_text("")
    with pytest.raises(UsageError, match="not overwritten"):
        make_key_file(path, "publisher key")
    assert path.read_text() == ""


def test_two_keys_are_never_the_same(tmp_path: Path) -> None:
    first, second = (make_key_file(tmp_path / name, "identity") for name in ("a", "b"))
    assert first.seed != second.seed


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    make_key_file(path, "key")
    path.chmod(mode)
    with pytest.raises(PermissionError_, match="others can read") as caught:
        load_key(path)
    assert caught.value.hint == f"chmod 600 {path}"


def test_no_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_publisher_key(CommonConfig(home=tmp_path))
    assert "swarm key new" in caught.value.hint


@pytest.mark.parametrize("text", ["", SEED, f"swarm-key-v1:{SEED[:-1]}", f"swarm-key-v1:{SEED}\nswarm-key-v1:{SEED}"])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_key_text(text, "SWARM_KEY")
    assert "5e5e" not in str(caught.value)


def test_the_variable_stands_above_the_file(tmp_path: Path) -> None:
    on_disk, is_new = load_or_make_publisher_key(CommonConfig(home=tmp_path))
    assert is_new
    again, is_new = load_or_make_publisher_key(CommonConfig(home=tmp_path))
    assert not is_new
    assert again.public_key == on_disk.public_key
    config = CommonConfig(home=tmp_path, key_text=f"swarm-key-v1:{SEED}")
    assert load_publisher_key(config).seed == bytes.fromhex(SEED)


def test_a_key_file_that_was_named_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_or_make_publisher_key(CommonConfig(home=tmp_path, key=tmp_path / "missing.key"))


def test_an_identity_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "tracker.key"
    first = load_or_make_identity(path, "tracker's identity")
    assert load_or_make_identity(path, "tracker's identity").public_key == first.public_key
