"""`swarm serve` as a function: gives what this machine holds, and does nothing else."""

from __future__ import annotations

import math
from pathlib import Path

import trio

from swarm.agent.library import open_held
from swarm.agent.notices import Level, Note, Observer, Ready
from swarm.agent.unwrapping import unwrapped
from swarm.config.configs import ServeConfig
from swarm.config.key_file import load_or_make_identity
from swarm.errors import NotFoundError
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.holdings.holdings import Holdings
from swarm.holdings.record import HoldingRecord
from swarm.service.assembly import Parts, open_parts
from swarm.service.watching import report_serving

IDENTITY_FILE = "agent.key"

LINGER_S = 10.0
"""`--linger auto`, as for a fetch."""


@unwrapped
async def serve(config: ServeConfig, observer: Observer) -> None:
    """Until cancelled, or for `linger`. Raises NotFoundError for what is not held here."""
    key = load_or_make_identity(config.identity or config.common.home / IDENTITY_FILE, "agent key")
    async with open_parts(config.common, key=key) as parts:
        records = await _chosen(parts.holdings, config.what)
        for record in records:
            await _open(parts, record, observer)
        transport = parts.agent.parts.transport
        observer.notify(Ready("serve", transport.addresses, None, transport.peer_id, None))
        released = _released(parts, len(records))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report_serving, parts.agent, observer)
            nursery.start_soon(parts.agent.driver.wait_failed)
            if config.linger is None:
                with trio.move_on_after(LINGER_S):
                    await released.wait()
            elif math.isinf(config.linger):
                await trio.sleep_forever()
            else:
                await trio.sleep(config.linger)
            nursery.cancel_scope.cancel()
        await parts.agent.leave()


async def _chosen(holdings: Holdings, what: tuple[str, ...]) -> list[HoldingRecord]:
    records = await holdings.records()
    if not what:
        return records
    chosen: list[HoldingRecord] = []
    for word in what:
        found = [record for record in records if _means(word, record)]
        if not found:
            raise NotFoundError(f"{word} is not held here", hint="`swarm ls` lists what is")
        chosen.extend(found)
    return chosen


def _means(word: str, record: HoldingRecord) -> bool:
    name = record.label.partition(":")[0]
    return word in (record.label, name) or str(Path(word).resolve()).encode() == record.directory


async def _open(parts: Parts, record: HoldingRecord, observer: Observer) -> None:
    found = await open_held(parts.holdings, record.version)
    if found is None:
        observer.notify(Note(f"{record.label}: its file list is gone; fetch it again", Level.WARNING))
        return
    event, shelf = found
    parts.agent.driver.put_shelf(record.version, shelf)
    parts.agent.driver.submit(event)


def _released(parts: Parts, count: int) -> trio.Event:
    """Set when no neighbour lacks anything of any version that is served."""
    done = trio.Event()
    seen: set[bytes] = set()

    def watch(_event: e.Event, commands: list[c.Command]) -> None:
        for command in commands:
            if isinstance(command, c.Released):
                seen.add(command.version)
                if len(seen) >= count:
                    done.set()

    parts.agent.watchers.append(watch)
    return done
