"""What an origin is still to give: each block once in all.

An origin names the block itself, at random among those of its share that it never gave; a declined or aborted block was
never given. A block that was given and that no neighbour has been seen to hold for a while was lost with whoever got
it (died before passing it on), and is given again: otherwise a receiver and a holder that leave together would stall
the swarm for good.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from swarm.exchange.bitset import choose, full
from swarm.exchange.spreading import Spreading

if TYPE_CHECKING:
    from random import Random

REVIEW_S = 1.0
"""How often the blocks that nobody seems to hold are compared with those of the time before."""

REVIEWS = 3
"""In so many reviews in a row nobody may hold a block before it is given again: what was just sent is still being
verified and announced, and what one neighbour alone passed on to strangers comes back within a few block times."""


class Share:
    """Sets of indexes: the share, and what of it was given (offered, on its way, or arrived)."""

    def __init__(self, page_count: int, share: int) -> None:
        self.share = share
        self.given = 0
        self._pages = full(page_count)
        self.spreading = Spreading()
        self._unseen: deque[int] = deque(maxlen=REVIEWS)

    @property
    def to_give(self) -> int:
        """What was never given."""
        return self.share & ~self.given

    def name(self, useful: int, rng: Random, count: int = 1) -> int:
        """Up to `count` blocks among `useful` that were never given, as a set; pages come first, and alone."""
        candidates = self.to_give & useful
        candidates = candidates & self._pages or candidates
        named = 0
        while candidates and named.bit_count() < count:
            bit = 1 << choose(candidates, rng)
            named |= bit
            candidates &= ~bit
        return named

    def give(self, mask: int) -> None:
        """These are being given."""
        self.given |= mask

    def restart(self) -> None:
        """The last neighbour has gone, and all that is known to have been given with it: whoever comes next, perhaps
        hours later, is given everything anew and need not wait for reviews."""
        self.given = 0
        self._unseen.clear()

    def take_back(self, mask: int) -> None:
        """These were declined or aborted: never given."""
        self.given &= ~mask

    def replace(self, share: int, held: int) -> None:
        """A new share. What is new in it and held by nobody is to be given, whatever happened to it before."""
        fresh = share & ~self.share
        self.given = (self.given & ~fresh) | (fresh & held)
        self.share = share

    def review(self, *, held: int, moving: int, lacked: int) -> int:
        """Once in `REVIEW_S`: takes back what was given, is lacked, and was held by nobody for `REVIEWS` reviews.

        `held`: what any neighbour has; `moving`: what is being offered or sent now. Returns what was taken back.
        """
        self._unseen.append(self.given & self.share & ~held & ~moving & lacked)
        if len(self._unseen) < REVIEWS:
            return 0
        lost = self._unseen[0]
        for unseen in self._unseen:
            lost &= unseen
        if lost:
            self.take_back(lost)
            # What is given again is not lost at once: nobody can have said by the next review that it is there.
            self._unseen = deque((unseen & ~lost for unseen in self._unseen), maxlen=REVIEWS)
        return lost

    def check(self) -> None:
        """Raises AssertionError where what is to be given was given."""
        assert not self.to_give & self.given
        self.spreading.check()
