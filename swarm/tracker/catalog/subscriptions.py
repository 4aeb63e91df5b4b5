"""Who wants to hear when tags move."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.ids import ConnectionId

PER_CONNECTION_MAX = 256
"""A machine follows a few channels; more than this is a mirror, which asks instead."""

ALL_MAX = 262_144


@dataclass(frozen=True, slots=True)
class Watched:
    """What somebody wants to hear of. `tag` None: every tag. `seq`: the newest number known, None: none is."""

    name: str
    tag: str | None
    seq: int | None


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

    def watched(self) -> list[tuple[str, str | None]]:
        """What somebody wants to hear of, each once; a name of which every tag is wanted stands for its tags."""
        found: list[tuple[str, str | None]] = []
        for name, subscribers in self._by_name.items():
            tags = dict.fromkeys(tag for _, tag in subscribers)
            found.extend([(name, None)] if None in tags else [(name, tag) for tag in tags])
        return found

    def check(self) -> None:
        assert self._count == sum(map(len, self._by_name.values())) == sum(map(len, self._by_connection.values()))
