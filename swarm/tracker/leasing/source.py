"""What leases are granted of: the part that a version's book and a site's border have in common."""

from __future__ import annotations

from swarm.protocol.ids import AgentId
from swarm.tracker.leasing.suspects import Suspects
from swarm.tracker.leasing.wishes import Wishes


class Source:
    """Who wishes to read, and how many leases are out. `live_count` is the subclass's to raise when it grants."""

    def __init__(self) -> None:
        self.live_count = 0
        self._wishes = Wishes()
        self._suspects = Suspects()

    def withdraw(self, agent: AgentId) -> None:
        """The agent wants nothing, or cannot be spoken to."""
        self._wishes.remove(agent)

    def forget(self, agent: AgentId) -> None:
        """The agent takes part no longer. Its leases are the caller's to end."""
        self._wishes.forget(agent)
        self._suspects.forget(agent)

    def ended(self, agent: AgentId) -> None:
        """One of the agent's leases is no longer out."""
        self.live_count -= 1
        self._wishes.ended(agent)

    def rest(self, agent: AgentId, until: float) -> None:
        """The agent is given nothing for a while: others come first."""
        self._wishes.rest(agent, until)

    def check(self) -> None:
        self._wishes.check()
        assert self.live_count >= 0
