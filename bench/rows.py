"""What is measured, with which command, and what is wanted: one entry a row. `make bench` makes the table of them.

To add a row, add an entry: a command that takes `--json` and prints one object on its last line, and which of that
object's values are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

Facts = Mapping[str, Any]
Value = Callable[[Facts], float | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """One value of a row. `most` and `least` are goals; either, or none."""

    what: str
    value: Value
    most: float | None = None
    least: float | None = None
    digits: int = 2


@dataclass(frozen=True, slots=True)
class Row:
    """`seconds`: what the command takes with one run on a quiet machine of two cores."""

    name: str
    what: str
    module: str
    options: tuple[str, ...]
    seconds: int
    figures: tuple[Figure, ...]
    needs_root: bool = True
    has_runs: bool = True
    """It takes `--runs`."""
    is_in_table: bool = True
    """`make bench` runs it; the others by their name."""

    def command(self, runs: int) -> tuple[str, ...]:
        """The words behind `python -m`."""
        more = ("--runs", str(runs)) if self.has_runs else ()
        return (self.module, *self.options, *more)


# --- values -------------------------------------------------------------------------------------


def of(contestant: str, name: str) -> Value:
    """The lab's: the median of all runs of a contestant; None where it was left out."""

    def value(facts: Facts) -> float | None:
        runs = [one[name] for one in facts["outcomes"] if one["contestant"] == contestant]
        known = [number for number in runs if number is not None]
        return median(known) if known else None

    return value


def over(above: Value, below: Value) -> Value:
    """One value over another of the same command; None where either is."""

    def value(facts: Facts) -> float | None:
        first, second = above(facts), below(facts)
        return None if first is None or second is None else first / second

    return value


def at(*path: str) -> Value:
    """What is at that place of the object; of a list the median."""

    def value(facts: Facts) -> float | None:
        found: Any = facts
        for name in path:
            found = found[name]
        found = median(found) if isinstance(found, list) else found
        return None if found is None else float(found)

    return value


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# --- rows ---------------------------------------------------------------------------------------

START, READY = "last finish / limit, from start", "last finish / limit, from all ready"
LINK, RECEIPTS = "copies out of the origin, link", "copies out of the origin, block bytes by the receipts"


def _fleet(start: float | None, ready: float) -> tuple[Figure, ...]:
    return (
        Figure(START, of("swarm", "from_start"), most=start),
        Figure(READY, of("swarm", "from_ready"), most=ready),
        Figure(LINK, of("swarm", "origin_link"), most=1.05),
        Figure(RECEIPTS, of("swarm", "origin_receipts"), most=1.02, digits=3),
    )


def _rivals(*names: str) -> tuple[Figure, ...]:
    starts = [Figure(f"{name}: {START}", of(name, "from_start")) for name in names]
    return (*starts, *(Figure(f"{name}: {LINK}", of(name, "origin_link")) for name in names))


def _unshaped(*names: str, least: float | None = None) -> tuple[Figure, ...]:
    return tuple(
        figure
        for name in names
        for figure in (
            Figure(f"{name}: MiB/s", of(name, "mib_per_s"), least=least, digits=0),
            Figure(f"{name}: CPU s per GiB, consumer", of(name, "cpu_s_per_gib")),
            Figure(f"{name}: CPU s per GiB, origin", of(name, "origin_cpu_s_per_gib")),
        )
    )


