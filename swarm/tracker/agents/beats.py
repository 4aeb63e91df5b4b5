"""To whom a sign of life is due. Ordered by the last message, so that a tick costs only what is due."""

from __future__ import annotations

from collections import OrderedDict

from swarm.exchange.liveness import SILENCE_S
from swarm.protocol.ids import ConnectionId


class Beats:
    """When each connection was last spoken to."""

    def __init__(self) -> None:
        self._spoke: OrderedDict[ConnectionId, float] = OrderedDict()

    def spoke(self, connection: ConnectionId, now: float) -> None:
        """Something is sent to a connection that is watched, or one begins to be."""
        self._spoke[connection] = now
        self._spoke.move_to_end(connection)

    def knows(self, connection: ConnectionId) -> bool:
        return connection in self._spoke

    def remove(self, connection: ConnectionId) -> None:
        self._spoke.pop(connection, None)

    def due(self, now: float) -> list[ConnectionId]:
        """Connections that have heard nothing for `SILENCE_S`, the longest first."""
        found = []
        for connection, spoke_at in self._spoke.items():
            if spoke_at + SILENCE_S > now:
                break
            found.append(connection)
        return found

    def next_due(self) -> float | None:
        for spoke_at in self._spoke.values():
            return spoke_at + SILENCE_S
        return None
