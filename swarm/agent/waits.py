"""Why a fetch does not move: what the node says of each block, and what only its driver knows.

The node knows of promises, leases and neighbours; the driver of rate limits that hold bytes up, of a disk that takes
none, and of what the store and the tracker said last. Read-only, for people and scripts.
"""

from __future__ import annotations

from dataclasses import replace

from swarm.agent.agent import Agent
from swarm.agent.catalog import ANSWER_TIMEOUT_S
from swarm.agent.pacing import QUANTUM_BYTES, Limits
from swarm.agent.tracker_link import DIAL_TIMEOUT_S, FIND_TIMEOUT_S
from swarm.exchange.wait import Wait, WaitKind, merged
from swarm.protocol.ids import VersionId

Waits = tuple[tuple[Wait, int], ...]
"""One wait of each kind, the longest first, with the number of blocks."""

DISK_S = 2.0
"""A disk that has taken nothing for so long is what blocks wait for that are on their way."""

SOURCELESS_S = 60.0
"""With neither a neighbour nor a tracker nor a store that answers for so long, the fetch ends: nothing will come."""

ON_THEIR_WAY = (WaitKind.MOVING, WaitKind.PROMISED, WaitKind.READING)
OF_STORE = (WaitKind.READING, WaitKind.PAUSE, WaitKind.FAILED, WaitKind.OWN, WaitKind.LEASE)
OF_TRACKER = (WaitKind.TRACKER, WaitKind.LACKED, WaitKind.ALONE)


def waits_of(agent: Agent, version: VersionId, now: float, *, sourceless_s: float = 0.0) -> Waits:
    """What the blocks that a version lacks wait for. `sourceless_s`: for so long there has been nobody to ask."""
    found = agent.driver.node.waits(version, now)
    waits = [(_told_more(agent, _explained(agent, wait, now)), blocks) for wait, blocks in found]
    return merged([(_with_an_end(wait, sourceless_s), blocks) for wait, blocks in waits])


def _explained(agent: Agent, wait: Wait, now: float) -> Wait:
    """What has come or could come at once is held up here, if it is."""
    if wait.kind not in ON_THEIR_WAY:
        return wait
    driver = agent.driver
    if (limit := _limit(driver.limits)) is not None:
        name, rate = limit
        # A read from the store waits for its whole block, what peers send for a frame at most.
        bound_s = max([QUANTUM_BYTES, *_read_lengths(agent)]) / rate
        what = f"held to --{name} ({rate:.0f} bytes a second); nothing came"
        return Wait(WaitKind.LIMIT, what, wait.since_s, bound_s, f"the limit lets something pass every {bound_s:.1f} s")
    idle_s = driver.links.backlog.idle_s(now)
    if idle_s >= DISK_S and wait.kind is not WaitKind.READING:
        count = driver.links.backlog.bytes
        what = f"{count} bytes that have come wait for the disk, which has taken nothing"
        return Wait(WaitKind.DISK, what, idle_s, None, "nothing else can be tried: look at the disk of the destination")
    return wait


def _read_lengths(agent: Agent) -> list[int]:
    """Of the blocks that are being read from the store."""
    reads = [(agent.driver.shelves.find(version), index) for version, index, _ in agent.driver.store_reads.progress()]
    return [length for shelf, index in reads if shelf is not None and (length := shelf.length_of(index)) is not None]


def _limit(limits: Limits) -> tuple[str, float] | None:
    for name, pacer in (("origin-limit", limits.origin), ("download-limit", limits.download)):
        if pacer.is_holding and pacer.rate is not None:
            return name, pacer.rate
    return None


def _told_more(agent: Agent, wait: Wait) -> Wait:
    trouble = agent.driver.store_reads.trouble
    if wait.kind in OF_STORE and trouble is not None:
        return replace(wait, then=_joined(wait.then, f"the store: {trouble.message}"))
    if wait.kind in OF_TRACKER and agent.tracker.is_configured and agent.tracker.link is None:
        return replace(wait, then=_joined(wait.then, f"the tracker: {agent.tracker.why_not()}"))
    return wait


def _with_an_end(wait: Wait, sourceless_s: float) -> Wait:
    if not sourceless_s:
        return wait
    then = _joined(
        wait.then, f"with nobody to ask the fetch ends after {SOURCELESS_S:g} s, of which {sourceless_s:.0f} s are over"
    )
    return replace(wait, then=then, bound_s=wait.bound_s or SOURCELESS_S)


def waits_of_asking(agent: Agent, now: float) -> Waits:
    """The same while a name, a tag or a root is asked for: there are no blocks yet."""
    found: list[tuple[Wait, int]] = []
    for source, since in agent.resolver.asking.longest().items():
        ask = _of_tracker if source == "tracker" else _of_store
        found.append((ask(agent, now - since), 0))
    return tuple(found)


def _of_tracker(agent: Agent, since_s: float) -> Wait:
    if agent.tracker.link is not None:
        then = f"it is done without after {ANSWER_TIMEOUT_S:g} s"
        return Wait(WaitKind.TRACKER, "the tracker has not answered", since_s, ANSWER_TIMEOUT_S, then)
    bound_s = (FIND_TIMEOUT_S + DIAL_TIMEOUT_S) * len(agent.parts.trackers)
    then = f"it is done without when each address was tried, after {bound_s:g} s"
    tried = agent.tracker.failures
    what = f"no tracker can be reached ({agent.tracker.why_not()})" if tried else "no tracker has answered"
    return Wait(WaitKind.TRACKER, what, since_s, bound_s, then)


def _of_store(agent: Agent, since_s: float) -> Wait:
    trouble = agent.driver.store_reads.trouble
    then = "its own time-outs end this" + (f"; it said last: {trouble.message}" if trouble is not None else "")
    return Wait(WaitKind.READING, "the store has not answered", since_s, None, then)


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
