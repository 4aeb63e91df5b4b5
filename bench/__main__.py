"""`make bench`: the rows of `bench.rows`, one after the other, and one table of what they gave.

python -m bench [--only ROW]... [--runs 3] [--out FILE]     the table, in markdown; --list: which rows there are
python -m bench NAME [OPTIONS]...                           one measurement of this folder, as `bench.NAME` has it
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.report import Result, heading, lines_of, parse
from bench.rows import ROWS, Row


def main() -> None:
    """Each in a process of its own, so that none measures another's leftovers. Ends with 1 where a row failed."""
    if sys.argv[1:] and not sys.argv[1].startswith("-"):
        name, *words = sys.argv[1:]
        sys.exit(subprocess.run([sys.executable, "-m", f"bench.{name}", *words], check=False).returncode)
    options = parser().parse_args()
    if options.list:
        print("\n".join(_listed(row) for row in ROWS))
        return
    rows = chosen(options.only, is_root=os.geteuid() == 0)
    results = _measure(rows, options.runs)
    table = "\n".join([*heading(options.runs), *(line for result in results for line in lines_of(result))])
    print(f"\n{table}")
    if options.out:
        options.out.write_text(f"{table}\n")
    sys.exit(any(result.facts is None for result in results))


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--only", action="append", choices=[row.name for row in ROWS], metavar="ROW", help="repeatable")
    made.add_argument("--runs", type=int, default=1, help="of each row; medians are shown")
    made.add_argument("--out", type=Path, help="write the table here, too")
    made.add_argument("--list", action="store_true", help="the rows, how long each takes, and its command")
    return made


def chosen(only: Sequence[str] | None, *, is_root: bool) -> list[Row]:
    """Those of the table, or those that are asked for; without root those that need none."""
    rows = [row for row in ROWS if (row.name in only if only else row.is_in_table)]
    left_out = [row.name for row in rows if row.needs_root and not is_root]
    if left_out:
        print(f"left out, since network namespaces need root: {', '.join(left_out)}", flush=True)
    return [row for row in rows if row.name not in left_out]


def _listed(row: Row) -> str:
    mark = " " if row.is_in_table else "-"
    return f"{mark} {row.name:<13} {row.seconds:>4} s  python -m {' '.join(row.command(1))}\n{'':23}{row.what}"


def _measure(rows: Sequence[Row], runs: int) -> list[Result]:
    results = []
    for number, row in enumerate(rows):
        lacking_s = sum(_seconds(each, runs) for each in rows[number:])
        print(
            f"\n# {number + 1} of {len(rows)}, {row.name}: {row.what}; about {_seconds(row, runs)} s of {lacking_s} s"
            f" that are left\n# python -m {' '.join(row.command(runs))}",
            flush=True,
        )
        results.append(_run(row, runs))
        print("\n".join(lines_of(results[-1])), flush=True)
    return results


def _seconds(row: Row, runs: int) -> int:
    return row.seconds * (runs if row.has_runs else 1)


def _run(row: Row, runs: int) -> Result:
    load, started_at = os.getloadavg()[0], time.monotonic()
    command = [sys.executable, "-m", *row.command(runs), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    facts = parse(done.stdout) if done.returncode == 0 else None
    return Result(row, facts, load, time.monotonic() - started_at)


if __name__ == "__main__":
    main()
