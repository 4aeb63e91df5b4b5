"""Whether a back end really creates an object only once: a small race, run when a store is begun.

A header being accepted proves nothing: Swift answers 412 when it is quiet, yet lets up to eight creators at once win
(measured); others ignore the condition and overwrite. Each round, several creators write different bytes under one
new key. Atomic means: in every round exactly one was told that it won, and its bytes are what is there.
"""

from __future__ import annotations

import uuid
from contextlib import suppress

import trio

from swarm.errors import SwarmError
from swarm.store._objects import CreateUnsupportedError, Objects
from swarm.store._workers import for_each
from swarm.store.layout import marker_key

ROUNDS = 8
CREATORS = 8
"""Who only ignores the condition fails in the first round; who looks and then writes would have to be lucky eight times
in a row. Costs eight round trips of a PUT, once in the life of a store."""

CLEAN_UP_S = 5.0
"""What an interrupted probe waits for its last delete."""

BODY_BYTES = 1024
"""Larger than a header, so that the write takes a moment."""


async def creates_atomically(objects: Objects) -> bool:
    """Writes under `publishing/probe-…` and removes it again."""
    run = marker_key(f"probe-{uuid.uuid4().hex}")
    for number in range(ROUNDS):
        if not await _is_won_once(objects, f"{run}-{number:02d}"):
            return False
    return True


async def _is_won_once(objects: Objects, key: str) -> bool:
    bodies = [bytes([creator]) * BODY_BYTES for creator in range(CREATORS)]
    winners: list[bytes] = []
    is_supported = True

    async def create(body: bytes) -> None:
        nonlocal is_supported
        try:
            if await objects.create(key, body):
                winners.append(body)
        except CreateUnsupportedError:
            is_supported = False

    try:
        await for_each(bodies, create, concurrency=CREATORS)
        return is_supported and winners == [bytes(await objects.get(key, max_bytes=BODY_BYTES))]
    finally:
        # What stays behind where deleting is forbidden harms nobody: it counts as a marker for a day.
        deadline = trio.current_time() + CLEAN_UP_S
        with trio.CancelScope(deadline=deadline, shield=True), suppress(SwarmError):
            await objects.delete(key)
