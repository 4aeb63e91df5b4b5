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

from swarm.holdings import in_place, open_holdings
from tests.holdings.versions import MTIME_NS, Link, Made, expected, fill, keep, listing, make, some_bytes

OLD = make(
    {
        "a": some_bytes(3_500, 1),
        "b/c": some_bytes(500, 2),
        "b/d": b"old",
        "b/link": Link(b"d"),
        "gone/moves": some_bytes(1_700, 4),
        "gone/x": b"x",
        "kept": some_bytes(900, 5),
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
        "kept": some_bytes(900, 5),
        "moved": some_bytes(1_700, 4),
        "ro/y": some_bytes(1_200, 3),
        "was a file/z": b"",
    },
    modes={"b/c": 0o444, "kept": 0o600, "ro": 0o555, "ro/y": 0o400},
    mtime_ns=MTIME_NS + 10**9,
)

EVENTS = frozenset(
    {
        *(
            "os.rename",
            "os.link",
            "os.mkdir",
            "os.rmdir",
            "os.remove",
            "os.chmod",
            "os.utime",
            "os.symlink",
            "os.truncate",
        ),
        *("os.chown", "swarm.renameat2", "swarm.step", "sqlite3.connect"),
    }
)


def main() -> None:
    scenario, directory, first, stride = sys.argv[1:]
    # One file at a time.
    in_place._room = lambda *_arguments: 0
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
    is_in_place = scenario == "in place"
    status = _run(lambda: _fetch(directory, made, is_in_place=is_in_place), kill_at=step)
    if not os.WIFSIGNALED(status):
        _check(status, f"the fetch that is not killed at {step}")
        return False
    _check_dest(scenario, dest, before, made, step)
    _check(
        _run(lambda: _fetch(directory, made, is_in_place=is_in_place)),
        f"the run after one that was killed before step {step}",
    )
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


def _fetch(directory: Path, made: Made, *, is_in_place: bool = False) -> None:
    trio.run(_fetch_async, directory, made, is_in_place)


async def _fetch_async(directory: Path, made: Made, is_in_place: bool) -> None:
    dest = directory / "data" / "dest"
    async with open_holdings(directory / "home") as holdings:
        await keep(holdings, made)
        while True:
            async with holdings.stage(made.version, dest, repair=made is OLD, in_place=is_in_place) as staging:
                await staging.reuse()
                await fill(staging, made)
                if staging.bytes_refetched and not is_in_place:
                    raise AssertionError(f"{staging.bytes_refetched} bytes came twice")
                await staging.sync()
                if (await staging.commit()).is_end:
                    break
        for index in made.block_indexes():
            if await holdings.read(made.id, index) != made.block(index):
                raise AssertionError(f"block {index} cannot be read")
        if not (await holdings.verify(dest)).is_whole:
            raise AssertionError("not whole")


def _check_dest(scenario: str, dest: Path, before: dict[bytes, tuple[object, ...]], made: Made, step: int) -> None:
    now = listing(dest)
    after = expected(made)
    if scenario in {"fresh", "exchange"}:
        if now != before and _without_metadata(now) != _without_metadata(after):
            _fail(f"DEST before step {step} is neither old nor new", now, before)
        if now != before:
            _check_metadata(now, before, after, step)
        return
    for path, found in now.items():
        if found[0] != "file" or path.startswith(b".swarm"):
            continue
        if found[-1] not in {version[path][-1] for version in (before, after) if path in version}:
            _fail(f"{path!r} before step {step} is neither old nor new", found, before.get(path))


def _without_metadata(found: dict[bytes, tuple[object, ...]]) -> dict[bytes, tuple[object, object]]:
    return {path: (entry[0], entry[-1] if entry[0] != "directory" else None) for path, entry in found.items()}


def _check_metadata(
    now: dict[bytes, tuple[object, ...]],
    before: dict[bytes, tuple[object, ...]],
    after: dict[bytes, tuple[object, ...]],
    step: int,
) -> None:
    """A file that the old version had too may still have the old one's mode and time; all others have the new ones."""
    for path, found in now.items():
        olds = [old for old in before.values() if old[-1] == found[-1]]
        seen = [{each[field] for each in (after[path], *olds)} for field in (1, 2)] if found[0] == "file" else []
        if found != after[path] and not (seen and found[1] in seen[0] and found[2] in seen[1]):
            _fail(f"{path!r} before step {step} has metadata of neither version", found, after[path])


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
