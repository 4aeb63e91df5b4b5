"""One version, as this agent takes part in it: what is here, what is lacking, who has and wants what, what was asked.

It keeps the facts and answers questions about them; the four conversations of the node (meeting, giving, taking,
leasing) decide what to say.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import TYPE_CHECKING

from swarm.exchange.bitset import full, mask_of
from swarm.exchange.events import SessionOpened
from swarm.exchange.ledger import Ledger
from swarm.exchange.peers import Channel, Peer
from swarm.exchange.picker import BlockOrder, Picker
from swarm.exchange.possession import Possession
from swarm.exchange.share import Share
from swarm.protocol.ids import AgentId

if TYPE_CHECKING:
    from random import Random

MEAN_OF_LONGEST = 4
"""The cutter's maximum is four times its average: the guess while no length is known."""


BANNED_MAX = 16
"""Banned holders remembered, for whoever asks why a block cannot be had: each costs a bit a block."""


class Session:
    """Facts about one version. Sets of indexes are ints (`swarm.exchange.bitset`)."""

    def __init__(
        self, opened: SessionOpened, order: BlockOrder, rng: Random, *, share: Share | None, now: float
    ) -> None:
        page_count = len(opened.page_lengths)
        self.version = opened.version
        self.page_count = page_count
        self.size = page_count + opened.block_count
        self.all = full(self.size)
        self.longest = max((opened.longest, *opened.page_lengths))
        self.is_origin = opened.is_origin
        self.reads_store = opened.reads_store
        self.have = mask_of(opened.have) & self.all
        self.want = self.all if opened.want is None else mask_of(opened.want) & self.all
        self.want_grows = opened.want_grows
        self.picker = Picker(self.size, page_count, order, rng)
        self.picker.set_lacking(self.want & ~self.have)
        self.ledger = Ledger()
        self.share = share
        self.neighbours: dict[AgentId, Peer] = {}
        self.lost = 0
        """What was here once and is not now."""
        self.unannounced = 0
        self.announced_at = float("-inf")
        self.generation = 0
        """Counts what was newly here, so that an offer in vain is repeated only when there is news."""
        self.opened_at = now
        self.gained_at = now
        """When a neighbour last got anything."""
        self.news_at = now
        """When a block was last seen to become new to anybody: patience is counted from here."""
        self.extra_degree = 0
        """Neighbours more than usual, while those there are have nothing new."""
        self.completed_at: float | None = None
        self.is_released = False
        self.banned: deque[tuple[int, str]] = deque(maxlen=BANNED_MAX)
        """What those who were banned had, and why they were."""
        self.bytes_received = 0
        self.bytes_from_store = 0
        self._lengths = array("I", bytes(4 * self.size))
        for index, length in enumerate(opened.page_lengths):
            self._lengths[index] = length
        self._known_bytes = 0
        self._known_count = 0

    # --- lengths --------------------------------------------------------------------------------

    def learn_lengths(self, first: int, lengths: tuple[int, ...]) -> None:
        """Bytes of the blocks from `first` on; what reaches out of the index space is ignored."""
        for index, length in enumerate(lengths[: self.size - first], first):
            if not self._lengths[index]:
                self._known_count += 1
                self._known_bytes += length
            self._lengths[index] = length

    def length_of(self, index: int) -> int:
        """Bytes of a block; the bound where it is not known yet."""
        return self._lengths[index] or self.longest

    @property
    def mean_length(self) -> float:
        """Bytes of a block, on average, as far as known."""
        return self._known_bytes / self._known_count if self._known_count else self.longest / MEAN_OF_LONGEST

    # --- what is here ---------------------------------------------------------------------------

    @property
    def lacks_anything(self) -> bool:
        """Whether something wanted is not here."""
        return bool(self.picker.lacking)

    def gain(self, mask: int, now: float) -> int:
        """These are here, verified; returns those that are news."""
        news = mask & ~self.have
        if news:
            self.have |= news
            self.picker.set_lacking(self.want & ~self.have)
            self.picker.unpromise(news)
            self.unannounced |= news
            self.generation += 1
            self.news_at = now
        return news

    def got(self, index: int, now: float) -> bool:
        """One block is here, verified; whether that is news."""
        bit = 1 << index
        if self.have & bit:
            return False
        self.have |= bit
        self.picker.got(index)
        self.unannounced |= bit
        self.generation += 1
        self.news_at = now
        return True

    def lose(self, mask: int) -> int:
        """These are no longer here; returns those that were. A complete session does not want them again by itself."""
        lost = mask & self.have
        self.have &= ~lost
        self.lost |= lost
        self.unannounced &= ~lost
        if self.completed_at is not None:
            self.want &= ~lost
        self.picker.set_lacking(self.want & ~self.have)
        return lost

    def change_want(self, want: int, *, grows: bool = False) -> None:
        """Replaces what is to be fetched."""
        self.want = want & self.all
        self.want_grows = grows
        self.picker.set_lacking(self.want & ~self.have)
        if self.picker.lacking:
            self.completed_at, self.is_released = None, False

    # --- neighbours -----------------------------------------------------------------------------

    def possession(self, peer: Peer) -> Possession | None:
        """What a neighbour has, if it has said so."""
        return peer.possessions.get(self.version)

    def meet(self, peer: Peer) -> Possession:
        """A neighbour has sent its bitfield (or is about to be believed to have nothing)."""
        possession = peer.possessions.get(self.version)
        if possession is None:
            possession = peer.possessions[self.version] = Possession(is_origin=peer.info.is_origin)
            self.neighbours[peer.agent] = peer
        return possession

    def peer_has(self, peer: Peer, mask: int, now: float) -> int:
        """A neighbour has these; returns those that are news of it."""
        news = self.meet(peer).gain(mask)
        if news and not peer.possessions[self.version].is_origin:
            self.picker.availability.add(news)
            self.gained_at = now
            if self.share is not None:
                self.share.give(self.share.spreading.seen(peer.agent, news, now))
            if news & ~self.have:
                self.news_at = now
        return news

    def peer_lost(self, peer: Peer, mask: int) -> None:
        """A neighbour has these no longer."""
        possession = self.possession(peer)
        if possession is not None:
            lost = possession.lose(mask)
            if not possession.is_origin:
                self.picker.availability.take_away(lost)

    def part_from(self, peer: Peer) -> None:
        """A neighbour takes no further part, or is gone."""
        self.peer_lost(peer, self.all)
        if self.share is not None:
            self.share.spreading.gone(peer.agent)
        peer.possessions.pop(self.version, None)
        self.neighbours.pop(peer.agent, None)

    def part_from_liar(self, peer: Peer, reason: str) -> None:
        """A neighbour is about to be banned."""
        possession = self.possession(peer)
        if possession is not None and possession.have:
            self.banned.append((possession.have, reason))

    def banned_holder(self, index: int) -> str | None:
        """Why somebody was banned who had a block; None where nobody was."""
        return next((reason for had, reason in reversed(self.banned) if had >> index & 1), None)

    def channel_to(self, peer: Peer) -> Channel | None:
        """The connection on which a neighbour hears our news of this version: once per pair."""
        for link in (peer.sending, peer.receiving):
            channel = link.channels.get(self.version) if link is not None else None
            if channel is not None and channel.is_met:
                return channel
        return None

    def is_complete(self, peer: Peer) -> bool:
        """Whether a neighbour has everything, and will soon have no reason to stay; origins stay."""
        possession = peer.possessions.get(self.version)
        return possession is not None and possession.have == self.all and not possession.is_origin

    def is_any_lacking(self) -> bool:
        """Whether a neighbour lacks something that we could give."""
        return any(peer.possessions[self.version].lacks & self.have for peer in self.neighbours.values())

    # --- checks ---------------------------------------------------------------------------------

    def check(self) -> None:
        """Raises AssertionError where what is kept differs from what it is derived from."""
        self.picker.check()
        self.ledger.check()
        assert not (self.have | self.want) >> self.size
        assert self.picker.lacking == self.want & ~self.have
        promised = 0
        for reception in self.ledger:
            promised |= reception.mask
        assert promised & ~self.picker.promised & self.picker.lacking == 0, "asked for and not promised"
        self._check_availability()
        if self.share is not None:
            self.share.check()

    def _check_availability(self) -> None:
        held = 0
        for agent, peer in self.neighbours.items():
            assert peer.agent == agent
            possession = peer.possessions[self.version]
            held |= 0 if possession.is_origin else possession.have
        assert held == self.picker.availability.held()
