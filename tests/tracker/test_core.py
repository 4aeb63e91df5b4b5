"""Connections, signs of life, relaying, and what a hostile agent cannot do."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from swarm.protocol.messages import (
    Alive,
    Count,
    DialMe,
    Failed,
    GoodbyeAck,
    HandOut,
    Leases,
    LeaseWanted,
    Leave,
    NeedPeers,
    Orphans,
    Resolve,
    Share,
    Welcome,
)
from swarm.tracker.agents import allowance, registry
from swarm.tracker.agents.sites import SiteTable
from swarm.tracker.commands import Disconnect
from swarm.tracker.leasing.budget import OriginBudget
from tests.tracker.script import EPOCH, Script, V, agent_id, letters


def test_the_first_message_is_the_welcome() -> None:
    script = Script()
    script.connect("a")
    assert script.told["a"] == [Welcome(EPOCH, b"k" * 32)]


def test_the_welcome_says_whether_the_store_may_be_read_without_a_lease() -> None:
    script = Script(budget=OriginBudget(fails_closed=True))
    script.connect("a")
    assert script.told["a"] == [Welcome(EPOCH, b"k" * 32, fails_closed=True)]


def test_who_hears_nothing_for_a_second_hears_alive() -> None:
    script = Script()
    script.connect("a")
    script.run(10.0)
    assert 9 <= len(script.heard("a", Alive)) <= 10


def test_who_says_nothing_for_five_seconds_is_gone() -> None:
    script = Script()
    script.join("a", "b")
    script.run(4.9, silent=("a",))
    assert script.tracker.statistics().agents == 2
    script.run(0.2, silent=("a",))
    assert script.tracker.statistics().agents == 1
    (command,) = script.other
    assert isinstance(command, Disconnect)


def test_a_newer_connection_replaces_the_older() -> None:
    script = Script()
    script.connect("a")
    first = script.connections["a"]
    script.connect("a")
    assert script.other == [Disconnect(first, "the agent has a newer connection")]
    assert script.tracker.statistics().agents == 1


def test_an_agent_that_comes_back_within_five_seconds_keeps_its_place() -> None:
    script = Script()
    script.join("a", "b")
    script.disconnect("a")
    script.run(3.0)
    script.connect("a")
    script.run(3.0)
    assert script.tracker.statistics().members == 2


def test_dial_me_is_relayed_with_its_senders_name() -> None:
    script = Script()
    script.join("a", "b")
    nonce = bytes(16)
    script.say("a", DialMe(("/ip4/10.0.0.1/tcp/5",), nonce, agent_id("b"), agent_id("somebody else")))
    assert script.heard("b", DialMe) == [DialMe(("/ip4/10.0.0.1/tcp/5",), nonce, agent_id("b"), agent_id("a"))]
    script.say("a", DialMe((), nonce, agent_id("nobody")))
    script.say("a", DialMe((), nonce))


@pytest.mark.parametrize(
    "message",
    [
        Count(V, 3, True),
        NeedPeers(V, 5, (agent_id("x"),)),
        LeaseWanted(V, 5),
        Leave(V),
        Orphans(V, ((0, 1 << 40),)),
        Leases(()),
        Share(1, V, ((0, 3),)),
        HandOut(V, ()),
        GoodbyeAck(),
    ],
)
def test_what_makes_no_sense_does_nothing(message: object) -> None:
    script = Script()
    script.connect("a")
    script.say("a", message)  # type: ignore[arg-type]
    assert script.heard("a", HandOut) == []
    assert script.other == []
    script.join("a")
    script.learn()
    script.say("a", message)  # type: ignore[arg-type]
    assert script.other == []


def test_without_a_catalog_questions_are_refused() -> None:
    script = Script()
    script.connect("a")
    script.say("a", Resolve(9, "maps", "latest"))
    assert [failed.request for failed in script.heard("a", Failed)] == [9]


def test_who_talks_too_much_is_cut_off() -> None:
    script = Script()
    script.join("a")
    connection = script.connections["a"]
    for _ in range(int(allowance.MESSAGES_PER_S * allowance.BURST_S) + 2):
        if script.other:
            break
        script.say("a", Alive())
    assert script.other == [Disconnect(connection, "more messages than an agent needs")]


def test_there_is_an_end_to_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "AGENTS_MAX", 3)
    script = Script()
    script.connect(*letters(4))
    (command,) = script.other
    assert isinstance(command, Disconnect)
    assert script.tracker.statistics().agents == 3


def test_everything_is_forgotten_with_the_last_agent() -> None:
    script = Script()
    script.join("a", "b")
    script.learn()
    script.want("a", "b")
    script.seed("s")
    script.disconnect("a")
    script.disconnect("b")
    script.disconnect("s")
    script.run(6.0)
    statistics = script.tracker.statistics()
    assert (statistics.agents, statistics.versions, statistics.leases_live) == (0, 0, 0)
    assert script.tracker.next_deadline() is None


def test_the_trackers_table_of_sites_comes_before_what_agents_say() -> None:
    table = SiteTable([(ip_network("10.0.0.0/8"), "house"), (ip_network("10.1.0.0/16"), "house/east")])
    assert table.site_of("said", ("/ip4/10.1.2.3/tcp/5",)) == "house/east"
    assert table.site_of("said", ("/dns/x/tcp/5", "/ip4/10.2.2.3/tcp/5")) == "house"
    assert table.site_of("said", ("/ip6/fe80::1/tcp/5", "/ip4/nonsense/tcp/5", "")) == "said"
    script = Script(site_of=table.site_of)
    script.join("a", site="said", addresses=("/ip4/10.1.2.3/tcp/5",))
    script.join("b", site="said")
    (message,) = script.heard("b", HandOut)
    assert message.peers[0].site == "house/east"


def test_a_tick_too_early_or_too_late_is_harmless() -> None:
    script = Script()
    script.join("a")
    script.now += 100.0
    script.run(0.6)
    assert script.tracker.statistics().agents == 0
