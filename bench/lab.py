"""A fleet in network namespaces, on the same work: swarm, aria2, libtorrent, and plain HTTP from the origin.

    python -m bench.lab --consumers 8 --mib 128 --mbit 50 --runs 3 [--only swarm] [--json] [--keep DIR] [--timeline]

Every link is shaped on both ends. The contestants take turns, so that a machine that is busy for a while slows all of
them; medians are shown. Times are over the fluid limit, whose rates one plain TCP stream reaches in the same lab.
Needs root, and touches nothing but the namespaces that it makes and removes. Files are in memory (/dev/shm).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from bench.contestants.aria2 import Aria2
from bench.contestants.contestant import DATA, ORIGIN, Contestant, Work
from bench.contestants.libtorrent import Libtorrent
from bench.contestants.plain_http import PlainHttp
from bench.contestants.raw_streams import RawStreams
from bench.contestants.swarm import Swarm, SwarmBooting
from bench.limit import Rates
from bench.namespaces import CONGESTION, Border, Distance, Host, Lab, open_lab
from bench.outcome import Outcome
from bench.picture import draw
from bench.standings import columns, standings
from bench.tcp_stream import SECONDS, measure
from bench.turns import killed_of, say, take_turns

MIB = 1 << 20
PROBE = "probe"
"""A host without limits, to measure the others' links against."""

CONTESTANTS: dict[str, Callable[[], Contestant]] = {
    "swarm": Swarm,
    "booting": SwarmBooting,
    "aria2": Aria2,
    "libtorrent": Libtorrent,
    "http": PlainHttp,
    "raw": RawStreams,
}

DEFAULT = ("swarm", "aria2", "libtorrent", "http")

LOSSY_SECONDS = 15.0
"""How long one TCP stream is measured where frames are lost at random: its rate swings over many seconds."""


def main() -> None:
    """Measures and prints."""
    options = _options()
    signal.signal(signal.SIGTERM, _exit)
    consumers = tuple(f"c{number}" for number in range(options.consumers))
    late = tuple(f"late{number}" for number in range(killed_of(options.consumers, options.churn)))
    distance = Distance(options.delay_ms, options.loss) if options.delay_ms or options.loss else None
    hosts, borders = _hosts(consumers + late, options)
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm", prefix="swarmlab-") as place,
        open_lab(hosts, borders, options.congestion, distance) as lab,
    ):
        rates = _measure_rates(lab, consumers, options)
        say(options, f"one TCP stream: origin {_mbit(rates.origin_up)}, consumers {_mbit(rates.down[0])} down")
        source = _make_data(Path(place) / "source", options.mib * MIB)
        work = Work(lab, source, options.mib * MIB, consumers, Path(place), late)
        outcomes = take_turns(_contestants(options), work, rates, options)
    _show(outcomes, rates, options)
    if options.picture:
        draw(outcomes, _title(options), options.picture)


def _options() -> argparse.Namespace:
    return parser().parse_args()


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        prog="python -m bench.lab", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--consumers", type=int, default=8)
    made.add_argument("--mib", type=int, default=128, help="size of the data")
    made.add_argument("--mbit", type=float, default=50, help="of every link, each way; 0: unshaped")
    made.add_argument("--origin-mbit", type=float, help="of the origin's link, if it is another")
    made.add_argument("--sites", type=int, default=0, help="deal the consumers over so many sites")
    made.add_argument("--border-mbit", type=float, help="of each site's line to the others, each way")
    made.add_argument("--delay-ms", type=float, default=0, help="between any two hosts, each way, besides")
    made.add_argument("--loss", type=float, default=0, metavar="PERCENT", help="of the frames, each way, at random")
    made.add_argument("--churn", type=float, default=0, metavar="PERCENT", help="killed half-way; as many come then")
    made.add_argument(
        "--block-size", action="append", default=[], help="swarm once more, with this average; repeatable"
    )
    made.add_argument("--congestion", default=CONGESTION, help="of all TCP streams: cubic, bbr, ...")
    made.add_argument("--runs", type=int, default=3)
    made.add_argument("--only", action="append", choices=list(CONTESTANTS), help=f"repeatable; default: {DEFAULT}")
    made.add_argument("--json", action="store_true", help="one JSON object on the last line")
    made.add_argument("--keep", type=Path, help="keep logs, output and the links' counters of each run here")
    made.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw when who had finished, and received")
    made.add_argument("--timeline", action="store_true", help="print every run second by second")
    return made


