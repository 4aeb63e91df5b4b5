"""A fleet in network namespaces, on the same work: swarm, aria2, libtorrent, and plain HTTP from the origin.

    python -m bench.lab --consumers 8 --mib 128 --mbit 50 --runs 3 [--only swarm] [--json] [--keep DIR] [--timeline]

Every link is shaped on both ends. The contestants take turns, so that a machine that is busy for a while slows all of
them; medians are shown. Times are over the fluid limit, whose rates one plain TCP stream reaches in the same lab.
Needs root, and touches nothing but the namespaces that it makes and removes. Files are in memory (/dev/shm).
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from bench.contestants.aria2 import Aria2
from bench.contestants.contestant import DATA, ORIGIN, Contestant, Work, place_for
from bench.contestants.libtorrent import Libtorrent
from bench.contestants.plain_http import PlainHttp
from bench.contestants.swarm import Swarm
from bench.counters import sampling
from bench.limit import Rates, fluid_limit_s
from bench.namespaces import CONGESTION, Host, Lab, open_lab
from bench.outcome import Outcome, outcome
from bench.race import RaceError, race
from bench.tcp_stream import measure
from bench.timeline import as_json, timeline

MIB = 1 << 20
PROBE = "probe"
"""A host without limits, to measure the others' links against."""

CONTESTANTS: dict[str, Callable[[], Contestant]] = {
    "swarm": Swarm,
    "aria2": Aria2,
    "libtorrent": Libtorrent,
    "http": PlainHttp,
}
HTTP_PART = 8
"""HTTP moves this many times less: it needs as many copies as there are consumers, and its ratio is always the same."""

PATIENCE, PATIENCE_S = 12.0, 60.0
"""Times the limit, and besides: whoever has not finished by then never will."""


def main() -> None:
    """Measures and prints."""
    options = _options()
    signal.signal(signal.SIGTERM, _exit)
    names = options.only or list(CONTESTANTS)
    consumers = tuple(f"c{number}" for number in range(options.consumers))
    up = options.origin_mbit or options.mbit
    hosts = [Host(ORIGIN, up, up), Host(PROBE), *(Host(name, options.mbit, options.mbit) for name in consumers)]
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm", prefix="swarmlab-") as place,
        open_lab(hosts, congestion=options.congestion) as lab,
    ):
        rates = _measure_rates(lab, consumers)
        _say(options, f"one TCP stream: origin {_mbit(rates.origin_up)}, consumers {_mbit(rates.down[0])} down")
        work = Work(
            lab, _make_data(Path(place) / "source", options.mib * MIB), options.mib * MIB, consumers, Path(place)
        )
        outcomes = _take_turns([CONTESTANTS[name]() for name in names], work, rates, options)
    _show(outcomes, rates, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--consumers", type=int, default=8)
    parser.add_argument("--mib", type=int, default=128, help="size of the data")
    parser.add_argument("--mbit", type=float, default=50, help="of every link, each way")
    parser.add_argument("--origin-mbit", type=float, help="of the origin's link, if it is another")
    parser.add_argument("--congestion", default=CONGESTION, help="of all TCP streams: cubic, bbr, ...")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", action="append", choices=list(CONTESTANTS), help="repeatable; default: all")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--keep", type=Path, help="keep logs, output and the links' counters of each run here")
    parser.add_argument("--timeline", action="store_true", help="print every run second by second")
    return parser.parse_args()


def _exit(_signal: int, _frame: FrameType | None) -> None:
    """As an exception, so that the lab is removed."""
    sys.exit(143)


def _make_data(source: Path, size: int) -> Path:
    source.mkdir()
    with (source / DATA).open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    return source


def _measure_rates(lab: Lab, consumers: Sequence[str]) -> Rates:
    """The consumers are alike: one of them is measured."""
    down, up = measure(lab, PROBE, consumers[0]), measure(lab, consumers[0], PROBE)
    return Rates(measure(lab, ORIGIN, PROBE), (down,) * len(consumers), (up,) * len(consumers))


# --- running ------------------------------------------------------------------------------------


def _take_turns(
    contestants: Sequence[Contestant], work: Work, rates: Rates, options: argparse.Namespace
) -> list[Outcome]:
    able = [one for one in contestants if not _is_missing(one, options)]
    outcomes = []
    for number in range(options.runs):
        for one in able:
            place = (options.keep or work.place) / f"{one.name}-{number}"
            outcomes.append(_run(one, work, place, rates, options))
            _say(options, f"{one.name} {number + 1} of {options.runs}: {_line(outcomes[-1])}")
    return outcomes


