"""Whom agents are told about: degrees, mixing, sites, losses."""

from __future__ import annotations

from collections import deque
from statistics import mean

from swarm.protocol.ids import AgentId
from swarm.protocol.messages import Busy, HandOut, Leave, NeedPeers
from swarm.tracker.agents import registry
from tests.tracker.script import Script, V, W, agent_id, letters


def neighbours(script: Script) -> dict[AgentId, set[AgentId]]:
    """The graph as agents were told it: who is handed another connects to it."""
    edges: dict[AgentId, set[AgentId]] = {agent_id(name): set() for name in script.connections}
    for name, told in script.told.items():
        for message in told:
            if isinstance(message, HandOut):
                for peer in message.peers:
                    edges[agent_id(name)].add(peer.agent_id)
                    edges[peer.agent_id].add(agent_id(name))
    return edges


def distances(edges: dict[AgentId, set[AgentId]], start: AgentId) -> dict[AgentId, int]:
    found = {start: 0}
    queue = deque([start])
    while queue:
        agent = queue.popleft()
        for other in edges[agent] - found.keys():
            found[other] = found[agent] + 1
            queue.append(other)
    return found


def handed(script: Script, name: str) -> list[str]:
    return [peer.peer_id.removeprefix("peer-") for message in script.heard(name, HandOut) for peer in message.peers]


def test_a_flash_crowd_is_a_well_mixed_graph_within_its_degrees() -> None:
    script = Script()
    script.seed("seeder")
    names = list(letters(400))
    script.join(*names)
    edges = neighbours(script)
    degrees = [len(edges[agent_id(name)]) for name in names]
    assert min(degrees) >= 12
    assert max(degrees) <= 60
    assert 16 <= mean(degrees) <= 32
    assert 16 <= len(edges[agent_id("seeder")]) <= 60
    steps = distances(edges, agent_id("seeder"))
    assert len(steps) == 401
    assert max(steps.values()) <= 3, "log(400) / log(24) is 1.9"


def test_a_small_fleet_is_a_full_mesh() -> None:
    script = Script()
    names = list(letters(9))
    script.join(*names)
    assert all(len(others) == 8 for others in neighbours(script).values())


def test_the_seeder_is_handed_to_everybody_first_but_to_no_more_than_its_degree() -> None:
    script = Script()
    script.seed("seeder")
    script.join(*letters(100))
    told = [name for name in letters(100) if "seeder" in handed(script, name)]
    assert told == list(letters(60))


def test_who_lacks_nothing_is_named_to_those_who_do_and_told_of_nobody() -> None:
    script = Script()
    script.join("full", have=8)
    script.join("done", have=8)
    script.join("a", "b")
    assert handed(script, "a") == ["full", "done"] or set(handed(script, "a")) == {"full", "done"}
    script.join("late", have=8)
    assert handed(script, "late") == handed(script, "full") == []
    assert "late" in handed(script, "a")
    assert "late" in handed(script, "b")


def test_a_seeder_that_comes_back_is_named_at_once() -> None:
    script = Script()
    script.join(*letters(5))
    for name in letters(5):
        script.heard(name, HandOut)
    script.seed("seeder")
    assert all(handed(script, name) == ["seeder"] for name in letters(5))


def test_addresses_and_sites_are_those_of_the_join() -> None:
    script = Script()
    script.join("a", addresses=("/ip4/10.0.0.7/tcp/9",))
    script.join("b")
    (message,) = script.heard("b", HandOut)
    (peer,) = message.peers
    assert (peer.agent_id, peer.peer_id) == (agent_id("a"), "peer-a")
    assert peer.addresses == ("/ip4/10.0.0.7/tcp/9",)


def test_lost_neighbours_are_replaced_and_not_named_again_soon() -> None:
    script = Script()
    names = list(letters(30))
    script.join(*names)
    mine = handed(script, "a29")
    lost = mine[:4]
    script.say("a29", NeedPeers(V, 4, tuple(map(agent_id, lost))))
    new = handed(script, "a29")
    assert len(new) == 4
    assert not set(new) & set(mine)
    script.say("a29", NeedPeers(V, 60, ()))
    assert not set(handed(script, "a29")) & set(lost)
    script.run(61.0)
    script.say("a29", NeedPeers(V, 60, ()))
    assert set(handed(script, "a29")) == set(lost)


