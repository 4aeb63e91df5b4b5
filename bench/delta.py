"""What an update moves, by running it: `python -m bench delta [--mib N] [--json]`.

Two changes: 1 % inserted in the middle of a file of random bytes, and pages of an SQLite database rewritten in random
places (1,000 of 4 KiB in 1 GiB; as many in proportion where it is smaller). The old version is fetched from a directory
store, then the new one, and the receipt says what came: blocks, and the manifest. Beside it, on the same change, what
rsync sends and receives (`--stats`), and what a BorgBackup repository grows by (chunks of 2 MiB on average, its own
choice, and of 256 KiB); those that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.processes import environment, swarm

MIB = 1 << 20
AVERAGES = ("64KiB", "256KiB", "1MiB")
PAGE_BYTES = 4096
PAGES_PER_GIB = 1000
BLOB_BYTES = 3_900
"""A row of this size fills a page and no more."""
INSERTED_SHARE = 0.01
GOAL = 0.025

SMALL_CHUNKS = "buzhash,16,20,18,4095"


@dataclass(frozen=True, slots=True)
class Row:
    """Bytes that moved, of which `extra` say what is where (manifests, checksums)."""

    tool: str
    moved: int
    extra: int | None = None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench delta", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the file and of the database")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    changes: dict[str, Callable[[Path, Path, int], str]] = {"inserted": insert, "pages": rewrite_pages}
    results: dict[str, object] = {"bytes": options.mib * MIB}
    for name, change in changes.items():
        with tempfile.TemporaryDirectory(prefix="swarm-delta-") as place:
            old, new = Path(place) / "old", Path(place) / "new"
            old.mkdir()
            new.mkdir()
            what = change(old, new, options.mib)
            rows = list(measure(Path(place), old, new))
        results[name] = [asdict(row) for row in rows]
        show(what, rows, options.mib * MIB, as_json=options.json)
    if options.json:
        print(json.dumps(results))
    return 0


def insert(old: Path, new: Path, mib: int) -> str:
    """1 % more, in the middle."""
    half = mib * MIB // 2
    rng = random.Random(1)
    with (old / "data").open("wb") as before, (new / "data").open("wb") as after:
        for part in range(2):
            if part:
                after.write(rng.randbytes(int(mib * MIB * INSERTED_SHARE)))
            for offset in range(0, half, MIB):
                data = rng.randbytes(min(MIB, half - offset))
                before.write(data)
                after.write(data)
    return f"{INSERTED_SHARE:.0%} inserted in the middle of {mib:,} MiB"


def rewrite_pages(old: Path, new: Path, mib: int) -> str:
    """Rows of a database updated in random places."""
    rng = random.Random(2)
    count = mib * MIB // PAGE_BYTES
    with sqlite3.connect(old / "data.db") as database:
        database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, value BLOB)")
        database.executemany("INSERT INTO record VALUES (?, ?)", ((n, rng.randbytes(BLOB_BYTES)) for n in range(count)))
    database.close()
    shutil.copyfile(old / "data.db", new / "data.db")
    pages = max(1, round(PAGES_PER_GIB * mib / 1024))
    with sqlite3.connect(new / "data.db") as database:
        database.execute("PRAGMA journal_mode = OFF")
        chosen = rng.sample(range(count), pages)
        database.executemany(
            "UPDATE record SET value = ? WHERE id = ?", ((rng.randbytes(BLOB_BYTES), n) for n in chosen)
        )
    database.close()
    return f"{pages:,} random pages of {PAGE_BYTES} bytes rewritten in an SQLite file of {mib:,} MiB"


def measure(place: Path, old: Path, new: Path) -> Iterator[Row]:
    """The same change by each tool."""
    for average in AVERAGES:
        yield by_swarm(place, old, new, average)
    if shutil.which("rsync"):
        yield by_rsync(place, old, new)
    if shutil.which("borg"):
        yield by_borg(place, old, new, "borg, its own 2 MiB", ())
        yield by_borg(place, old, new, "borg, 256 KiB", ("--chunker-params", SMALL_CHUNKS))


def by_swarm(place: Path, old: Path, new: Path, average: str) -> Row:
    """Published twice, fetched twice: what the second fetch brought."""
    work = place / f"swarm-{average}"
    where = ("--store", str(work / "store"), "--no-lan", "--quiet")
    producer, consumer = environment(work / "producer"), environment(work / "consumer")
    receipts: list[dict[str, int]] = []
    for tag, source in (("1.0.0", old), ("1.1.0", new)):
        block_size = ("--block-size", average) if source is old else ()
        run(swarm("seed", str(source), f"data:{tag}", "--once", *block_size, *where), producer)
        words = ("fetch", f"data:{tag}", str(work / "dest"), "--linger", "0", "--json", *where)
        lines = run(swarm(*words), consumer).splitlines()
        receipts.append(json.loads(lines[-1]))
    check(new, work / "dest")
    shutil.rmtree(work)
    last = receipts[-1]
    return Row(
        f"swarm, {average}", last["bytes_origin"] + last["bytes_peer"] + last["bytes_manifest"], last["bytes_manifest"]
    )


def by_rsync(place: Path, old: Path, new: Path) -> Row:
    """Its delta algorithm between two processes: bytes both ways."""
    target = place / "rsync"
    shutil.copytree(old, target)
    options = ("-a", "--ignore-times", "--no-whole-file", "--stats")
    text = run(["rsync", *options, f"{new}/", f"{target}/"], dict(os.environ))
    check(new, target)
    shutil.rmtree(target)
    sent, received = (int(number(text, f"Total bytes {way}")) for way in ("sent", "received"))
    literal = int(number(text, "Literal data"))
    return Row("rsync", sent + received, sent + received - literal)


def by_borg(place: Path, old: Path, new: Path, tool: str, options: tuple[str, ...]) -> Row:
    """What the second archive adds to the repository, uncompressed."""
    home, repository = place / "borg-home", place / "borg"
    known = {**os.environ, "BORG_BASE_DIR": str(home), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    run(["borg", "init", "--encryption", "none", str(repository)], known)
    grown: list[int] = []
    for tag, source in (("1", old), ("2", new)):
        command = ["borg", "create", "--json", "--compression", "none", *options, f"{repository}::{tag}", "."]
        text = run(command, known, directory=source)
        grown.append(int(json.loads(text)["archive"]["stats"]["deduplicated_size"]))
    shutil.rmtree(repository)
    shutil.rmtree(home)
    return Row(tool, grown[-1])


def run(command: list[str], known: dict[str, str], directory: Path | None = None) -> str:
    """Its stdout. Ends everything where the command fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=known, cwd=directory, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def number(text: str, what: str) -> str:
    """From a line of rsync's statistics: `Total bytes sent: 1,234`."""
    found = re.search(rf"{what}: ([\d,]+)", text)
    if found is None:
        raise SystemExit(f"rsync says nothing of {what}")
    return found[1].replace(",", "")


def check(wanted: Path, found: Path) -> None:
    """A tool that moves little and makes something else is not measured."""
    run(["diff", "-r", "--brief", str(wanted), str(found)], dict(os.environ))


def show(what: str, rows: list[Row], size: int, *, as_json: bool) -> None:
    """A table: bytes moved, their share of the data, and of that what only says what is where."""
    if as_json:
        return
    print(f"\n{what}")
    for row in rows:
        extra = "" if row.extra is None else f"  (of these {row.extra / MIB:.2f} MiB manifest or checksums)"
        print(f"  {row.tool:<20} {row.moved / MIB:9.2f} MiB  {row.moved / size:7.2%}{extra}")
    if "inserted" in what:
        print(f"  goal: at most {GOAL:.1%}")


if __name__ == "__main__":
    sys.exit(main())
