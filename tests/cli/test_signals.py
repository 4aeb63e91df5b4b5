"""Ctrl-C and SIGTERM on a real process: tidy, then at once; and the line that resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys, types, trio
from cli.main import main
from swarm.agent.notices import Note, Ready
from tests.cli.conftest import RECEIPT

async def fetch(config, observer):
    observer.notify(Ready("fetch"))
    try:
        await trio.sleep_forever()
    finally:
        if "stubborn" in str(config.dest):
            with trio.CancelScope(shield=True):
                observer.notify(Note("cleaning up"))
                await trio.sleep_forever()
        observer.notify(Note("cleaned up"))

async def lingering(config, observer):
    observer.notify(RECEIPT)
    observer.notify(Ready("fetch"))
    print("receipt is out", file=sys.stderr, flush=True)
    await trio.sleep_forever()

async def returning(config, observer):
    observer.notify(Ready("seed"))
    try:
        await trio.sleep_forever()
    except trio.Cancelled:
        return None

service = types.ModuleType("swarm.service")
service.fetch = lingering if "lingering" in sys.argv else fetch
service.seed = service.serve = returning
sys.modules["swarm.service"] = service
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes to end whatever happens."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def start(processes: list[subprocess.Popen[str]], home: Path, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SWARM_HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=home,
    )
    processes.append(process)
    return process


def read_until(process: subprocess.Popen[str], event: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == event:
            return
    raise AssertionError(f"no {event}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_ends_tidily_and_says_how_to_go_on(
    tmp_path: Path, started: list[subprocess.Popen[str]], number: signal.Signals, code: int
) -> None:
    process = start(started, tmp_path, "fetch", "places:1.0.0", "a dir", "--secret", "do not tell", "--json")
    read_until(process, "ready")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "swarm fetch places:1.0.0 'a dir' --secret … --json" in err
    assert "do not tell" not in out + err
    events = [json.loads(line) for line in out.splitlines()]
    assert [one["event"] for one in events] == ["note", "error"]
    assert events[0]["text"] == "cleaned up"
    assert events[1]["exit_code"] == code
    assert "Traceback" not in err


def test_the_second_signal_ends_at_once(tmp_path: Path, started: list[subprocess.Popen[str]]) -> None:
    process = start(started, tmp_path, "fetch", "places", "stubborn", "--json")
    read_until(process, "ready")
    process.send_signal(signal.SIGINT)
    read_until(process, "note")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_a_service_that_returns_when_it_is_cancelled_was_interrupted_all_the_same(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    process = start(started, tmp_path, "seed", ".", "places", "--json")
    read_until(process, "ready")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143


def test_an_interruption_after_the_receipt_is_no_failure(tmp_path: Path, started: list[subprocess.Popen[str]]) -> None:
    process = start(started, tmp_path, "fetch", "places", "lingering", "--json")
    assert process.stderr is not None
    assert "receipt is out" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out.splitlines()[-1])["event"] == "receipt"
    assert err == ""
