"""Runs fetches and kills them with SIGKILL at their n-th step, for every n; checks DEST after each, and the next run.

A program of its own, started by test_crash.py: it forks, which a process with threads should not. A step is a call
that changes something on the disk: before the n-th the process is gone.

    python -m tests.holdings.crashes SCENARIO DIRECTORY FIRST STRIDE
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import trio

from swarm.holdings import open_holdings
from tests.holdings.versions import Link, Made, expected, fill, keep, listing, make, some_bytes

OLD = make(
    {
        "a": some_bytes(3_500, 1),
        "b/c": some_bytes(500, 2),
        "b/d": b"old",
        "b/link": Link(b"d"),
        "gone/x": b"x",
        "was a file": b"",
    },
    modes={"b/c": 0o444, "gone": 0o755},
)
NEW = make(
    {
        "a": some_bytes(3_500, 1),
        "b/c": some_bytes(500, 2),
        "b/d": b"new",
        "b/link": Link(b"c"),
        "gone": b"a file now",
        "ro/y": some_bytes(1_200, 3),
        "was a file/z": b"",
    },
    modes={"b/c": 0o444, "ro": 0o555, "ro/y": 0o400},
)

EVENTS = frozenset(
    {
        *("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.utime", "os.symlink", "os.truncate"),
        *("os.chown", "swarm.renameat2", "swarm.step", "sqlite3.connect"),
    }
)


def main() -> None:
    scenario, directory, first, stride = sys.argv[1:]
    for call in ("write", "pwrite", "fsync", "fchmod", "utime"):
        _announce(call)
    step, tried = int(first), 0
    while _try(scenario, Path(directory), step):
        step += int(stride)
        tried += 1
    print(f"{scenario}: killed {tried} times, the last before step {step - int(stride)}")
    if not tried:
        sys.exit("no step was reached")


def _announce(name: str) -> None:
    """Calls that are no audit events by themselves."""
    real: Callable[..., object] = getattr(os, name)

    def announced(*arguments: object, **named: object) -> object:
        sys.audit("swarm.step", name)
        return real(*arguments, **named)

    setattr(os, name, announced)


def _try(scenario: str, directory: Path, step: int) -> bool:
    """False where the fetch ended before it came to that step."""
    shutil.rmtree(directory, ignore_errors=True)
    dest = directory / "data" / "dest"
    dest.parent.mkdir(parents=True)
    if scenario == "inside":
        dest.mkdir()
        os.chdir(dest)
    if scenario != "fresh":
        _check(_run(lambda: _fetch(directory, OLD)), "the first fetch")
    if scenario == "repair":
        (dest / "b" / "d").write_bytes(b"edited")
        (dest / "a").unlink()
    before = listing(dest)
    made = OLD if scenario == "repair" else NEW
    status = _run(lambda: _fetch(directory, made), kill_at=step)
    if not os.WIFSIGNALED(status):
        _check(status, f"the fetch that is not killed at {step}")
        return False
    _check_dest(scenario, dest, before, made, step)
    _check(_run(lambda: _fetch(directory, made)), f"the run after one that was killed before step {step}")
    if listing(dest) != expected(made):
        _fail(f"DEST after a kill before step {step} and another run", listing(dest), expected(made))
    if os.listdir(dest.parent) != ["dest"]:
        _fail(f"leftovers after {step}", os.listdir(dest.parent), ["dest"])
    return True


def _run(work: Callable[[], object], kill_at: int | None = None) -> int:
    """In a child. Returns its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    if kill_at is not None:
        _arm(kill_at)
    try:
        work()
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _arm(kill_at: int) -> None:
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_TRUNC)
        if event in EVENTS or writes:
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    sys.addaudithook(hook)


def _fetch(directory: Path, made: Made) -> None:
    trio.run(_fetch_async, directory, made)


async def _fetch_async(directory: Path, made: Made) -> None:
    dest = directory / "data" / "dest"
    async with open_holdings(directory / "home") as holdings:
        await keep(holdings, made)
        async with holdings.stage(made.version, dest, repair=made is OLD) as staging:
            await staging.reuse()
            await fill(staging, made)
            if staging.bytes_refetched:
                raise AssertionError(f"{staging.bytes_refetched} bytes came twice")
            await staging.sync()
            await staging.commit()
        for index in made.block_indexes():
            if await holdings.read(made.id, index) != made.block(index):
                raise AssertionError(f"block {index} cannot be read")
        if not (await holdings.verify(dest)).is_whole:
            raise AssertionError("not whole")


def _check_dest(scenario: str, dest: Path, before: dict[bytes, tuple[object, ...]], made: Made, step: int) -> None:
    now = listing(dest)
    after = expected(made)
    if scenario in {"fresh", "exchange"}:
        if now not in (before, after):
            _fail(f"DEST before step {step} is neither old nor new", now, before)
        return
    for path, found in now.items():
        if found[0] != "file" or path.startswith(b".swarm"):
            continue
        if found[-1] not in {version[path][-1] for version in (before, after) if path in version}:
            _fail(f"{path!r} before step {step} is neither old nor new", found, before.get(path))


def _check(status: int, what: str) -> None:
    if status:
        sys.exit(f"{what} ended with status {status}")


def _fail(what: str, found: object, wanted: object) -> None:
    if isinstance(found, dict) and isinstance(wanted, dict):
        paths = sorted(path for path in {*found, *wanted} if found.get(path) != wanted.get(path))
        found, wanted = ({path: _short(each.get(path)) for path in paths} for each in (found, wanted))
    sys.exit(f"{what}:\n  found  {found}\n  wanted {wanted}")


def _short(entry: object) -> object:
    if isinstance(entry, tuple) and isinstance(entry[-1], bytes):
        return *entry[:-1], entry[-1][:8]
    return entry


if __name__ == "__main__":
    main()
