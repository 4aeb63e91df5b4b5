"""swarm commands as processes of their own: how they are named, and what they get of this one's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_ROOT = str(Path(__file__).parent.parent)


def swarm_command(*words: str) -> list[str]:
    """The words that start `swarm …` with this very installation, whatever PATH says."""
    return [sys.executable, "-m", "cli.main", *words]


def child_environment(environment: Mapping[str, str], **changes: str) -> dict[str, str]:
    """This process's environment, changed; with what lets the child find the installation that this one runs from."""
    path = os.pathsep.join(filter(None, (_ROOT, environment.get("PYTHONPATH", ""))))
    return {**environment, "PYTHONPATH": path, **changes}


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what configures swarm: for a demonstration that must not touch the user's own."""
    return {name: value for name, value in environment.items() if not name.startswith("SWARM_")}


def start_detached(words: list[str], environment: Mapping[str, str], log: Path) -> int:
    """Starts a process that outlives this one: a session of its own, no input, its output to `log`. Raises OSError."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and our own words
            words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, env=environment
        )
    # Nobody waits for it, and Python shall not complain: this process is about to end.
    process.returncode = 0
    return process.pid
