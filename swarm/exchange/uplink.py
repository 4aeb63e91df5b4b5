"""This agent's upload slots: offers that wait for an answer, and blocks being sent.

A slot that will be free within a round trip counts as free, so that the answer to its next offer is there in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swarm.exchange.config import OFFER_S, STALLED_SEND_S
from swarm.exchange.peers import Channel
from swarm.exchange.rates import Occupancy
from swarm.protocol.ids import ConnectionId

EXPIRED_MAX = 64
"""Offers that expired and may still be taken up: late answers of a slow neighbour are honoured."""


@dataclass(slots=True, eq=False)
class Offer:
    """READY was sent. `named`: the blocks that an origin names (a set of indexes)."""

    grant: int
    channel: Channel
    named: int | None
    made_at: float


@dataclass(slots=True, eq=False)
class Sending:
    """A request that is being served. `lengths`: the blocks still to be sent."""

    request: int
    channel: Channel
    lengths: dict[int, int]
    started_at: float
    moved_at: float
    left: int
    """Bytes still to go, as far as reported."""
    total: int
    due: float = float("inf")
    """When the last byte will have gone, as of the last report; infinite while nothing is known of the pace."""

    @property
    def mask(self) -> int:
        """The blocks still to be sent."""
        mask = 0
        for index in self.lengths:
            mask |= 1 << index
        return mask

    def look_ahead(self) -> None:
        """Reckons `due` anew."""
        self.due = self.channel.link.pace.ends_at(self.started_at, self.moved_at, self.total, self.left)


class Uplink:
    """Offers and sendings, by grant and by (connection, request)."""

    def __init__(self) -> None:
        self.offers: dict[int, Offer] = {}
        self.expired: dict[int, Offer] = {}
        self.sendings: dict[tuple[ConnectionId, int], Sending] = {}
        self.occupancy = Occupancy()
        self._next_grant = 0

    def taken(self, now: float, lead_s: float) -> int:
        """Slots in use: what ends within `lead_s` no longer counts."""
        soon = now + lead_s
        taken = len(self.offers)
        for sending in self.sendings.values():
            if sending.due > soon:
                taken += 1
        return taken

    def next_end(self, now: float, lead_s: float) -> float:
        """When the next sending will be about to end; infinite where nothing is known of that."""
        first = float("inf")
        for sending in self.sendings.values():
            end = sending.due - lead_s
            if now < end < first:
                first = end
        return first

    def offer(self, channel: Channel, named: int | None, now: float) -> Offer:
        """READY is being sent."""
        offer = Offer(self._next_grant, channel, named, now)
        self._next_grant += 1
        self.offers[offer.grant] = offer
        channel.link.offers += 1
        return offer

    def answer(self, grant: int, connection: ConnectionId) -> Offer | None:
        """Takes the offer that was answered out of the table; None where there is none on that connection."""
        offer = self.offers.get(grant) or self.expired.get(grant)
        if offer is None or offer.channel.link.id != connection:
            return None
        if self.offers.pop(grant, None) is not None:
            offer.channel.link.offers -= 1
        self.expired.pop(grant, None)
        return offer

    def was_made(self, grant: int) -> bool:
        """Whether such an offer was ever made: its answer may have crossed our withdrawal."""
        return grant < self._next_grant

    def expire(self, now: float) -> list[Offer]:
        """Frees the slots of offers that nobody answered."""
        late = [offer for offer in self.offers.values() if now - offer.made_at >= OFFER_S]
        for offer in late:
            self._withdraw(offer)
            self.expired[offer.grant] = offer
        while len(self.expired) > EXPIRED_MAX:
            del self.expired[next(iter(self.expired))]
        return late

    def _withdraw(self, offer: Offer) -> None:
        del self.offers[offer.grant]
        offer.channel.link.offers -= 1

    def start(self, request: int, channel: Channel, lengths: dict[int, int], now: float) -> Sending:
        """A request binds a slot."""
        total = sum(lengths.values())
        sending = Sending(request, channel, lengths, now, now, total, total)
        sending.look_ahead()
        self.sendings[channel.link.id, request] = sending
        channel.sending |= sending.mask
        self.occupancy.change(len(self.sendings), now)
        return sending

    def moved(self, connection: ConnectionId, request: int, count: int, now: float) -> None:
        """Bytes went out."""
        if sending := self.sendings.get((connection, request)):
            sending.left = max(0, sending.left - count)
            sending.moved_at = now
            sending.look_ahead()

    def settle(self, sending: Sending, index: int, now: float, *, is_sent: bool) -> None:
        """A block was sent, or will not be."""
        if sending.lengths.pop(index, None) is not None:
            sending.channel.sending &= ~(1 << index)
        if sending.lengths:
            return
        self.sendings.pop((sending.channel.link.id, sending.request), None)
        self.occupancy.change(len(self.sendings), now)
        if is_sent:
            sending.channel.link.pace.note(sending.total, now - sending.started_at)

    def stalled(self, now: float) -> list[Sending]:
        """Sendings that no byte left for too long."""
        return [sending for sending in self.sendings.values() if now - sending.moved_at >= STALLED_SEND_S]

    def drop(self, channels: list[Channel], now: float) -> tuple[list[Offer], list[Sending]]:
        """Connections or versions are gone: their offers and sendings with them."""
        offers = [offer for offer in self._all_offers() if offer.channel in channels]
        for offer in offers:
            self.answer(offer.grant, offer.channel.link.id)
        sendings = [sending for sending in self.sendings.values() if sending.channel in channels]
        for sending in sendings:
            del self.sendings[sending.channel.link.id, sending.request]
            sending.channel.sending = 0
        self.occupancy.change(len(self.sendings), now)
        return offers, sendings

    def _all_offers(self) -> Iterator[Offer]:
        yield from self.offers.values()
        yield from self.expired.values()

    def check(self) -> None:
        """Raises AssertionError where the tables contradict each other."""
        by_link: dict[ConnectionId, int] = {}
        for offer in self.offers.values():
            by_link[offer.channel.link.id] = by_link.get(offer.channel.link.id, 0) + 1
        for offer in self.offers.values():
            assert offer.channel.link.offers == by_link[offer.channel.link.id]
        for (connection, request), sending in self.sendings.items():
            assert (sending.channel.link.id, sending.request) == (connection, request)
            assert sending.lengths
            assert sending.channel.sending & sending.mask == sending.mask
        assert not set(self.offers) & set(self.expired)
