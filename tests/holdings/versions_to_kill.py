"""Two versions of some hundred files, and a fetch of the second that takes its time: for test_crash.py.

python -m tests.holdings.versions_to_kill HOME DEST [in-place]
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from swarm.holdings import Staging, in_place, open_holdings
from swarm.protocol.ids import Index
from tests.holdings.versions import keep, make, some_bytes

LARGE_OLD = make({f"d{n % 7}/f{n}": some_bytes(4_000, n) for n in range(300)}, piece=10_000)
LARGE = make({f"d{n % 7}/f{n}": some_bytes(4_000, n if n % 3 else n + 1000) for n in range(20, 500)}, piece=10_000)


PART_BYTES = 600_000
"""Of an update in place: some hundred files at a time."""


async def main(home: Path, dest: Path, is_in_place: bool) -> None:
    async with open_holdings(home) as holdings:
        await keep(holdings, LARGE)
        is_end = False
        while not is_end:
            async with holdings.stage(LARGE.version, dest, in_place=is_in_place) as staging:
                await staging.reuse()
                await _fill(staging)
                is_end = (await staging.commit()).is_end


async def _fill(staging: Staging) -> None:
    for first, count in staging.lacking:
        for index in range(first, first + count):
            await staging.write(Index(index), LARGE.block(index))
            await trio.sleep(0.02)


def take_parts() -> None:
    """As on a disk that has room for no more."""
    in_place._room = lambda *_arguments: PART_BYTES


if __name__ == "__main__":
    take_parts()
    trio.run(main, Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] == ["in-place"])
