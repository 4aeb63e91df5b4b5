"""config.toml: what is taken, and that every mistake in it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.config.configs import Pin
from swarm.config.file import ConfigFile, read_config_file
from swarm.config.settings import ALL, known_to
from swarm.errors import UsageError
from swarm.protocol.ids import Realm

FINGERPRINT = "ed25519:" + "a" * 52


def read(home: Path, text: str) -> ConfigFile:
    (home / "config.toml").write_text(text)
    return read_config_file(home)


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert read_config_file(tmp_path) == ConfigFile(tmp_path / "config.toml")


def test_top_and_sections(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        store = "s3://bucket"
        tracker = ["http://a:1", "http://b:1"]
        lan = false
        upload-limit = "10MB"
        [seed]
        block-size = "1MiB"
        upload-limit = "20MB"
        [fetch]
        linger = 30
        """,
    )
    assert found.find("", "store") == ("s3://bucket",)
    assert found.find("", "tracker") == ("http://a:1", "http://b:1")
    assert found.find("", "lan") is False
    assert found.find("seed", "upload-limit") == ("20MB",)
    assert found.find("fetch", "linger") == ("30",)
    assert found.find("fetch", "upload-limit") is None


def test_trust_and_store_options(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        f"""
        [trust]
        places = "{FINGERPRINT}"
        "@maps/planet" = {{ publisher = "{FINGERPRINT}", realm = "{"ab" * 16}" }}
        [store-options]
        region = "eu-west-1"
        requester-pays = true
        """,
    )
    assert found.trust["places"] == Pin(FINGERPRINT)
    assert found.trust["@maps/planet"] == Pin(FINGERPRINT, Realm(b"\xab" * 16))
    assert found.store_options == {"region": "eu-west-1", "requester-pays": True}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('upload_limit = "1MB"', "upload-limit"),
        ('uplod-limit = "1MB"', "upload-limit"),
        ('[fetch]\nblock-size = "1MiB"', "another command"),
        ('[seed]\nblocksize = "1MiB"', "block-size"),
        ('[fech]\nlinger = "1s"', "fetch"),
        ("repair = true", "another command, or of the command line only"),
        ("xyzzy = 1", "docs/configuration.md"),
        ('lan = "no"', "lan = true"),
        ("upload-limit = true", "upload-limit ="),
        ("upload-limit = 1.5", "upload-limit ="),
        ("tracker = [1.5]", "tracker = ["),
        ('store = ["a", "b"]', "store ="),
        ("store-options = 3", "region"),
        ("trust = 3", "[trust]"),
        ('[trust]\nplaces = "SHA256:abc"', "swarm key show"),
        (f'[trust]\n"Bad Name" = "{FINGERPRINT}"', "@scope/part"),
        (f'[trust]\nplaces = {{ publisher = "{FINGERPRINT}", relm = "00" }}', "publisher"),
        ("store = ", "TOML"),
        ('"\\ud800" = 1', "TOML"),
    ],
)
def test_every_mistake_names_the_file_and_says_what_to_write(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "config.toml") in caught.value.message
    assert says in caught.value.hint


def test_an_unreadable_or_huge_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read_config_file(tmp_path)
    (tmp_path / "config.toml").rmdir()
    with pytest.raises(UsageError, match="larger"):
        read(tmp_path, "#" * (1024 * 1024 + 1))
    (tmp_path / "config.toml").write_bytes(b'store = "\xff"')
    with pytest.raises(UsageError, match="utf-8"):
        read_config_file(tmp_path)


def test_every_setting_is_known_to_some_command_and_named_once() -> None:
    assert len({setting.name for setting in ALL}) == len(ALL)
    for setting in ALL:
        assert all(setting in known_to(command) for command in setting.commands)
