"""Blocks that are asked for before the manifest is whole: kept in memory until their files have a place.

A large manifest takes seconds to fetch, to check and to plan with, in which the link would stand still. One of its
blocks pages is enough to know some blocks by digest and length. What comes is verified like any block, and nothing of
it reaches the disk before the whole manifest was checked and the room was told.
"""

from __future__ import annotations

from random import Random

import trio

from swarm.errors import VerificationError
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import BlockId, Index, Runs, digest
from swarm.protocol.manifest import Root
from swarm.protocol.runs import normalise
from swarm.protocol.version import TablePart

PAGE_BYTES_MIN = 2 << 20
"""Of a manifest: a smaller one is fetched, checked and planned with in a fifth of a second."""

BYTES_MAX = 32 << 20
"""In memory at most, beside a manifest that takes several times as much."""


class EarlyBlocks:
    """`chosen` of the blocks that `part` names."""

    def __init__(self, part: TablePart, chosen: list[Index]) -> None:
        self._part = part
        self._chosen = frozenset(chosen)
        self._here: dict[Index, bytes] = {}
        self._waiting: list[Index] = []
        """Of these, what nobody has begun to give a place."""

    @property
    def runs(self) -> Runs:
        """All that were chosen, whether here or not."""
        return normalise(list(self._chosen))

    def __contains__(self, index: int) -> bool:
        return index in self._chosen

    def id_of(self, index: Index) -> BlockId | None:
        """None where the part does not name it."""
        return self._part.id_of(index) if index in self._part else None

    def length_of(self, index: Index) -> int | None:
        return self._part.length_of(index) if index in self._part else None

    def read(self, index: Index) -> bytes | None:
        """What is here, as it was verified."""
        return self._here.get(index)

    @property
    def is_any_waiting(self) -> bool:
        return bool(self._waiting)

    async def check(self, index: Index, data: bytes) -> bool:
        """True; raises VerificationError where these are not the block's bytes."""
        is_right = len(data) == self.length_of(index) and await trio.to_thread.run_sync(digest, data) == self.id_of(
            index
        )
        if not is_right:
            raise VerificationError(f"block {index} has other bytes than its version says")
        return True

    def put(self, index: Index, data: bytes) -> bool:
        """Keeps verified bytes; False where they are here already."""
        if index in self._here:
            return False
        self._here[index] = data
        self._waiting.append(index)
        return True

    def take(self) -> tuple[Index, bytes] | None:
        """One that is to get a place; None where none waits. It can be read here until it is dropped."""
        index = self._waiting.pop() if self._waiting else None
        return None if index is None else (index, self._here[index])

    def drop(self, index: Index) -> None:
        """It has a place now, or needs none."""
        del self._here[index]


def page_to_begin_with(root: Root, rng: Random) -> int | None:
    """The number of the blocks page whose blocks are taken early: another for each agent, so that they have something
    for each other. None where the manifest is small."""
    if sum(ref.length for ref in (*root.blocks, *root.tree)) < PAGE_BYTES_MIN:
        return None
    numbers = [number for number, ref in enumerate(root.blocks) if ref.new_blocks]
    return rng.choice(numbers) if numbers else None


def choose(part: TablePart, unseen: Bitfield, rng: Random) -> list[Index]:
    """As many of the blocks that are not on this machine (by their place in the part) as may wait in memory."""
    places = list(unseen)
    rng.shuffle(places)
    chosen: list[Index] = []
    size = 0
    for place in places:
        size += part.lengths[place]
        if size > BYTES_MAX:
            break
        chosen.append(Index(part.first + place))
    return chosen
