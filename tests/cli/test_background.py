"""`--background`: which process lingers, with what, and what is never on its command line."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import background
from cli.background import serve_arguments, serve_environment
from cli.main import load_command
from cli.parser import given_settings
from cli.processes import start_detached
from swarm.config.building import fetch_config, serve_config
from swarm.config.configs import FetchConfig, ServeConfig
from swarm.config.loading import Given, load
from tests.cli.conftest import RECEIPT, FakeService, Run

HOME = ("127.0.0.1", "192.168.1.5")


def fetching(home: Path, given: Given, **environment: str) -> FetchConfig:
    loaded = load("fetch", given, {"SWARM_HOME": str(home), **environment}, home)
    return fetch_config(loaded, "places", str(home / "places"), home, interfaces=HOME)


def serving(home: Path, words: list[str]) -> ServeConfig:
    """What a `swarm serve` with these words goes by."""
    options = load_command("serve").register().parse_command(words)
    loaded = load("serve", given_settings(options), {"SWARM_HOME": str(home)}, home)
    return serve_config(loaded, options.what, interfaces=HOME)


def test_what_lingers_serves_what_was_fetched_by_the_same_settings(tmp_path: Path) -> None:
    given: Given = {
        "tracker": ["http://a:1", "http://b:2"], "store": "s3://bucket", "linger": "5min", "upload-limit": "100Mbit",
        "site": "eu/fra1", "lan": False, "open": True, "listen": ["127.0.0.1:0"],
    }  # fmt: skip
    config = fetching(tmp_path, given)
    served = serving(tmp_path, serve_arguments(config))
    assert served.what == (str(config.dest),)
    assert served.linger == config.linger == 300
    for field in ("tracker", "store", "upload_limit", "site", "lan", "open", "listen", "home"):
        assert getattr(served.common, field) == getattr(config.common, field), field


@pytest.mark.parametrize(("linger", "seconds"), [("auto", None), ("forever", math.inf), ("1.5s", 1.5)])
def test_it_lingers_as_long_as_was_said(tmp_path: Path, linger: str, seconds: float | None) -> None:
    assert serving(tmp_path, serve_arguments(fetching(tmp_path, {"linger": linger}))).linger == seconds


def test_the_secret_travels_in_the_environment(tmp_path: Path) -> None:
    config = fetching(tmp_path, {"secret": "do not tell anybody"})
    assert "do not tell" not in " ".join(serve_arguments(config))
    environment = serve_environment(config.common, {"PATH": "/bin"})
    assert environment["SWARM_SECRET"] == "do not tell anybody"
    assert environment["SWARM_HOME"] == str(tmp_path)
    assert environment["PATH"] == "/bin"


def test_a_background_fetch_commits_without_lingering_and_then_starts_it(
    run: Run, service: FakeService, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], Path]] = []

    def start(words: list[str], _environment: dict[str, str], log: Path) -> int:
        started.append((words, log))
        return 4711

    monkeypatch.setattr(background, "start_detached", start)
    ended = run("fetch", "places", "--background", "--linger", "10min", "--json")
    assert ended.code == 0, ended.err
    assert ended.objects[-1]["event"] == "receipt"
    assert service.configs[0].linger == 0
    ((words, log),) = started
    assert words[1:4] == ["-m", "cli.main", "serve"]
    assert words[words.index("--linger") + 1] == "600s"
    assert log.parent == home / "logs"
    assert "4711" in run("fetch", "places", "--background").err


def test_a_fetch_that_failed_starts_nothing(run: Run, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> None:
        raise OSError(28, "No space left on device")

    service.then = fails
    monkeypatch.setattr(background, "start_detached", lambda *_: pytest.fail("started"))
    assert run("fetch", "places", "--background").code == 6


def test_the_data_is_there_even_if_lingering_cannot_start(
    run: Run, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any) -> int:
        raise OSError(11, "Resource temporarily unavailable")

    service.notices = [RECEIPT]
    monkeypatch.setattr(background, "start_detached", refuses)
    ended = run("fetch", "places", "--background")
    assert ended.code == 6
    assert "the data is at" in ended.err
    assert "swarm serve" in ended.err


def test_a_detached_process_has_a_session_and_a_log_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    program = "import os, sys; print(os.getsid(0) == os.getpid(), os.environ['X'], sys.stdin.read() == '')"
    number = start_detached([sys.executable, "-c", program], {"X": "x"}, log)
    os.waitpid(number, 0)
    assert log.read_text() == "True x True\n"
