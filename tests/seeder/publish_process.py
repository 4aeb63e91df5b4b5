"""`python -m tests.seeder.publish_process DATA STORE NAME AVERAGE`: a publish as a process, for tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import trio

from swarm.dataset.__main__ import rss_kib_max
from swarm.protocol.names import parse_reference
from swarm.seeder.publication import PublishOptions
from swarm.seeder.publish import publish
from swarm.store import open_store
from tests.seeder.producers import KEY


async def run(data: str, url: str, name: str, average: str) -> None:
    options = PublishOptions(average=int(average))
    async with open_store(url) as store:
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
