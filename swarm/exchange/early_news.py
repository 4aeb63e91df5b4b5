"""What a neighbour says of a version while that is still being looked up here: kept, and heard when it is open.

Who opens a version says at once what it has, and will not repeat it; without this a version that is only opened when
somebody asks for it would never be given to whoever asked first.
"""

from __future__ import annotations

from swarm.protocol.ids import ConnectionId, Runs
from swarm.protocol.messages import Bitfield, Haves, Lost, Want

MESSAGES_MAX = 64
"""Of one version on one connection: a look-up takes a second at most, and news comes four times in one."""

BYTES_MAX = 8 << 20
"""Of all together: sixteen bitfields of the largest version there may be, or thousands of usual ones."""

TOO_MUCH = "said too much of a version before it was open"

Early = Bitfield | Want | Haves | Lost


class EarlyNews:
    """By connection and handle."""

    def __init__(self) -> None:
        self._said: dict[tuple[ConnectionId, int], list[Early]] = {}
        self._bytes = 0

    def expect(self, connection: ConnectionId, handle: int) -> None:
        """A look-up has begun."""
        self._said.setdefault((connection, handle), [])

    def keep(self, connection: ConnectionId, handle: int, message: Early) -> str | None:
        """Keeps a message, if its version is being looked up; a reason where it is one too many."""
        said = self._said.get((connection, handle))
        if said is None:
            return None
        weight = _weight(message)
        if len(said) >= MESSAGES_MAX or self._bytes + weight > BYTES_MAX:
            return TOO_MUCH
        said.append(message)
        self._bytes += weight
        return None

    def take(self, connection: ConnectionId, handle: int) -> list[Early]:
        """The look-up has ended: what was said meanwhile, in order."""
        said = self._said.pop((connection, handle), [])
        self._bytes -= sum(map(_weight, said))
        return said

    def drop(self, connection: ConnectionId) -> None:
        """The connection is gone."""
        for key in [key for key in self._said if key[0] == connection]:
            self.take(*key)

    def check(self) -> None:
        """Raises AssertionError where the bytes are miscounted."""
        assert self._bytes == sum(_weight(message) for said in self._said.values() for message in said)


def _weight(message: Early) -> int:
    match message:
        case Bitfield(have=have, want=want):
            return 64 + len(have) + len(want or b"")
        case Haves(runs_by_handle=pairs):
            return 64 + sum(_weight_of_runs(runs) for _, runs in pairs)
        case Want(runs=runs) | Lost(runs=runs):
            return 64 + _weight_of_runs(runs)


def _weight_of_runs(runs: Runs) -> int:
    return 120 * len(runs)