def test_nobody_is_named_who_is_gone() -> None:
    script = Script()
    script.join("a", "b")
    script.disconnect("a")
    script.join("c")
    assert handed(script, "c") == ["b"]
    script.run(6.0)
    script.say("b", Leave(V))
    script.join("d")
    assert handed(script, "d") == ["c"]


def test_who_joins_again_is_told_its_neighbours_again() -> None:
    script = Script()
    script.join(*letters(20))
    before = set(handed(script, "a19"))
    script.join("a19")
    again = set(handed(script, "a19"))
    assert before <= again
    assert len(again) >= 12


def test_most_neighbours_are_of_the_own_site() -> None:
    script = Script()
    for number in range(60):
        script.join(f"n{number}", site="europe/north")
        script.join(f"s{number}", site="europe/south")
        script.join(f"x{number}", site="asia")
    foreign = [name for name in handed(script, "n59") if not name.startswith("n")]
    assert len(foreign) == 3
    assert [name[0] for name in foreign].count("s") == 2, "the nearest foreign site first"
    assert [name[0] for name in foreign].count("x") == 1, "and one from farther off"


def test_pairs_of_near_sites_know_others_too() -> None:
    script = Script()
    sites = ("europe/north", "europe/south", "asia/east", "asia/west")
    for number in range(40):
        for site in sites:
            script.join(f"{site} {number}", site=site)
    edges = neighbours(script)
    assert len(distances(edges, agent_id("asia/east 0"))) == 160


def test_a_seeder_that_comes_late_and_alone_is_told_to_many_of_other_sites() -> None:
    script = Script()
    for number in range(40):
        script.join(f"b{number}", site="b")
    script.join("seeder", have=8, is_origin=True, site="a")
    assert len(neighbours(script)[agent_id("seeder")]) == 32


def test_seeders_keep_half_of_their_room_for_their_own_site() -> None:
    script = Script()
    script.join("seeder", have=8, is_origin=True, site="a")
    for number in range(60):
        script.join(f"b{number}", site="b")
    for number in range(60):
        script.join(f"a{number}", site="a")
    known = neighbours(script)[agent_id("seeder")]
    assert len(known & {agent_id(f"b{number}") for number in range(60)}) == 30
    assert len(known & {agent_id(f"a{number}") for number in range(60)}) == 30


def test_a_lone_agent_of_a_site_gets_a_few_from_elsewhere() -> None:
    script = Script()
    for number in range(30):
        script.join(f"n{number}", site="north")
    script.join("s", site="south")
    assert len(handed(script, "s")) == 3


def test_versions_are_apart() -> None:
    script = Script()
    script.join("a")
    script.join("b", version=W)
    assert handed(script, "b") == []


def test_without_anybody_the_answer_is_empty_but_comes() -> None:
    script = Script()
    script.join("a")
    assert script.heard("a", HandOut) == [HandOut(V, ())]
    script.say("a", NeedPeers(V, 16))
    assert script.heard("a", HandOut) == [HandOut(V, ())]


def test_there_is_an_end_to_the_versions_of_one_agent() -> None:
    script = Script()
    for number in range(registry.VERSIONS_PER_AGENT_MAX):
        script.join("a", version=number.to_bytes(32, "big"))  # type: ignore[arg-type]
    assert script.heard("a", Busy) == []
    script.join("a", version=b"one more".ljust(32))  # type: ignore[arg-type]
    assert len(script.heard("a", Busy)) == 1
    assert script.tracker.statistics().versions == registry.VERSIONS_PER_AGENT_MAX


def test_who_is_short_of_neighbours_hears_first_of_those_who_lack_something_too() -> None:
    script = Script()
    names = list(letters(60))
    script.join(*names)
    for name in names[10:]:
        script.count(name, 8, lacks=False)
    known = neighbours(script)[agent_id(names[0])]
    unknown = {name for name in names[1:10] if agent_id(name) not in known}
    script.heard(names[0], HandOut)
    script.say(names[0], NeedPeers(V, len(unknown) + 2))
    named = handed(script, names[0])
    assert len(named) == len(unknown) + 2
    assert set(named[: len(unknown)]) == unknown
