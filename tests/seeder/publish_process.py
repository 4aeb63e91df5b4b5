"""`python -m tests.seeder.publish_process DATA STORE NAME AVERAGE [BLOCKS]`: a publish as a process, for tests.

With BLOCKS it is killed when it has written so many and is about to write one more, in the midst of others.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import trio

from swarm.dataset.__main__ import rss_kib_max
from swarm.protocol.names import parse_reference
from swarm.seeder.publication import PublishOptions
from swarm.seeder.publish import publish
from swarm.store import Store, open_store
from tests.seeder.producers import KEY


def kill_after(blocks: int, store: Store) -> None:
    put, whole = store.put_block, 0

    async def put_or_die(*arguments: Any, **options: Any) -> bool:
        nonlocal whole
        if whole >= blocks:
            os.kill(os.getpid(), signal.SIGKILL)
        is_new = await put(*arguments, **options)
        whole += 1
        return is_new

    store.put_block = put_or_die  # type: ignore[method-assign]


async def run(data: str, url: str, name: str, average: str, *blocks: str) -> None:
    options = PublishOptions(average=int(average))
    async with open_store(url) as store:
        if blocks:
            kill_after(int(blocks[0]), store)
        published = await publish(Path(data), [parse_reference(name)], store=store, key=KEY, options=options)
    facts = {
        "version": published.version.id.hex(),
        "files": len(published.version.entries),
        "blocks": len(published.version.block_ids),
        "blocks_new": published.blocks_new,
        "rss_kib_max": rss_kib_max(),
        "seconds": published.seconds,
    }
    print(json.dumps(facts))  # noqa: T201


if __name__ == "__main__":
    trio.run(run, *sys.argv[1:])
