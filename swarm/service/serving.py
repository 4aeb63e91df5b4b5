"""`swarm serve` as a function: gives what this machine holds, and does nothing else."""

from __future__ import annotations

from pathlib import Path

import trio

from swarm.agent.agent import Agent
from swarm.agent.held_names import held_as
from swarm.agent.library import open_held
from swarm.agent.notices import Level, Note, Observer, Ready
from swarm.agent.unwrapping import unwrapped
from swarm.config.configs import ServeConfig
from swarm.config.key_file import load_or_make_identity
from swarm.holdings.holdings import Holdings
from swarm.holdings.oserror import real
from swarm.holdings.record import HoldingRecord
from swarm.service.assembly import Parts, open_parts
from swarm.service.watching import report_serving

IDENTITY_FILE = "agent.key"

LINGER_S = 10.0
"""`--linger auto`: at most, as for a fetch."""

FOUND_S = 3.0
"""A tracker's hand-out or zeroconf, a dial, an answer: before that nobody can have asked for anything."""

IDLE_S = 2.0
"""Nothing given for so long: the neighbours have what they wanted."""

LOOK_S = 0.25


@unwrapped
async def serve(config: ServeConfig, observer: Observer) -> None:
    """Until cancelled, or for `linger`. Raises NotFoundError for what is not held here,
    UsageError for a word that is no name either."""
    key = load_or_make_identity(config.identity or config.common.home / IDENTITY_FILE, "agent key")
    async with open_parts(config.common, key=key) as parts:
        records = await _chosen(parts.holdings, config.what)
        if not records:
            observer.notify(Note("nothing is held here yet; what is fetched meanwhile will be given", Level.WARNING))
        for record in records:
            await _open(parts, record, observer)
        transport = parts.agent.parts.transport
        observer.notify(Ready("serve", transport.addresses, None, transport.peer_id, None))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report_serving, parts.agent, observer)
            await _linger(parts.agent, config.linger)
            nursery.cancel_scope.cancel()
        await parts.agent.leave()


async def _linger(agent: Agent, linger_s: float | None) -> None:
    """None: until nothing has been given for a while, but not before the neighbours can have found this agent."""
    if linger_s is not None:
        await trio.sleep(linger_s)  # which may be infinite
        return
    with trio.move_on_after(LINGER_S):
        await trio.sleep(FOUND_S)
        busy_at = trio.current_time()
        while trio.current_time() - busy_at < IDLE_S:
            if agent.driver.node.statistics().sending:
                busy_at = trio.current_time()
            await trio.sleep(LOOK_S)


async def _chosen(holdings: Holdings, what: tuple[str, ...]) -> list[HoldingRecord]:
    records = await holdings.records()
    if not what:
        return records
    chosen: list[HoldingRecord] = []
    for word in what:
        found = held_as(word, real(Path(word)), records)
        chosen.extend(record for record in found if record not in chosen)
    return chosen


async def _open(parts: Parts, record: HoldingRecord, observer: Observer) -> None:
    found = await open_held(parts.holdings, record.version)
    if found is None:
        observer.notify(Note(f"{record.label}: its file list is gone; fetch it again", Level.WARNING))
        return
    parts.agent.driver.shelves.open(*found)
