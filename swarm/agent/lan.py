"""Neighbours that zeroconf finds: told to the node, and asked what a tag means when nobody else is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from swarm.agent.catalog import Catalog, Question
from swarm.agent.driver import Driver
from swarm.errors import SwarmError
from swarm.exchange.events import PeersFound
from swarm.protocol import keys
from swarm.protocol.ids import PeerId
from swarm.protocol.messages import CatalogMessage, Direction, PeerInfo

if TYPE_CHECKING:
    from swarm.transport.discovery import Discovery, PeerGone, PeerSeen

ASKED_MAX = 32
"""Neighbours asked about a tag at once: a cupboard of boxes; in a hall of thousands some sample of them knows."""

ASK_TIMEOUT_S = 3.0


class Lan:
    """Keeps the list of neighbours."""

    def __init__(self, discovery: Discovery, driver: Driver, catalog: Catalog) -> None:
        self._discovery = discovery
        self._driver = driver
        self._catalog = catalog
        self._neighbours: dict[PeerId, tuple[str, ...]] = {}

    async def run(self) -> None:
        """Takes what discovery finds, for ever."""
        async for news in self._discovery:
            self._take(news)

    async def ask(self, question: Question, answered: Callable[[CatalogMessage], None]) -> None:
        """Asks every neighbour there is now, all at once; silence and refusals are no answers."""
        async with trio.open_nursery() as nursery:
            for peer_id, addresses in list(self._neighbours.items())[:ASKED_MAX]:
                nursery.start_soon(self._ask_one, peer_id, addresses, question, answered)

    def _take(self, news: PeerSeen | PeerGone) -> None:
        addresses = getattr(news, "addresses", None)
        if addresses is None:
            self._neighbours.pop(news.peer_id, None)
            return
        try:
            agent = keys.agent_id_of(keys.public_key_of(news.peer_id))
        except SwarmError:
            return  # announced by something that is no agent of ours
        self._neighbours[news.peer_id] = addresses
        self._driver.submit(PeersFound(None, (PeerInfo(agent, news.peer_id, addresses, "", False),)))

    async def _ask_one(
        self,
        peer_id: PeerId,
        addresses: tuple[str, ...],
        question: Question,
        answered: Callable[[CatalogMessage], None],
    ) -> None:
        try:
            with trio.move_on_after(ASK_TIMEOUT_S):
                connection = await self._driver.transport.dial(addresses, Direction.CONTROL, peer_id=peer_id)
                link = await self._driver.adopt(connection)
                answered(await self._catalog.ask(link, question, timeout_s=ASK_TIMEOUT_S))
                await connection.aclose("asked", is_graceful=False)
        except SwarmError:
            return  # a neighbour that cannot answer is not there