def _exit(_signal: int, _frame: FrameType | None) -> None:
    """As an exception, so that the lab is removed."""
    sys.exit(143)


def _hosts(consumers: Sequence[str], options: argparse.Namespace) -> tuple[list[Host], list[Border]]:
    rate, up = options.mbit or None, options.origin_mbit or options.mbit or None
    sites = [f"s{number}" for number in range(options.sites)]
    site_of = {name: sites[number % len(sites)] if sites else "" for number, name in enumerate(consumers)}
    links = [Host(name, rate, rate, site_of[name]) for name in consumers]
    borders = [Border(site, options.border_mbit, options.border_mbit) for site in sites]
    # The origin's side of the borders is as wide as a bridge is.
    borders += [Border("", None, None)] if sites else []
    return [Host(ORIGIN, up, up), Host(PROBE), *links], borders


def _contestants(options: argparse.Namespace) -> list[Contestant]:
    more = [Swarm(("--block-size", size), name=f"swarm {size}") for size in options.block_size]
    return [CONTESTANTS[name]() for name in options.only or DEFAULT] + more


def _make_data(source: Path, size: int) -> Path:
    source.mkdir()
    with (source / DATA).open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    return source


def _measure_rates(lab: Lab, consumers: Sequence[str], options: argparse.Namespace) -> Rates:
    """The consumers are alike: one of them is measured, behind borders as one that a neighbour of its site sends to."""
    first, count = consumers[0], len(consumers)
    if options.loss:
        # What one stream reaches depends on the path, not on whose end it is.
        rate = measure(lab, ORIGIN, first, LOSSY_SECONDS)
        return Rates(rate, (rate,) * count, (rate,) * count)
    other = next((name for name in consumers[1:] if lab.site(name) == lab.site(first)), PROBE)
    near = other if options.sites else PROBE
    down, up = measure(lab, near, first), measure(lab, first, near)
    # What enters a site enters it through its border, by whichever of its hosts.
    border = measure(lab, PROBE, first, SECONDS) if options.sites else float("inf")
    return Rates(measure(lab, ORIGIN, PROBE), (down,) * count, (up,) * count, border)


# --- showing ------------------------------------------------------------------------------------


def _show(outcomes: Sequence[Outcome], rates: Rates, options: argparse.Namespace) -> None:
    if options.json:
        facts = {"consumers": options.consumers, "mib": options.mib, "mbit": options.mbit, "runs": options.runs}
        print(json.dumps({**facts, "origin_up": rates.origin_up, "outcomes": [one.as_json() for one in outcomes]}))
        return
    shown = columns(has_late=bool(options.churn), has_sites=bool(options.sites), is_unshaped=not options.mbit)
    print(f"\n{_title(options)}, medians of {options.runs} runs")
    print("(least to most); times are the last finish over the fluid limit")
    print("\n".join(standings(outcomes, shown)))


def _title(options: argparse.Namespace) -> str:
    rate = f"{options.mbit:g} Mbit/s" if options.mbit else "unshaped"
    parts = [f"{options.consumers} consumers", f"{options.mib} MiB", rate]
    parts += [f"origin {options.origin_mbit:g}"] if options.origin_mbit else []
    parts += [f"{options.sites} sites behind {options.border_mbit:g} Mbit/s"] if options.sites else []
    parts += [f"{options.delay_ms:g} ms each way"] if options.delay_ms else []
    parts += [f"{options.loss:g} % lost"] if options.loss else []
    parts += [f"{options.churn:g} % killed half-way"] if options.churn else []
    return ", ".join(parts)


def _mbit(rate: float) -> str:
    return f"{rate * 8 / 1e6:.1f} Mbit/s"


if __name__ == "__main__":
    main()
