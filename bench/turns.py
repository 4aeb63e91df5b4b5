"""The contestants take turns at the same work, each alone in the lab; what a run gave is compared with the source."""

from __future__ import annotations

import argparse
import filecmp
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.contestants.contestant import DATA, ORIGIN, Contestant, Work, place_for
from bench.counters import Series, sampling
from bench.limit import Rates, fluid_limit_s
from bench.namespaces import cpu_s
from bench.outcome import Outcome, outcome
from bench.race import Churn, Entrant, RaceError, Run, race
from bench.timeline import as_json, share, timeline

MIB = 1 << 20
HTTP_PART = 8
"""HTTP to several moves this many times less: a copy for each takes long, and its ratio is always the same."""

PATIENCE, PATIENCE_S = 12.0, 60.0
"""Times the limit, and besides: whoever has not finished by then never will."""

HALF = 0.5


def take_turns(
    contestants: Sequence[Contestant], work: Work, rates: Rates, options: argparse.Namespace
) -> list[Outcome]:
    """`options.runs` rounds. Raises RaceError where somebody does not finish, or has something else."""
    able = [one for one in contestants if not _is_missing(one, options)]
    outcomes = []
    for number in range(options.runs):
        for one in able:
            place = (options.keep or work.place) / f"{one.name}-{number}"
            outcomes.append(_run(one, work, place, rates, options))
            say(options, f"{one.name} {number + 1} of {options.runs}: {_line(outcomes[-1])}")
    return outcomes


def say(options: argparse.Namespace, text: str) -> None:
    """On stderr where stdout is JSON."""
    print(text, file=sys.stderr if options.json else sys.stdout, flush=True)


def _is_missing(contestant: Contestant, options: argparse.Namespace) -> bool:
    lacks = contestant.lacks()
    if lacks:
        say(options, f"left out: {lacks}")
    return lacks is not None


def _run(contestant: Contestant, work: Work, place: Path, rates: Rates, options: argparse.Namespace) -> Outcome:
    with place_for(work.place / place.name) as scratch:
        is_less = contestant.name == "http" and len(work.consumers) > 1
        mine = _smaller(work, scratch) if is_less else replace(work, place=scratch)
        limit_s, load = fluid_limit_s(mine.size, rates), os.getloadavg()[0]
        with contestant.entrants(mine) as entrants, sampling(work.lab) as series:
            before_s = cpu_s(work.lab.namespace(ORIGIN))
            runs = _race(entrants, mine, series, PATIENCE_S + PATIENCE * limit_s, options)
            origin_cpu_s = cpu_s(work.lab.namespace(ORIGIN)) - before_s
        stayed = [run for run in runs if not run.is_killed]
        _compare(contestant, mine, [run.name for run in stayed])
        if options.keep:
            _keep(scratch, place, as_json(series), {run.name: run.lines for run in runs})
        if options.timeline:
            print("\n".join(timeline(series, mine.consumers)), flush=True)
        receipts = contestant.receipts(stayed)
        facts = (contestant.name, mine.size, limit_s, runs, series, receipts)
        sites = [border.site for border in work.lab.borders if border.site]
        return outcome(*facts, sites=sites, origin_cpu_s=origin_cpu_s, load=load)


def _race(
    entrants: Sequence[Entrant], work: Work, series: Series, timeout_s: float, options: argparse.Namespace
) -> list[Run]:
    count = killed_of(len(work.consumers), options.churn)
    if not count:
        return race(entrants, timeout_s)
    first = len(work.consumers)

    def is_due() -> bool:
        return share(series, -1, work.consumers, work.size) >= HALF

    return race(entrants[:first], timeout_s, Churn(is_due, frozenset(work.consumers[-count:]), entrants[first:]))


def killed_of(consumers: int, percent: float) -> int:
    """As many as the share gives, rounded up: at least one where any are to be killed."""
    return math.ceil(consumers * percent / 100)


def _smaller(work: Work, place: Path) -> Work:
    source, size = place / "source", max(MIB, work.size // HTTP_PART)
    source.mkdir()
    with (work.source / DATA).open("rb") as file:
        (source / DATA).write_bytes(file.read(size))
    return replace(work, source=source, size=size, place=place)


def _compare(contestant: Contestant, work: Work, consumers: Sequence[str]) -> None:
    for name in consumers:
        copy = contestant.copy(work, name)
        if copy and not filecmp.cmp(work.source / DATA, copy, shallow=False):
            raise RaceError(f"{contestant.name}: the copy of {name} differs")


def _keep(scratch: Path, place: Path, series: object, lines: dict[str, list[str]]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for log in scratch.glob("*.log"):
        (place / log.name).write_bytes(log.read_bytes())
    (place / "links.json").write_text(json.dumps(series))
    for name, all_ in lines.items():
        (place / f"{name}.out").write_text("".join(all_))


def _line(one: Outcome) -> str:
    ready = "" if one.from_ready is None else f", {one.from_ready:.2f} from all ready ({max(one.ready_s):.1f} s)"
    late = "" if one.last_arrived is None else f", {one.killed} killed, who came then {one.last_arrived:.2f}"
    return (
        f"{max(one.finished_s):.1f} s, {one.from_start:.2f} x the limit{ready}{late}, {one.mib_per_s:.0f} MiB/s, "
        f"origin {one.origin_link:.2f} copies, load {one.load:.1f}"
    )
