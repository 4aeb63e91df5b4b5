"""Roots that the store does not have, or nobody could ask it for: asked of the agents that take part."""

from __future__ import annotations

from collections import OrderedDict

from swarm.protocol.ids import VersionId
from swarm.protocol.messages import RootReply, RootRequest

ROOTS_ASKED_MAX = 1_024
"""Roots asked of agents and not come yet; the oldest are forgotten, and asked of the next that joins."""

ROOT_ASKED_S = 5.0
"""An agent has this long to answer before another is asked."""

_REQUEST_MAX = 2**32


class MissingRoots:
    """See the module."""

    def __init__(self) -> None:
        self._asked: OrderedDict[VersionId, tuple[int, float]] = OrderedDict()
        self._next_request = 0

    def ask(self, version: VersionId, now: float) -> RootRequest | None:
        """What an agent is to be asked; None while another one has time to answer."""
        asked = self._asked.get(version)
        if asked is not None and now < asked[1] + ROOT_ASKED_S:
            return None
        self._next_request = (self._next_request + 1) % _REQUEST_MAX
        self._asked[version] = (self._next_request, now)
        self._asked.move_to_end(version)
        if len(self._asked) > ROOTS_ASKED_MAX:
            self._asked.popitem(last=False)
        return RootRequest(self._next_request, version)

    def answered(self, reply: RootReply) -> VersionId | None:
        """Of which version this says it is the root; None where nobody was asked, or it says that there is none."""
        version = next((version for version, (request, _) in self._asked.items() if request == reply.request), None)
        if version is not None and reply.root is not None:
            del self._asked[version]
            return version
        return None

    def check(self) -> None:
        assert len(self._asked) <= ROOTS_ASKED_MAX
