"""`gc/<run>`: what a collection of garbage has condemned, when, and how far it is. Written by it, heeded here.

    {0: v = 1, 1: required, 2: time (Unix ms, the store's clock), 3: blocks (32 bytes each, ascending), 4: markers,
     5: state, 6: roots (32 bytes each, ascending), 7: collector}

`markers` are the runs under `publishing/` whose end must be awaited: what they count on must stay. A publisher takes a
condemned block for missing and writes it again, which makes it younger than its condemnation and so saves it. While a
run is being swept that would come too late, so he waits for its end instead, unless the run waits for him.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from enum import IntEnum

from swarm.errors import CorruptError, DecodeError, MissingError, RefusedError
from swarm.protocol.bounds import TIME_MS_MAX
from swarm.protocol.cbor import decode, encode
from swarm.protocol.fields import REQUIRED_KEY, Field, Schema
from swarm.protocol.forms import ArrayOf, Bytes, EnumOf, Text, Uint
from swarm.protocol.ids import DIGEST_BYTES, BlockId
from swarm.store._objects import Objects
from swarm.store.ages import SWEEP_LIFE_S
from swarm.store.layout import GC, gc_key

CONDEMNED_BYTES_MAX = 32 * 1024 * 1024
"""A million blocks; a collector that condemns more writes several objects."""

RUNS_MAX = 64
"""A collector removes its run when it is done; this many mean that something is wrong."""

MARKERS_MAX = 1024
"""Publishers at once. Those that were killed count for a day."""

MARKER_BYTES_MAX = 64
OBJECT_BYTES_MAX = 2 * CONDEMNED_BYTES_MAX + MARKERS_MAX * (MARKER_BYTES_MAX + 8)

STATE_KEY = 5


class State(IntEnum):
    """How far a run is."""

    BEGUN = 0
    """Condemned; which publishers were there then is not written yet."""
    CONDEMNED = 1
    CLAIMED = 2
    """A collector is about to delete; which publishers are to be awaited is not written yet."""
    SWEEPING = 3
    """Once the markers have gone, what is still garbage is deleted."""
    SWEPT = 4
    """It is gone. Whoever had looked before, and is still there, must hear of it."""


@dataclass(frozen=True, slots=True)
class Condemnation:
    """One `gc/<run>`; `blocks` and `roots` are ids end to end, ascending. `collector` names who sweeps it."""

    time_ms: int
    blocks: bytes
    markers: tuple[str, ...]
    state: State = State.CONDEMNED
    roots: bytes = b""
    collector: str = ""

    @property
    def is_swept_now(self) -> bool:
        return self.state in {State.CLAIMED, State.SWEEPING}

    def block_ids(self) -> Iterator[BlockId]:
        return split(self.blocks)

    def among(self, wanted: Set[BlockId]) -> set[BlockId]:
        """Which of `wanted` are condemned blocks: one pass and no second table of a million ids."""
        return {block for block in split(self.blocks) if block in wanted}

    def touches(self, wanted: Set[BlockId]) -> bool:
        """Whether any of `wanted` is among its blocks or roots."""
        return any(one in wanted for packed in (self.blocks, self.roots) for one in split(packed))


CONDEMNATION = Schema(
    "collection of garbage",
    Condemnation,
    (
        Field(2, "time_ms", Uint(TIME_MS_MAX)),
        Field(3, "blocks", Bytes(CONDEMNED_BYTES_MAX)),
        Field(4, "markers", ArrayOf(Text(MARKER_BYTES_MAX), MARKERS_MAX)),
        Field(STATE_KEY, "state", EnumOf(State), State.CONDEMNED),
        Field(6, "roots", Bytes(CONDEMNED_BYTES_MAX), b""),
        Field(7, "collector", Text(MARKER_BYTES_MAX), ""),
    ),
    v=1,
)


@dataclass(frozen=True, slots=True)
class Run:
    """A condemnation where it lies: its name under `gc/`, and when it was written last by the store's clock."""

    name: str
    modified_s: float
    condemnation: Condemnation


def split(packed: bytes) -> Iterator[BlockId]:
    """Ids that lie end to end."""
    for start in range(0, len(packed), DIGEST_BYTES):
        yield BlockId(packed[start : start + DIGEST_BYTES])


def encode_condemnation(condemnation: Condemnation) -> bytes:
    entries = CONDEMNATION.write(condemnation)
    if condemnation.is_swept_now:
        entries[REQUIRED_KEY] = [STATE_KEY]  # who does not know that he must wait must not go on
    return encode(entries)


def decode_condemnation(data: bytes) -> Condemnation:
    """Raises DecodeError, also for what a newer version wrote."""
    condemnation = CONDEMNATION.read(decode(data, max_bytes=OBJECT_BYTES_MAX))
    if len(condemnation.blocks) % DIGEST_BYTES or len(condemnation.roots) % DIGEST_BYTES:
        raise DecodeError("collection of garbage: not a whole number of blocks")
    return condemnation


async def load_runs(objects: Objects) -> list[Run]:
    """Every run there is, in the order of their names. Raises RefusedError (too many), CorruptError."""
    page = await objects.list_page(GC)
    if len(page.objects) > RUNS_MAX:
        # To leave some out would be to count on blocks that may be deleted tomorrow.
        raise RefusedError(f"{objects.url} has more than {RUNS_MAX} collections of garbage under {GC}", hint="end them")
    found = [await _load(objects, listed.key, listed.modified_s) for listed in page.objects]
    return [run for run in found if run is not None]


async def condemn(objects: Objects, run: str, condemnation: Condemnation) -> None:
    """Writes a run. For the collector, and for tests of those who heed it."""
    await objects.put(gc_key(run), encode_condemnation(condemnation))


def in_the_way(runs: list[Run], wanted: Set[BlockId], marker: str | None, now_s: float) -> list[Run]:
    """The runs that are being swept, concern `wanted`, and do not wait for the publisher of `marker`."""
    return [
        run
        for run in runs
        if run.condemnation.is_swept_now
        and now_s - run.modified_s < SWEEP_LIFE_S
        and not (run.condemnation.state is State.SWEEPING and marker in run.condemnation.markers)
        and run.condemnation.touches(wanted)
    ]


async def _load(objects: Objects, key: str, modified_s: float) -> Run | None:
    try:
        data = bytes(await objects.get(key, max_bytes=OBJECT_BYTES_MAX))
        return Run(key.removeprefix(GC), modified_s, decode_condemnation(data))
    except MissingError:  # the collection ended between the two requests
        return None
    except DecodeError as error:
        raise CorruptError(f"{key} in {objects.url} cannot be used: {error.message}", hint=error.hint) from error


def with_state(condemnation: Condemnation, state: State, markers: tuple[str, ...]) -> Condemnation:
    """The same run, further on."""
    return replace(condemnation, state=state, markers=markers)
