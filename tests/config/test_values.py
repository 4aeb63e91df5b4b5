"""The settings that are neither a quantity nor an address."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from swarm.config.configs import Links, Mtime, MtimeKind, OriginBudget
from swarm.config.values import (
    parse_block_size,
    parse_fails,
    parse_glob,
    parse_key,
    parse_links,
    parse_mtime,
    parse_origin_budget,
    parse_path,
    parse_realm,
    parse_secret,
    parse_site,
    parse_sites,
    parse_store,
    show_block_size,
)
from swarm.errors import UsageError

BASE = Path("/base")


def test_block_sizes_are_powers_of_two_within_the_format() -> None:
    assert parse_block_size("1MiB") == 2**20
    assert parse_block_size("65536") == 65536
    for text in ("32KiB", "8MiB", "1MB", "3MiB", "0"):
        with pytest.raises(UsageError, match="block size"):
            parse_block_size(text)
    assert [show_block_size(size) for size in (2**16, 2**20, 2**22)] == ["64KiB", "1MiB", "4MiB"]


def test_mtime() -> None:
    assert parse_mtime("keep") == Mtime(MtimeKind.KEEP)
    assert parse_mtime("none") == Mtime(MtimeKind.NONE)
    assert parse_mtime("1767225600") == Mtime(MtimeKind.FIXED, 1767225600 * 10**9)
    assert parse_mtime("2026-01-01T00:00:00Z") == parse_mtime("1767225600")
    assert parse_mtime("2026-01-01") == parse_mtime("1767225600")
    assert parse_mtime("2026-01-01T01:00:00+01:00") == parse_mtime("1767225600")
    for text in ("", "now", "2026-13-01", "99999999999999"):
        with pytest.raises(UsageError, match="not a time"):
            parse_mtime(text)


def test_origin_budget() -> None:
    assert parse_origin_budget("2") == OriginBudget(2)
    assert parse_origin_budget("1/site") == OriginBudget(1, is_per_site=True)
    assert parse_origin_budget("50GB") == OriginBudget(None, bytes=50 * 10**9)
    for text in ("0", "0/site", "1/rack", "0GB", "x", "1.5"):
        with pytest.raises(UsageError):
            parse_origin_budget(text)


def test_words() -> None:
    assert parse_links("follow") is Links.FOLLOW
    assert parse_fails("open")
    assert not parse_fails("closed")
    for parse in (parse_links, parse_fails):
        with pytest.raises(UsageError, match="cannot be 'Open'"):
            parse("Open")


def test_realm_is_32_hex_digits() -> None:
    assert parse_realm("00112233445566778899aabbccddeeff") == bytes.fromhex("00112233445566778899aabbccddeeff")
    for text in ("", "00", "zz" * 16):
        with pytest.raises(UsageError, match="not a realm"):
            parse_realm(text)


def test_sites_and_globs() -> None:
    assert parse_site("eu/fra1") == "eu/fra1"
    assert parse_site("") == ""
    for text in ("EU", "/eu", "eu/", "a b", "a" * 300):
        with pytest.raises(UsageError, match="not a site"):
            parse_site(text)
    assert parse_glob("logs/**") == "logs/**"
    assert parse_glob("/etc/*") == "/etc/*"
    for text in ("", "../x", "a[b"):
        with pytest.raises(UsageError):
            parse_glob(text)


def test_paths_start_where_they_are_said(tmp_path: Path) -> None:
    assert parse_path("a/b", BASE) == BASE / "a/b"
    assert parse_path("/a", BASE) == Path("/a")
    assert parse_path("~/a", BASE) == Path.home() / "a"
    with pytest.raises(UsageError):
        parse_path("", tmp_path)
    with pytest.raises(UsageError, match="without ~"):
        parse_path("~nobody-of-that-name/x", tmp_path)


def test_a_store_is_a_url_or_a_directory() -> None:
    assert parse_store("s3://bucket/prefix", BASE) == "s3://bucket/prefix"
    assert parse_store("store", BASE) == "/base/store"
    assert parse_store("file:///srv/store", BASE) == "file:///srv/store"
    for text in ("", "ftp://host/x"):
        with pytest.raises(UsageError):
            parse_store(text, BASE)


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse battery\n")
    assert parse_secret("@secret", tmp_path) == b"correct horse battery"
    assert parse_secret("grüße an alle", tmp_path) == "grüße an alle".encode()
    with pytest.raises(UsageError, match="cannot be read"):
        parse_secret("@missing", tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff" * 32)
    with pytest.raises(UsageError, match="UTF-8"):
        parse_secret("@binary", tmp_path)


def test_a_short_secret_is_refused_without_being_repeated() -> None:
    with pytest.raises(UsageError, match="at least 8") as caught:
        parse_secret("hunter2", BASE)
    assert "hunter2" not in str(caught.value)


def test_a_key_is_itself_or_a_file() -> None:
    text = "swarm-key-v1:" + "00" * 32
    assert parse_key(text + "\n", BASE) == text
    assert parse_key("ci.key", BASE) == BASE / "ci.key"


def test_a_sites_file_is_read_longest_prefix_first(tmp_path: Path) -> None:
    (tmp_path / "sites").write_text("# ours\n10.0.0.0/8 eu\n\n10.1.0.0/16 eu/fra1  # hall 3\nfd00::/8 lab\n")
    assert parse_sites("sites", tmp_path) == (
        (ip_network("10.1.0.0/16"), "eu/fra1"),
        (ip_network("10.0.0.0/8"), "eu"),
        (ip_network("fd00::/8"), "lab"),
    )


@pytest.mark.parametrize("line", ["10.0.0.0/8", "10.0.0.1/8 eu", "10.0.0.0/8 EU", "10.0.0.0/8 eu x", "nowhere eu"])
def test_a_wrong_line_of_a_sites_file_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "sites").write_text(f"10.0.0.0/8 eu\n{line}\n")
    with pytest.raises(UsageError) as caught:
        parse_sites("sites", tmp_path)
    assert "line 2" in caught.value.message or "not a site" in caught.value.message
