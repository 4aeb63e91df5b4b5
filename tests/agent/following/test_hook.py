"""The hook: words and no shell, ended with all that it started when it takes too long."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import trio

from swarm.agent.follow_notices import HookEnd
from swarm.agent.following import hook as module
from swarm.agent.following.hook import Hook, run_hook
from swarm.errors import UsageError

PYTHON = sys.executable


def python(code: str, timeout_s: float = 60.0) -> Hook:
    return Hook((PYTHON, "-c", code), timeout_s)


async def test_a_good_hook_has_the_environment_and_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"import os; open({str(out)!r}, 'w').write(os.environ['SWARM_VERSION'] + str('PATH' in os.environ))"
    ended = await run_hook(python(code), {"SWARM_VERSION": "abc; $(rm -rf /)"})
    assert (ended.outcome, ended.exit_code, ended.is_good) == (HookEnd.DONE, 0, True)
    assert out.read_text() == "abc; $(rm -rf /)True"


async def test_a_failure_says_with_what_it_ended() -> None:
    ended = await run_hook(python("raise SystemExit(3)"), {})
    assert (ended.outcome, ended.exit_code, ended.is_good) == (HookEnd.FAILED, 3, False)
    assert "3" in ended.reason
    ended = await run_hook(python("import os; os.kill(os.getpid(), 9)"), {})
    assert (ended.outcome, ended.exit_code) == (HookEnd.FAILED, -9)
    assert "signal 9" in ended.reason


async def test_a_missing_hook_is_told_from_a_failed_one(tmp_path: Path) -> None:
    ended = await run_hook(Hook((str(tmp_path / "nothing"),), 60.0), {})
    assert (ended.outcome, ended.exit_code) == (HookEnd.MISSING, None)
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    ended = await run_hook(Hook((str(tmp_path / "plain"),), 60.0), {})
    assert ended.outcome is HookEnd.MISSING, "a file that may not be run"
    with pytest.raises(UsageError, match="no program"):
        Hook((str(tmp_path / "nothing"),), 60.0).check()
    Hook((PYTHON,), 60.0).check()


CHILD = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1] + ".new", "w").write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until_dead(pids: list[int]) -> None:
    with trio.fail_after(30):
        while any(map(is_alive, pids)):  # noqa: ASYNC110  # another process
            await trio.sleep(0.01)


@pytest.mark.slow
async def test_a_hanging_hook_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    ended = await run_hook(Hook((PYTHON, "-c", CHILD, str(pids)), 2.0), {})
    assert ended.outcome is HookEnd.TIMED_OUT
    assert "2 s" in ended.reason
    if pids.exists():  # on a busy machine it may not even have begun
        await until_dead([int(pid) for pid in pids.read_text().split()])


@pytest.mark.slow
async def test_a_hook_that_does_not_hear_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.1)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('%s', 'w'); time.sleep(600)"
    ended = await run_hook(python(code % (tmp_path / "deaf"), timeout_s=2.0), {})
    assert ended.outcome is HookEnd.TIMED_OUT
    assert ended.exit_code == (-9 if (tmp_path / "deaf").exists() else ended.exit_code)


async def test_a_cancelled_hook_does_not_outlive_us(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_hook, Hook((PYTHON, "-c", CHILD, str(pids)), 600.0), {})
            while not pids.exists():  # noqa: ASYNC110  # another process
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    await until_dead([int(pid) for pid in pids.read_text().split()])


async def test_it_is_given_nothing_to_read_and_our_stdout_stays_ours(capfd: pytest.CaptureFixture[str]) -> None:
    ended = await run_hook(python("import sys; print('hook:' + sys.stdin.read() + 'end')"), {})
    assert ended.is_good
    out, _ = capfd.readouterr()
    assert "hook" not in out
    assert os.path.exists("/dev/null")
