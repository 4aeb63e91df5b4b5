"""What a connection carries: two processes on loopback, our frames beside a raw py-libp2p stream and plain TCP.

    python bench/transport_throughput.py [--mib 512] [--rounds 3] [--json]

The kinds take turns within each round, so that a machine that slows down slows all of them; the median is printed and
the ratio to the raw stream. Absolute numbers mean little on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

KINDS = ("swarm", "raw", "tcp")
PEER = Path(__file__).with_name("transport_peer.py")
TIMEOUT_S = 120


class Run(NamedTuple):
    """One transfer."""

    mib_per_s: float
    send_cpu_ms: float
    """Per MiB."""
    receive_cpu_ms: float


def measure(kind: str, mib: int) -> Run:
    """One transfer between two fresh processes."""
    # -P: a module beside the script must not hide a library's of the same name.
    command = [sys.executable, "-P", str(PEER), kind]
    with subprocess.Popen([*command, "send", str(mib)], stdout=subprocess.PIPE, text=True) as sender:
        address = sender.stdout.readline().strip()
        receiver = subprocess.run(
            [*command, "receive", str(mib), address], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
        sent, _ = sender.communicate(timeout=TIMEOUT_S)
    seconds, receive_cpu = map(float, receiver.stdout.split()[-2:])
    return Run(mib / seconds, 1000 * float(sent.split()[-1]) / mib, 1000 * receive_cpu / mib)


def median(runs: list[Run]) -> Run:
    return Run(*(statistics.median(column) for column in zip(*runs, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    runs = {kind: [] for kind in KINDS}
    for _ in range(options.rounds):
        for kind in KINDS:
            runs[kind].append(measure(kind, options.mib))
    medians = {kind: median(taken) for kind, taken in runs.items()}
    ratio = medians["swarm"].mib_per_s / medians["raw"].mib_per_s
    if options.json:
        rows = {kind: run._asdict() for kind, run in medians.items()}
        print(json.dumps({"mib": options.mib, "medians": rows, "swarm_to_raw": ratio}))
        return
    for kind, run in medians.items():
        rates = ", ".join(f"{one.mib_per_s:.0f}" for one in runs[kind])
        cpu = f"CPU ms per MiB: sender {run.send_cpu_ms:.2f}, receiver {run.receive_cpu_ms:.2f}"
        print(f"{kind:6} {run.mib_per_s:7.0f} MiB/s   {cpu}   ({rates})")
    print(f"swarm / raw py-libp2p stream: {ratio:.2f}")


if __name__ == "__main__":
    main()
