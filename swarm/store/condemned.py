"""`gc/<run>`: which blocks a collection of garbage has condemned, and when. Written by the collector, heeded here.

    {0: v = 1, 1: required, 2: time (Unix ms, the store's clock), 3: blocks (32 bytes each, ascending), 4: markers}

`markers` are the runs under `publishing/` that were live then: what they may have counted on must stay. A publisher
takes a condemned block for missing and writes it again, which makes it younger than its condemnation and so saves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swarm.errors import CorruptError, DecodeError, MissingError, RefusedError
from swarm.protocol.bounds import TIME_MS_MAX
from swarm.protocol.cbor import decode, encode
from swarm.protocol.fields import Field, Schema
from swarm.protocol.forms import ArrayOf, Bytes, Text, Uint
from swarm.protocol.ids import DIGEST_BYTES, BlockId
from swarm.store._objects import Objects
from swarm.store.layout import GC, gc_key

CONDEMNED_BYTES_MAX = 32 * 1024 * 1024
"""A million blocks; a collector that condemns more writes several objects."""

RUNS_MAX = 64
"""A collector removes its run when it is done; this many mean that something is wrong."""

MARKERS_MAX = 1024
"""Publishers at once. Those that were killed count for a day."""

MARKER_BYTES_MAX = 64
OBJECT_BYTES_MAX = CONDEMNED_BYTES_MAX + MARKERS_MAX * (MARKER_BYTES_MAX + 8)


@dataclass(frozen=True, slots=True)
class Condemnation:
    """One `gc/<run>`; `blocks` are ids end to end, ascending."""

    time_ms: int
    blocks: bytes
    markers: tuple[str, ...]

    def block_ids(self) -> Iterator[BlockId]:
        for start in range(0, len(self.blocks), DIGEST_BYTES):
            yield BlockId(self.blocks[start : start + DIGEST_BYTES])


CONDEMNATION = Schema(
    "collection of garbage",
    Condemnation,
    (
        Field(2, "time_ms", Uint(TIME_MS_MAX)),
        Field(3, "blocks", Bytes(CONDEMNED_BYTES_MAX)),
        Field(4, "markers", ArrayOf(Text(MARKER_BYTES_MAX), MARKERS_MAX)),
    ),
    v=1,
)


def encode_condemnation(condemnation: Condemnation) -> bytes:
    return encode(CONDEMNATION.write(condemnation))


def decode_condemnation(data: bytes) -> Condemnation:
    """Raises DecodeError, also for what a newer version wrote."""
    condemnation = CONDEMNATION.read(decode(data, max_bytes=OBJECT_BYTES_MAX))
    if len(condemnation.blocks) % DIGEST_BYTES:
        raise DecodeError("collection of garbage: not a whole number of blocks")
    return condemnation


async def load_condemned(objects: Objects) -> dict[BlockId, int]:
    """Every block that a run condemned, with the time (Unix ms) of the last to do so."""
    page = await objects.list_page(GC)
    if len(page.objects) > RUNS_MAX:
        # To leave some out would be to count on blocks that may be deleted tomorrow.
        raise RefusedError(f"{objects.url} has more than {RUNS_MAX} collections of garbage under {GC}", hint="end them")
    condemned: dict[BlockId, int] = {}
    for listed in page.objects:
        run = await _load(objects, listed.key)
        condemned.update((block, max(run.time_ms, condemned.get(block, 0))) for block in run.block_ids())
    return condemned


async def condemn(objects: Objects, run: str, condemnation: Condemnation) -> None:
    """For the collector, and for tests of those who heed it."""
    await objects.put(gc_key(run), encode_condemnation(condemnation))


async def _load(objects: Objects, key: str) -> Condemnation:
    try:
        return decode_condemnation(bytes(await objects.get(key, max_bytes=OBJECT_BYTES_MAX)))
    except MissingError:  # the collection ended between the two requests
        return Condemnation(0, b"", ())
    except DecodeError as error:
        raise CorruptError(f"{key} in {objects.url} cannot be used: {error.message}", hint=error.hint) from error
