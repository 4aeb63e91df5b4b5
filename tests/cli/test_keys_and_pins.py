"""`swarm key`, `swarm trust`, `swarm config`: what they print, write and refuse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.call import masked
from tests.cli.conftest import FINGERPRINT, Run

KEY = "swarm-key-v1:" + "5e" * 32


def test_a_key_is_made_once_and_shown(run: Run, home: Path) -> None:
    made = run("key", "new")
    assert made.code == 0
    path = home / "publisher.key"
    assert path.stat().st_mode & 0o777 == 0o600
    fingerprint = made.out.splitlines()[0]
    assert run("key", "show").out == f"{fingerprint}\n"
    assert run("key", "show", "--json").objects == [{"event": "key", "fingerprint": fingerprint, "file": str(path)}]
    before = path.read_bytes()
    again = run("key", "new")
    assert again.code == 2
    assert "not overwritten" in again.err
    assert path.read_bytes() == before
    assert path.read_text().split()[-1] not in made.out + made.err


def test_a_key_in_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_KEY", KEY)
    shown = run("key", "show", "--json").objects[0]
    assert shown["file"] is None
    assert shown["fingerprint"].startswith("ed25519:")
    made = run("key", "new")
    assert made.code == 2
    assert "SWARM_KEY holds a key" in made.err
    assert "5e5e" not in made.err


def test_no_key_and_a_loose_key(run: Run, home: Path) -> None:
    missing = run("key", "show")
    assert missing.code == 3
    assert "swarm key new" in missing.err
    run("key", "new")
    (home / "publisher.key").chmod(0o644)
    loose = run("key", "show")
    assert loose.code == 6
    assert "chmod 600" in loose.err


def test_trust_pins_shows_and_forgets(run: Run, home: Path) -> None:
    empty = run("trust")
    assert (empty.code, empty.out) == (0, "")
    assert "nothing is pinned" in empty.err
    assert run("trust", "places").code == 3
    assert run("trust", "places", FINGERPRINT).code == 0
    assert run("trust", "places", FINGERPRINT, "--realm", "ab" * 16).code == 0
    assert run("trust", "places", "--json").objects == [
        {"event": "pin", "name": "places", "publisher": FINGERPRINT, "realm": "ab" * 16, "file": "trust.toml"}
    ]
    assert run("trust", "places", "--remove").code == 0
    assert run("trust", "places", "--remove").code == 3


def test_pinning_the_same_key_again_keeps_the_realm_and_another_key_does_not(run: Run) -> None:
    other = "ed25519:" + "e" + "a" * 51
    run("trust", "places", FINGERPRINT, "--realm", "ab" * 16)
    assert run("trust", "places", FINGERPRINT, "--json").objects[0]["realm"] == "ab" * 16
    changed = run("trust", "places", other)
    assert f"in place of {FINGERPRINT}" in changed.out
    assert run("trust", "places", "--json").objects[0]["realm"] is None


def test_what_config_toml_pins_is_changed_there(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text(f'[trust]\nplaces = "{FINGERPRINT}"\n')
    assert run("trust", "--json").objects[0]["file"] == "config.toml"
    refused = run("trust", "places", "--remove")
    assert refused.code == 2
    assert "config.toml" in refused.err


def test_config_show_says_what_and_where_from(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "config.toml").write_text('upload-limit = "10MB"\n[seed]\nblock-size = "1MiB"\nlan = false\n')
    monkeypatch.setenv("SWARM_SECRET", "do not tell anybody")
    monkeypatch.setenv("SWARM_KEY", KEY)
    monkeypatch.setenv("SWARM_TRACKER", "a b")
    ended = run("config", "show", "--for", "seed", "--store", "s3://bucket", "--json")
    found = {one["name"]: (one["value"], one["source"]) for one in ended.objects}
    file = str(home / "config.toml")
    assert found["home"] == (str(home), "SWARM_HOME")
    assert found["store"] == ("s3://bucket", "--store")
    assert found["tracker"] == (["http://a:4180", "http://b:4180"], "SWARM_TRACKER")
    assert found["upload-limit"] == (10_000_000, file)
    assert found["block-size"] == (2**20, f"{file} [seed]")
    assert found["lan"] == (False, f"{file} [seed]")
    assert found["download-limit"] == (None, "default")
    assert found["secret"] == ("…", "SWARM_SECRET")
    assert found["key"] == ("…", "SWARM_KEY")
    assert "do not tell" not in ended.out
    assert "5e5e" not in ended.out
    text = run("config", "show", "--for", "seed").out
    assert "10.0 MB/s" in text
    assert "1MiB" in text
    assert "do not tell" not in text


def test_secrets_are_masked_wherever_they_stand() -> None:
    assert masked(("--secret", "words", "x")) == ["--secret", "…", "x"]
    assert masked(("--secret=words", "x")) == ["--secret=…", "x"]
    assert masked(("--secret", "@file", "--secret=@file")) == ["--secret", "@file", "--secret=@file"]


def test_a_missing_key_is_made_where_it_is_looked_for(run: Run) -> None:
    assert run("key", "show").err.endswith("make one with: swarm key new\n")
    assert "swarm key new --key /elsewhere" in run("key", "show", "--key", "/elsewhere").err


def test_config_show_says_what_a_default_amounts_to(run: Run) -> None:
    assert re.search(r"^linger +auto +default$", run("config", "show", "--for", "fetch").out, re.MULTILINE)
    assert re.search(r"^linger +forever +default$", run("config", "show", "--for", "serve").out, re.MULTILINE)
    assert re.search(r"^links +keep +default$", run("config", "show", "--for", "seed").out, re.MULTILINE)


def test_a_realm_that_is_believed_anew_forgets_what_was_seen_of_the_name(run: Run, home: Path) -> None:
    seen = home / "records" / "places" / "names" / "0"
    seen.parent.mkdir(parents=True)
    seen.write_bytes(b"a record")
    run("trust", "places", FINGERPRINT)
    assert seen.exists()
    run("trust", "places", FINGERPRINT, "--realm", "ab" * 16)
    assert not seen.exists()
