"""docs/tutorial.md, run as it stands: every command ends well and prints what the page shows."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
PORT = "127.0.0.1:4180"
MARK = "=== end of block"
FENCED = re.compile(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
# What differs from one run, or machine, to the next.
VOLATILE = (
    (r"ed25519:[a-z2-7]+", "KEY"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME"),
    (r"[\d.]+ [kMG]?B/s", "RATE"),
    (r"\b[\d.]+ m?s\b", "SECONDS"),
    (r"of [\d.]+ [kMGT]?B free", "FREE"),
    (r"needs [\d.]+ [kMG]?B ", "NEEDS "),  # whole blocks of the file system
    (r"\d+ % from .*", "SOURCES"),
    (r"; at [\d.]+ % of what this link has shown it can do", ""),  # said of fetches that take long enough
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One block of commands, and the lines that the page shows under it."""

    commands: str
    shown: tuple[str, ...]


def steps(page: str) -> list[Step]:
    return [Step(commands, tuple(shown.splitlines())) for commands, shown in FENCED.findall(page)]


def steady(line: str) -> str:
    for pattern, word in VOLATILE:
        line = re.sub(pattern, word, line)
    return line.rstrip()


def not_printed(shown: tuple[str, ...], printed: list[str]) -> list[str]:
    """The shown lines that are not printed in this order; `…` is any text, alone any lines."""
    rest = iter([steady(line) for line in printed])
    patterns = [(line, ".*".join(map(re.escape, steady(line).split("…")))) for line in shown if line != "…"]
    return [line for line, pattern in patterns if not any(re.fullmatch(pattern, found) for found in rest)]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def script(parts: list[Step]) -> str:
    ended = "trap 'for job in $(jobs -p); do kill $job 2>/dev/null || true; done' EXIT\n"
    return ended + "".join(f"{step.commands}echo '{MARK}'\n" for step in parts)


def run(text: str, place: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWARM_", "SOURCE_DATE"))}
    environment = kept | {
        "HOME": str(place), "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}", "LC_ALL": "C.UTF-8",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-e", "-c", text], cwd=place, env=environment, text=True, timeout=180, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def logs(place: Path) -> str:
    return "".join(f"\n--- {path.name}\n{path.read_text()}" for path in sorted(place.glob("*.log")))


@pytest.mark.slow
def test_the_tutorial_does_what_it_shows(tmp_path: Path) -> None:
    parts = steps(PAGE.read_text())
    download = run(parts[0].commands, tmp_path)
    if "pip download" in parts[0].commands and download.returncode and "ERROR:" in download.stdout:
        pytest.skip(f"the tutorial's wheels cannot be had here: {download.stdout.strip().splitlines()[-1]}")
    address = free_port()
    ended = run(script(parts).replace(PORT, address), tmp_path)
    assert ended.returncode == 0, ended.stdout + logs(tmp_path)
    outputs = ended.stdout.split(MARK + "\n")
    assert len(outputs) == len(parts) + 1
    lacking = {
        step.commands: not_printed(step.shown, out.splitlines()) for step, out in zip(parts, outputs, strict=False)
    }
    assert not any(lacking.values()), (lacking, ended.stdout)


def test_a_line_that_is_not_printed_is_found() -> None:
    printed = ["one is 5 MB in 0.3 s", "two at /a/b/x"]
    assert not_printed(("one is 5 MB in 9.9 s", "…", "two at …/x"), printed) == []
    assert not_printed(("in 9.9 s, 1 MB/s",), ["in 2.5 s, 9 MB/s; at 34 % of what this link has shown it can do"]) == []
    assert not_printed(("one is 6 MB in 0.3 s",), printed) == ["one is 6 MB in 0.3 s"]
    assert not_printed(("two at …/x",) * 2, printed) == ["two at …/x"]
    assert not_printed(("two at …/x", "one is 5 MB in 0.3 s"), printed) == ["one is 5 MB in 0.3 s"]


def test_every_block_that_is_shown_belongs_to_commands() -> None:
    page = PAGE.read_text()
    assert page.count("```text\n") == sum(bool(step.shown) for step in steps(page))
    assert page.count("```sh\n") == len(steps(page)) > 10
