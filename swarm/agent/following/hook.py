"""Runs the command that a user wants run when `current` has changed.

Words, not a shell's line: what starts is the program that the first word names, and a program that is missing is told
from one that fails. It has a process group of its own, so that what it started ends with it where it must be ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import trio

from swarm.agent.follow_notices import HookEnd
from swarm.errors import UsageError

GRACE_S = 5.0
"""Between SIGTERM and SIGKILL, for a hook that has taken too long."""


@dataclass(frozen=True, slots=True)
class Hook:
    """`words` as execvp takes them; `timeout_s` may be infinite."""

    words: tuple[str, ...]
    timeout_s: float

    def check(self) -> None:
        """Raises UsageError where there is no such program now: better said at the start than by the first update."""
        if shutil.which(self.words[0]) is None:
            raise UsageError(
                f"--exec: there is no program {self.words[0]!r}",
                hint="name a program in PATH or by its path; for a shell's line: --exec \"sh -c '…'\"",
            )


@dataclass(frozen=True, slots=True)
class Ended:
    """`exit_code` is negative for a signal, None where it did not begin."""

    outcome: HookEnd
    exit_code: int | None
    seconds: float
    reason: str

    @property
    def is_good(self) -> bool:
        return self.outcome is HookEnd.DONE


async def run_hook(hook: Hook, environment: Mapping[str, str]) -> Ended:
    """Waits for its end, at most `timeout_s`. What it prints goes to our stderr: stdout is for results.

    Cancelled, it is ended too before this returns.
    """
    began_at = trio.current_time()
    try:
        process = await trio.lowlevel.open_process(
            list(hook.words),
            stdin=subprocess.DEVNULL,
            stdout=_stderr(),
            stderr=_stderr(),
            env={**os.environ, **environment},
            start_new_session=True,
        )
    except OSError as error:
        reason = f"{hook.words[0]}: {error.strerror or error}"
        return Ended(HookEnd.MISSING, None, trio.current_time() - began_at, reason)
    with trio.move_on_after(hook.timeout_s) as scope:
        await _wait(process)
    seconds = trio.current_time() - began_at
    code = process.returncode
    if scope.cancelled_caught:
        return Ended(HookEnd.TIMED_OUT, code, seconds, f"it had not ended after {hook.timeout_s:g} s")
    if code:
        reason = f"it was ended by signal {-code}" if code < 0 else f"it ended with {code}"
        return Ended(HookEnd.FAILED, code, seconds, reason)
    return Ended(HookEnd.DONE, code, seconds, "")


async def _wait(process: trio.Process) -> None:
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            with trio.CancelScope(shield=True):  # bounded: a killed process group ends
                await _end(process)


async def _end(process: trio.Process) -> None:
    _signal(process, signal.SIGTERM)
    with trio.move_on_after(GRACE_S) as scope:
        await process.wait()
    if scope.cancelled_caught:
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: trio.Process, number: signal.Signals) -> None:
    """To its whole group, which has the number of the process for as long as that was not waited for."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _stderr() -> int:
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):  # closed by whoever started us, or a test's
        return subprocess.DEVNULL
