"""Neighbours that zeroconf finds: told to the node, and asked what a tag means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from swarm.agent.catalog import Catalog, Question
from swarm.agent.driver import Driver
from swarm.agent.link import Link
from swarm.errors import SwarmError
from swarm.exchange.events import PeersFound
from swarm.protocol import keys
from swarm.protocol.ids import PeerId
from swarm.protocol.messages import CatalogMessage, Direction, PeerInfo
from swarm.transport.discovery import PeerGone

if TYPE_CHECKING:
    from swarm.transport.discovery import Discovery, PeerSeen

ASKED_MAX = 32
"""Neighbours asked one question: a cupboard of boxes; in a hall of thousands some sample of them knows."""

SEEN_MAX = 4096
"""Neighbours remembered for the receipt, also those that have gone."""

ASK_TIMEOUT_S = 3.0
"""For a dial and an answer: a neighbour is near."""


Follow = Callable[[Link, CatalogMessage], Awaitable[CatalogMessage]]


class Lan:
    """Keeps the list of neighbours."""

    def __init__(self, discovery: Discovery, driver: Driver, catalog: Catalog) -> None:
        self._discovery = discovery
        self._driver = driver
        self._catalog = catalog
        self._neighbours: dict[PeerId, tuple[str, ...]] = {}
        self._seen: dict[PeerId, None] = {}
        self._found = trio.Event()

    def has_seen(self, peer_id: PeerId) -> bool:
        """Whether somebody is, or was, announced on this network."""
        return peer_id in self._seen

    async def run(self) -> None:
        """Takes what discovery finds, for ever."""
        async for news in self._discovery:
            self._take(news)

    async def ask(
        self, question: Question, answered: Callable[[CatalogMessage], None], *, follow: Follow | None = None
    ) -> None:
        """Asks each neighbour once, those that are found later too, until cancelled; silence is no answer.

        `follow` may ask the same neighbour more before its answer counts.
        """
        asked: set[PeerId] = set()
        async with trio.open_nursery() as nursery:
            while True:
                for peer_id, addresses in self._neighbours.items():
                    if peer_id not in asked and len(asked) < ASKED_MAX:
                        asked.add(peer_id)
                        nursery.start_soon(self._ask_one, peer_id, addresses, question, answered, follow)
                await self._found.wait()

    def _take(self, news: PeerSeen | PeerGone) -> None:
        if isinstance(news, PeerGone):
            self._neighbours.pop(news.peer_id, None)
            return
        try:
            agent = keys.agent_id_of(keys.public_key_of(news.peer_id))
        except SwarmError:
            return  # announced by something that is no agent of ours
        self._neighbours[news.peer_id] = news.addresses
        if len(self._seen) < SEEN_MAX:
            self._seen[news.peer_id] = None
        self._found.set()
        self._found = trio.Event()
        self._driver.submit(PeersFound(None, (PeerInfo(agent, news.peer_id, news.addresses, "", False),)))

    async def _ask_one(
        self,
        peer_id: PeerId,
        addresses: tuple[str, ...],
        question: Question,
        answered: Callable[[CatalogMessage], None],
        follow: Follow | None,
    ) -> None:
        with trio.move_on_after(ASK_TIMEOUT_S):
            try:
                connection = await self._driver.transport.dial(addresses, Direction.CONTROL, peer_id=peer_id)
                link = await self._driver.adopt(connection)
            except SwarmError:
                return  # a neighbour that cannot be reached is not there
            try:
                answer = await self._catalog.ask(link, question, timeout_s=ASK_TIMEOUT_S)
                answered(answer if follow is None else await follow(link, answer))
            except SwarmError:
                return  # as is one that cannot answer
            finally:
                link.break_off("that was all")
