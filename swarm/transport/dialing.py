"""Several addresses of one peer: who answers first, encrypted and as the right one, is taken; the others are dropped.

A peer announces every interface it has, and many lead nowhere from here (containers, VPNs, other sites), so they are
tried a moment apart and not one after the other's time-out. After RFC 8305.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

from swarm.errors import SwarmError, TransportError
from swarm.protocol.bounds import ADDRESSES_MAX
from swarm.protocol.ids import PeerId
from swarm.transport.addresses import Endpoint, parse
from swarm.transport.tcp_stream import TcpStream

STAGGER_S = 0.25
"""RFC 8305's advice: a good address answers within this on most networks."""

CONNECT_S = 10.0
"""For one address, to an encrypted session: a tracker in the storm of a fleet's boot may take seconds."""

Session = TypeVar("Session")
Upgrade = Callable[[TcpStream, "PeerId | None"], Awaitable[Session]]


async def connect_first(addresses: tuple[str, ...], peer_id: PeerId | None, upgrade: Upgrade[Session]) -> Session:
    """The first session that `upgrade` makes of a connection. Raises TransportError with the reason of each address."""
    race = _Race(peer_id, upgrade)
    async with trio.open_nursery() as nursery:
        for address in addresses[:ADDRESSES_MAX]:
            is_over = trio.Event()
            nursery.start_soon(race.run, address, is_over, nursery.cancel_scope)
            with trio.move_on_after(STAGGER_S):
                await is_over.wait()
    if race.winner is None:
        reasons = "; ".join(race.reasons) or "no address is known"
        raise TransportError(f"cannot reach {peer_id or 'the peer'}: {reasons}")
    return race.winner


class _Race(Generic[Session]):
    """Attempts that run at once, of which at most one wins."""

    def __init__(self, peer_id: PeerId | None, upgrade: Upgrade[Session]) -> None:
        self.winner: Session | None = None
        self.reasons: list[str] = []
        self._peer_id = peer_id
        self._upgrade = upgrade

    async def run(self, address: str, is_over: trio.Event, scope: trio.CancelScope) -> None:
        try:
            with trio.move_on_after(CONNECT_S) as limit:
                await self._connect(parse(address))
                scope.cancel()
            if limit.cancelled_caught:
                self.reasons.append(f"{address}: no answer within {CONNECT_S:.0f} s")
        except (SwarmError, OSError, ValueError) as error:  # ValueError: a host name that cannot be one
            self.reasons.append(f"{address}: {_reason(error)}")
        is_over.set()

    async def _connect(self, endpoint: Endpoint) -> None:
        expected = self._peer_id or endpoint.peer_id
        if endpoint.peer_id not in (None, expected):
            raise TransportError(f"the address is of {endpoint.peer_id}")
        tcp = TcpStream(await trio.open_tcp_stream(endpoint.host, endpoint.port), is_initiator=True)
        is_taken = False
        try:
            session = await self._upgrade(tcp, expected)
            if self.winner is None:
                self.winner, is_taken = session, True
        finally:
            if not is_taken:
                tcp.abort()


def _reason(error: SwarmError | OSError | ValueError) -> str:
    if isinstance(error, SwarmError):
        return error.message
    if isinstance(error, ValueError):
        return "no such host"
    # trio says that all attempts failed; why each did is in a group behind it.
    cause = error.__cause__
    inner = cause.exceptions[-1] if isinstance(cause, ExceptionGroup) else error
    number = inner.errno if isinstance(inner, OSError) else None
    return os.strerror(number).lower() if number and number > 0 else str(inner)
