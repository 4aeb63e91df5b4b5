"""A process that runs beside a race: the origin's side, a tracker."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.processes import end
from bench.race import RaceError

READY_S = 60.0


@contextmanager
def background(
    command: Sequence[str], environment: Mapping[str, str], log: Path, is_ready: Callable[[str], bool] | None
) -> Iterator[str]:
    """Runs it until the context ends; gives the first line of stdout that says it is ready. Raises RaceError.

    With None nobody waits for it, and the line is empty.
    """
    with log.open("ab") as errors, log.with_suffix(".out").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=dict(environment))
    try:
        yield _wait_ready(process, log, is_ready) if is_ready else ""
    finally:
        end(process)


def _wait_ready(process: subprocess.Popen[bytes], log: Path, is_ready: Callable[[str], bool]) -> str:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        lines = log.with_suffix(".out").read_text(errors="replace").splitlines()
        if ready := next((line for line in lines if is_ready(line)), None):
            return ready
        time.sleep(0.02)
    raise RaceError(f"the origin was not ready in time: {log.read_text(errors='replace')[-2000:]}")