ROWS = (
    Row(
        "fleet-50",
        "8 consumers, 128 MiB, 50 Mbit/s",
        "bench.lab",
        (),
        140,
        _fleet(1.20, 1.10) + _rivals("aria2", "libtorrent", "http"),
    ),
    Row(
        "fleet-100",
        "8 consumers, 128 MiB, 100 Mbit/s",
        "bench.lab",
        _words("--mbit 100 --only swarm --only aria2 --only libtorrent"),
        90,
        _fleet(None, 1.12) + _rivals("aria2", "libtorrent"),
    ),
    Row(
        "fleet-16",
        "16 consumers, 128 MiB, 25 Mbit/s",
        "bench.lab",
        _words("--consumers 16 --mbit 25 --only swarm"),
        80,
        _fleet(1.20, 1.10),
    ),
    Row(
        "thin-origin",
        "8 consumers at 100 Mbit/s, the origin at 10, 32 MiB",
        "bench.lab",
        _words("--mib 32 --mbit 100 --origin-mbit 10 --only swarm"),
        55,
        _fleet(None, 1.08),
    ),
    Row(
        "sites",
        "two sites of four behind 20 Mbit/s, 32 MiB",
        "bench.lab",
        _words("--mib 32 --sites 2 --border-mbit 20 --only swarm"),
        45,
        (
            Figure("times the data came into a site, link", of("swarm", "crossings"), most=1.05),
            Figure(READY, of("swarm", "from_ready")),
            Figure(LINK, of("swarm", "origin_link")),
        ),
    ),
    Row(
        "churn",
        "10 consumers, 128 MiB, 50 Mbit/s; 2 killed half-way, 2 come then",
        "bench.lab",
        _words("--consumers 10 --churn 20 --only swarm"),
        80,
        (
            Figure(LINK, of("swarm", "origin_link"), most=1.2),
            Figure("the same by the receipts of who lives", of("swarm", "origin_receipts"), most=1.2, digits=3),
            Figure(f"survivors: {START}", of("swarm", "from_start")),
            Figure("who came later: finish / limit, from own start", of("swarm", "last_arrived")),
        ),
    ),
    Row(
        "boot",
        "a tracker and 8 consumers start together, 64 MiB in a store, 50 Mbit/s",
        "bench.lab",
        _words("--mib 64 --only booting"),
        45,
        (
            Figure(LINK, of("booting", "origin_link"), most=1.1),
            Figure(RECEIPTS, of("booting", "origin_receipts"), most=1.1, digits=3),
            Figure(START, of("booting", "from_start")),
        ),
    ),
    Row(
        "far",
        "1 consumer, 64 MiB, 50 Mbit/s, 25 ms each way, 0.1 % lost",
        "bench.lab",
        _words("--consumers 1 --mib 64 --delay-ms 25 --loss 0.1 --only swarm --only http"),
        130,
        (
            Figure("rate / one TCP stream", over(of("swarm", "mib_per_s"), of("http", "mib_per_s")), least=0.85),
            Figure("MiB/s", of("swarm", "mib_per_s")),
        ),
    ),
    Row(
        "unshaped",
        "1 consumer, 2 GiB, unshaped",
        "bench.lab",
        _words(
            "--consumers 1 --mib 2048 --mbit 0 --only swarm --only aria2 --only libtorrent"
            " --block-size 64KiB --block-size 256KiB"
        ),
        130,
        _unshaped("swarm", "swarm 256KiB", "swarm 64KiB", least=300) + _unshaped("libtorrent", "aria2"),
    ),
    Row(
        "unshaped-4",
        "4 consumers, 512 MiB, unshaped",
        "bench.lab",
        _words("--consumers 4 --mib 512 --mbit 0 --only swarm --only raw"),
        60,
        (
            Figure(
                "rate / four raw py-libp2p streams", over(of("swarm", "mib_per_s"), of("raw", "mib_per_s")), least=0.7
            ),
            Figure("MiB/s to each", of("swarm", "mib_per_s"), digits=0),
            Figure(LINK, of("swarm", "origin_link")),
        ),
    ),
    Row(
        "s3-alone",
        "1 agent, 512 MiB in S3 with 50 ms to the first byte, 400 Mbit/s",
        "bench.s3_alone",
        (),
        60,
        (
            Figure("rate / as many plain GETs at once", at("swarm_to_gets"), least=0.9),
            Figure("rate / aws s3 cp, both from start", at("swarm_to_copy"), least=0.9),
            Figure("MiB/s", at("mib_per_s", "swarm"), digits=1),
        ),
        needs_root=False,
    ),
    Row(
        "memory",
        "100,000 blocks, greatest RSS over idle",
        "bench.memory",
        (),
        100,
        (
            Figure("fetch, MiB", at("over_idle_mib", "fetch"), most=90, digits=0),
            Figure("seeder while it gives, MiB", at("over_idle_mib", "seeder, giving"), most=90, digits=0),
            Figure("seeder while it publishes, MiB", at("over_idle_mib", "seeder, publishing"), most=90, digits=0),
        ),
        needs_root=False,
        has_runs=False,
    ),
    Row(
        "limits",
        "rate limits of 1 MB/s over ten seconds: taken, given to three, read from a store",
        "bench.limits",
        (),
        45,
        (
            Figure("taken / limit", at("ratio", "download")),
            Figure("given / limit", at("ratio", "upload")),
            Figure("read / limit", at("ratio", "origin")),
            Figure("the furthest off", at("worst"), most=0.05, digits=3),
        ),
        needs_root=False,
        has_runs=False,
        is_in_table=False,
    ),
    Row(
        "startup",
        "from process start",
        "bench.startup",
        (),
        15,
        (
            Figure("fetch to ready, s", at("ready_s")),
            Figure("10 MiB from a running seeder, s", at("whole_s")),
        ),
        needs_root=False,
        has_runs=False,
        is_in_table=False,
    ),
    Row(
        "follow",
        "8 followers, 64 KiB of 32 MiB changed",
        "bench.follow",
        (),
        30,
        (
            Figure("moved → first byte asked, s", at("median_s", "asked"), most=0.5),
            Figure("first flip → last, s", at("median_s", "apart"), most=3),
        ),
        needs_root=False,
        has_runs=False,
        is_in_table=False,
    ),
    Row(
        "connection",
        "one connection, loopback",
        "bench.transport_throughput",
        _words("--mib 256 --rounds 3"),
        30,
        (Figure("our frames / a raw py-libp2p stream", at("swarm_to_raw")),),
        needs_root=False,
        has_runs=False,
        is_in_table=False,
    ),
    Row(
        "publish",
        "cut and hash from the page cache",
        "bench.publish_speed",
        (),
        90,
        (
            Figure("GB/s", lambda facts: facts["large"]["bytes_per_second"] / 1e9, least=1.5),
            Figure("unchanged, again / cutting and hashing", at("again", "ratio"), most=1.2),
        ),
        needs_root=False,
        is_in_table=False,
    ),
    Row(
        "unshaped-4gib",
        "1 consumer, 4 GiB, unshaped: as `unshaped`, in full",
        "bench.lab",
        _words(
            "--consumers 1 --mib 4096 --mbit 0 --only swarm --only aria2 --only libtorrent"
            " --block-size 64KiB --block-size 256KiB"
        ),
        240,
        _unshaped("swarm", "swarm 256KiB", "swarm 64KiB", least=300) + _unshaped("libtorrent", "aria2"),
        is_in_table=False,
    ),
    Row(
        "far-long",
        "1 consumer, 128 MiB, 50 Mbit/s, 25 ms each way, 0.1 % lost: as `far`, for as long as it takes",
        "bench.lab",
        _words("--consumers 1 --delay-ms 25 --loss 0.1 --only swarm --only http"),
        250,
        (Figure("rate / one TCP stream", over(of("swarm", "mib_per_s"), of("http", "mib_per_s")), least=0.85),),
        is_in_table=False,
    ),
)
"""In the order in which they run."""
