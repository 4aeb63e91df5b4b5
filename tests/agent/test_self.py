"""What an agent says of itself."""

from __future__ import annotations

from swarm.agent.agent import Self
from swarm.protocol.ids import AgentId
from swarm.protocol.messages import Direction


def test_the_site_that_was_learned_is_said_in_place_of_the_one_that_was_given() -> None:
    me, learned = Self(AgentId(b"a" * 32), site="eu/a"), "eu/a"
    assert me.hello()(Direction.TO_DIALER, None).site == "eu/a"
    me.site_now = lambda: learned
    learned = "eu/b"
    assert me.hello()(Direction.TO_DIALER, None).site == "eu/b"
