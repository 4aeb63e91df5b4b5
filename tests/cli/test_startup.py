"""What the light commands import: nothing that takes long."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("trio", "boto3", "botocore", "libp2p", "zeroconf", "rich", "multiaddr", "sqlite3", "pyfastcdc")
ROOT = Path(__file__).parents[2]


def imported_by(home: Path, *words: str) -> set[str]:
    """The modules that `swarm WORDS` loads."""
    program = (
        "import sys; from cli.main import main; code = main(sys.argv[1:]); sys.stdout.flush(); "
        "print('MODULES', *sorted({name.partition('.')[0] for name in sys.modules})); sys.exit(code)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "SWARM_HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=home,
    )
    line = next(line for line in found.stdout.splitlines() if line.startswith("MODULES"))
    return set(line.split()[1:])


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("help",)])
def test_the_front_page_imports_nothing_heavy(tmp_path: Path, words: tuple[str, ...]) -> None:
    found = imported_by(tmp_path, *words)
    assert not found & {*HEAVY, "argparse", "cryptography", "asyncio"}


@pytest.mark.parametrize(
    "words",
    [
        ("fetch", "--help"),
        ("seed", "--help"),
        ("doctor", "--help"),
        ("demo", "--help"),
        ("ls", "--help"),
        ("config", "show"),
        ("trust",),
        ("key", "new"),
    ],
)
def test_commands_that_need_no_network_import_none(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert not imported_by(tmp_path, *words) & set(HEAVY)


def test_key_show_imports_none_either(tmp_path: Path) -> None:
    imported_by(tmp_path, "key", "new")
    assert not imported_by(tmp_path, "key", "show") & set(HEAVY)


def test_importing_swarm_is_light() -> None:
    program = "import sys, swarm, swarm.config.building; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, cwd=ROOT)
    assert not {name.partition(".")[0] for name in found.stdout.split()} & set(HEAVY)


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(20) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("words", [("config", "show"), ("trust", "--json"), ("ls", "nothing/like/it", "--json")])
def test_closed_streams_are_no_crash(tmp_path: Path, words: tuple[str, ...]) -> None:
    command = subprocess.list2cmdline([sys.executable, "-m", "cli.main", *words])
    ended = subprocess.run(
        ["/bin/sh", "-c", f"{command} >&- 2>&-"],
        check=False,
        env={**os.environ, "SWARM_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    assert ended.returncode in (0, 2)


def test_a_full_disk_under_stdout_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "cli.main", "config", "show"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "SWARM_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
        )
    assert ended.returncode in (6, 120)
    assert "No space left" in ended.stderr
