"""The demonstration: its data, its account, and (slow) all of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cli.demo.account import origin_line, origin_share, table
from cli.demo.data import change_tree, copy_tree, default_tree, tree_bytes
from cli.demo.stage import Stage, receipts_of, wait_for
from swarm.agent.notices import as_json
from swarm.errors import NotFoundError, TrustError, UnreachableError
from tests.cli.conftest import RECEIPT, Run

ROOT = Path(__file__).parents[2]


def receipt(**changes: Any) -> dict[str, Any]:
    return {**as_json(RECEIPT), **changes}


def make_tree(place: Path) -> Path:
    for name, size in (("a", 0), ("b", 10), ("c/d", 1000), ("c/e", 100_000)):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    (place / "link").symlink_to("c/d")
    return place


@pytest.mark.slow
def test_the_default_is_a_tree_of_some_size() -> None:
    assert default_tree().is_dir()
    assert tree_bytes(default_tree()) > 10_000_000


def test_a_copy_is_the_same_without_what_others_installed(tmp_path: Path) -> None:
    source = make_tree(tmp_path / "source")
    (source / "site-packages").mkdir()
    (source / "site-packages" / "x").write_bytes(b"x")
    os.mkfifo(source / "fifo")
    (source / "absolute").symlink_to("/etc/hostname")
    (source / "c" / "leaves").symlink_to("../../source/a")
    assert copy_tree(source, tmp_path / "copy") == 101_010
    names = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*")}
    assert names == {"a", "b", "c", "c/d", "c/e", "link"}
    with pytest.raises(NotFoundError):
        copy_tree(tmp_path / "missing", tmp_path / "other")


def test_a_change_is_what_it_says(tmp_path: Path) -> None:
    first = make_tree(tmp_path / "first")
    change = change_tree(first, tmp_path / "second")
    text = "; ".join(change.sentences)
    assert text == "inserted a line into the middle of c/e; removed a; renamed c/d; added NEW.txt"
    names = {str(path.relative_to(tmp_path / "second")) for path in (tmp_path / "second").rglob("*")}
    assert names == {"b", "c", "c/renamed-d", "c/e", "link", "NEW.txt"}
    assert tree_bytes(first) == 101_010
    empty = tmp_path / "empty"
    empty.mkdir()
    assert change_tree(empty, tmp_path / "third").sentences == ("added NEW.txt",)


def test_the_account_counts_copies_of_what_had_to_come() -> None:
    two = [
        receipt(bytes=1000, bytes_peer=400, bytes_origin=500, bytes_local=100),
        receipt(bytes_origin=400, bytes_local=100),
    ]
    assert origin_share(two) == 1.0
    assert "1.00 copies for 2 agents" in origin_line(two)
    nothing = [receipt(bytes=1000, bytes_peer=0, bytes_origin=0, bytes_local=1000)]
    assert origin_share(nothing) is None
    assert "nothing had to" in origin_line(nothing)
    lines = table(two)
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == ["agent", "from", "peers", "from", "origin", "was", "here", "in", "all", "time", "peers"]


class TestStage:
    """Processes that are no swarm at all: whatever `swarm WORDS` would run is a small script."""

    @pytest.fixture
    def script(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = tmp_path / "script.py"
        monkeypatch.setattr("cli.demo.stage.swarm_command", lambda *words: [sys.executable, str(path), *words])
        return path

    def test_an_event_is_waited_for_and_everything_is_ended(self, tmp_path: Path, script: Path) -> None:
        script.write_text('import time; print(\'{"event": "ready", "http": "x"}\', flush=True); time.sleep(600)')
        with Stage(tmp_path / "stage", os.environ) as stage:
            actor = stage.start("seeder", "1", "seed")
            assert wait_for(actor, "ready")["http"] == "x"
            assert actor.process.poll() is None
        assert actor.process.returncode is not None

    def test_a_process_that_fails_gives_its_own_words_and_code(self, tmp_path: Path, script: Path) -> None:
        script.write_text('print(\'{"event":"error","message":"no","hint":"do"}\'); raise SystemExit(5)')
        with Stage(tmp_path / "stage", os.environ) as stage:
            actor = stage.start("agent-1", "1", "fetch")
            with pytest.raises(Exception, match="agent-1 ended with exit code 5: no") as caught:
                wait_for(actor, "ready")
            assert getattr(caught.value, "exit_code", 0) == TrustError.exit_code
            with pytest.raises(Exception, match="exit code 5"):
                receipts_of([actor])

    def test_a_process_that_says_nothing_is_not_waited_for_for_ever(self, tmp_path: Path, script: Path) -> None:
        script.write_text("import time; time.sleep(600)")
        with Stage(tmp_path / "stage", os.environ) as stage, pytest.raises(UnreachableError, match="was not ready"):
            wait_for(stage.start("seeder", "1", "seed"), "ready", timeout_s=0.2)

    def test_the_users_own_settings_reach_nobody(self, tmp_path: Path, script: Path) -> None:
        script.write_text(
            "import json, os; seen = sorted(name for name in os.environ if 'SWARM' in name); "
            "print(json.dumps({'event': 'receipt', 'seen': seen}))"
        )
        environment = {**os.environ, "SWARM_STORE": "s3://mine", "SWARM_SECRET": "mine"}
        with Stage(tmp_path / "stage", environment) as stage:
            (found,) = receipts_of([stage.start("agent-1", "1", "fetch")])
        assert found["seen"] == ["SWARM_HOME"]


def test_a_path_that_is_no_directory(run: Run) -> None:
    ended = run("demo", "--path", "missing")
    assert ended.code == 3
    assert "--path" in ended.err


@pytest.mark.slow
def test_the_demonstration_ends_well(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    (tree / "large").write_bytes(os.urandom(20_000_000))
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", "demo", "--agents", "3", "--path", str(tree), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stderr
    assert '"event":"demo"' in ended.stdout.splitlines()[-1]
    assert ended.stdout.count('"event":"receipt"') == 6
    assert time.monotonic() - started < 100
    assert list(tmp_path.glob("swarm-demo-*")) == []
