"""Two versions of some hundred files, and a fetch of the second that takes its time: for test_crash.py.

python -m tests.holdings.versions_to_kill HOME DEST
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from swarm.holdings import open_holdings
from swarm.protocol.ids import Index
from tests.holdings.versions import keep, make, some_bytes

LARGE_OLD = make({f"d{n % 7}/f{n}": some_bytes(4_000, n) for n in range(300)}, piece=10_000)
LARGE = make({f"d{n % 7}/f{n}": some_bytes(4_000, n if n % 3 else n + 1000) for n in range(20, 500)}, piece=10_000)


async def main(home: Path, dest: Path) -> None:
    async with open_holdings(home) as holdings:
        await keep(holdings, LARGE)
        async with holdings.stage(LARGE.version, dest) as staging:
            await staging.reuse()
            for first, count in staging.lacking:
                for index in range(first, first + count):
                    await staging.write(Index(index), LARGE.block(index))
                    await trio.sleep(0.02)
            await staging.commit()


if __name__ == "__main__":
    trio.run(main, *map(Path, sys.argv[1:]))
