"""`make bench`: every measurement of docs/performance.md, one after the other."""

from __future__ import annotations

import subprocess
import sys

PARTS = (
    ("bench.startup",),
    ("bench.transfer", "--mib", "512", "--agents", "1"),
    ("bench.transfer", "--mib", "128", "--agents", "4"),
    ("bench.publish_speed",),
    ("bench.transport_throughput",),
)


def main() -> None:
    """Each in a process of its own, so that none measures another's leftovers."""
    for module, *words in PARTS:
        subprocess.run([sys.executable, "-m", module, *words], check=True)


if __name__ == "__main__":
    main()
