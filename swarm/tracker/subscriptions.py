"""Who wants to hear when tags move."""

from __future__ import annotations

from swarm.protocol.ids import ConnectionId

PER_CONNECTION_MAX = 256
"""A machine follows a few channels; more than this is a mirror, which asks instead."""

ALL_MAX = 262_144


class Subscriptions:
    """By name and tag (None: every tag of the name), for as long as the connection lives."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[tuple[ConnectionId, str | None], None]] = {}
        self._by_connection: dict[ConnectionId, dict[tuple[str, str | None], None]] = {}
        self._count = 0

    def add(self, connection: ConnectionId, name: str, tag: str | None) -> bool:
        """Whether there was room."""
        mine = self._by_connection.get(connection, {})
        if (name, tag) in mine:
            return True
        if len(mine) >= PER_CONNECTION_MAX or self._count >= ALL_MAX:
            return False
        self._by_connection.setdefault(connection, {})[name, tag] = None
        self._by_name.setdefault(name, {})[connection, tag] = None
        self._count += 1
        return True

    def remove(self, connection: ConnectionId) -> None:
        """The connection has ended."""
        for name, tag in self._by_connection.pop(connection, {}):
            subscribers = self._by_name[name]
            del subscribers[connection, tag]
            self._count -= 1
            if not subscribers:
                del self._by_name[name]

    def of(self, name: str, tag: str) -> list[ConnectionId]:
        """Who is to hear of this tag, each once."""
        wanting = (connection for connection, wanted in self._by_name.get(name, {}) if wanted in (None, tag))
        return list(dict.fromkeys(wanting))

    def check(self) -> None:
        assert self._count == sum(map(len, self._by_name.values())) == sum(map(len, self._by_connection.values()))