def _is_missing(contestant: Contestant, options: argparse.Namespace) -> bool:
    lacks = contestant.lacks()
    if lacks:
        _say(options, f"left out: {lacks}")
    return lacks is not None


def _run(contestant: Contestant, work: Work, place: Path, rates: Rates, options: argparse.Namespace) -> Outcome:
    with place_for(work.place / place.name) as scratch:
        mine = _smaller(work, scratch) if contestant.name == "http" else replace(work, place=scratch)
        limit_s, load = fluid_limit_s(mine.size, rates), os.getloadavg()[0]
        with contestant.entrants(mine) as entrants, sampling(work.lab) as series:
            runs = race(entrants, PATIENCE_S + PATIENCE * limit_s)
        _compare(contestant, mine)
        if options.keep:
            _keep(scratch, place, as_json(series), {run.name: run.lines for run in runs})
        if options.timeline:
            print("\n".join(timeline(series, mine.consumers)), flush=True)
        return outcome(contestant.name, mine.size, limit_s, runs, series, contestant.receipts(runs), load)


def _smaller(work: Work, place: Path) -> Work:
    source, size = place / "source", max(MIB, work.size // HTTP_PART)
    source.mkdir()
    with (work.source / DATA).open("rb") as file:
        (source / DATA).write_bytes(file.read(size))
    return replace(work, source=source, size=size, place=place)


def _compare(contestant: Contestant, work: Work) -> None:
    for name in work.consumers:
        if not filecmp.cmp(work.source / DATA, contestant.copy(work, name), shallow=False):
            raise RaceError(f"{contestant.name}: the copy of {name} differs")


def _keep(scratch: Path, place: Path, series: object, lines: dict[str, list[str]]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for log in scratch.glob("*.log"):
        (place / log.name).write_bytes(log.read_bytes())
    (place / "links.json").write_text(json.dumps(series))
    for name, all_ in lines.items():
        (place / f"{name}.out").write_text("".join(all_))


# --- showing ------------------------------------------------------------------------------------


def _show(outcomes: Sequence[Outcome], rates: Rates, options: argparse.Namespace) -> None:
    names = list(dict.fromkeys(one.contestant for one in outcomes))
    rows = {name: [one for one in outcomes if one.contestant == name] for name in names}
    if options.json:
        facts = {"consumers": options.consumers, "mib": options.mib, "mbit": options.mbit, "runs": options.runs}
        print(json.dumps({**facts, "origin_up": rates.origin_up, "outcomes": [one.as_json() for one in outcomes]}))
        return
    print(
        f"\n{options.consumers} consumers, {options.mib} MiB, {options.mbit:g} Mbit/s, medians of {options.runs} runs"
    )
    print("(least to most), last finish over the fluid limit")
    print("| | from start | from all ready | origin, link | origin, receipts | wasted | CPU s each | load |")
    print("|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(_cells(row))} |")


def _cells(row: Sequence[Outcome]) -> list[str]:
    return [
        _middle([one.from_start for one in row]),
        _middle([one.from_ready for one in row]),
        _middle([one.origin_link for one in row]),
        _middle([one.origin_receipts for one in row], digits=3),
        _middle([one.wasted for one in row], digits=4),
        _middle([one.cpu_s / len(one.finished_s) for one in row]),
        _middle([one.load for one in row], digits=1),
    ]


def _middle(values: Sequence[float | None], digits: int = 2) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    shown = [f"{value:.{digits}f}" for value in (statistics.median(known), min(known), max(known))]
    return shown[0] if len(known) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"


def _line(one: Outcome) -> str:
    ready = "" if one.from_ready is None else f", {one.from_ready:.2f} from all ready ({max(one.ready_s):.1f} s)"
    return (
        f"{max(one.finished_s):.1f} s, {one.from_start:.2f} x the limit{ready}, "
        f"origin {one.origin_link:.2f} copies, load {one.load:.1f}"
    )


def _mbit(rate: float) -> str:
    return f"{rate * 8 / 1e6:.1f} Mbit/s"


def _say(options: argparse.Namespace, text: str) -> None:
    print(text, file=sys.stderr if options.json else sys.stdout, flush=True)


if __name__ == "__main__":
    main()
