"""Whatever agents say, in any order: the tracker's mind neither breaks nor contradicts itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.protocol import messages as m
from swarm.protocol.ids import VersionId
from swarm.protocol.runs import normalise
from swarm.tracker.catalog.catalog import Catalog
from swarm.tracker.commands import LookUp
from swarm.tracker.events import LookedUp
from tests.examples import examples
from tests.tracker.publisher import REALM, Publisher
from tests.tracker.script import Script, agent_id
from tests.tracker.versions import small_version

ONE = small_version(3, "one")
PUBLISHER = Publisher()
RECORDS = [
    PUBLISHER.tag("latest", ONE.id),
    PUBLISHER.tag("latest", None),
    Publisher(seed="other").tag("latest", ONE.id),
]

versions = st.sampled_from([ONE.id, VersionId(b"x" * 32)])
agents = st.sampled_from(["a", "b", "c"]).map(agent_id)
spaces = st.sampled_from([0, 1, len(ONE.ids), 1 << 22])
runs = st.lists(st.tuples(st.integers(0, 9) | st.integers(0, 1 << 40), st.integers(1, 9)), max_size=4).map(normalise)
counts = st.integers(0, 3) | st.just(1 << 22)
requests = st.integers(0, 3)
garbage = st.binary(max_size=8)
roots = st.none() | garbage | st.just(ONE.root)
tags = st.sampled_from(["latest", "^1", "other"])
reports = st.builds(m.LeaseReport, st.integers(0, 9), st.sampled_from(list(m.LeaseState)), counts)
messages = st.one_of(
    st.builds(
        m.Join,
        versions,
        spaces,
        counts,
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.sampled_from(["", "a/b"]),
        st.just(()),
        st.lists(garbage, max_size=3).map(tuple),
        st.none() | runs,
        runs,
    ),
    st.builds(m.Leave, versions),
    st.builds(m.Count, versions, counts, st.booleans()),
    st.builds(m.NeedPeers, versions, counts, st.lists(agents, max_size=3).map(tuple)),
    st.builds(m.LeaseWanted, versions, counts, st.none() | runs),
    st.builds(m.Leases, st.lists(reports, max_size=3).map(tuple)),
    st.builds(m.Orphans, versions, runs),
    st.builds(m.DialMe, st.just(()), st.just(bytes(16)), st.none() | agents),
    st.builds(m.Resolve, requests, st.just("maps"), st.none() | tags),
    st.builds(m.Subscribe, requests, st.just("maps"), st.none() | tags),
    st.builds(m.ListDatasets, requests, st.none() | st.just("maps")),
    st.builds(m.RootRequest, requests, versions),
    st.builds(m.RootReply, requests, roots),
    st.builds(
        m.Publish, requests, garbage | st.sampled_from(RECORDS), st.sampled_from([(), PUBLISHER.chain, (b"x",)]), roots
    ),
)
steps = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), messages | st.sampled_from(["leave", "wait", "answer"])), max_size=30
)


@settings(max_examples=examples(80))
@given(steps, st.booleans())
def test_any_conversation(conversation: list[tuple[str, object]], has_store: bool) -> None:
    script = Script(catalog=Catalog(REALM, has_store=has_store), is_first_start=False)
    for name, step in conversation:
        if name not in script.connections:
            script.connect(name)
        match step:
            case "leave":
                script.disconnect(name)
            case "wait":
                script.run(3.0)
            case "answer":
                answer_store(script)
            case message:
                script.say(name, message)  # type: ignore[arg-type]
    script.run(20.0)


def answer_store(script: Script) -> None:
    """The store answers everything it was asked, with something."""
    asked = [command for command in script.other if isinstance(command, LookUp)]
    script.other.clear()
    for command in asked:
        chains = (("maps", PUBLISHER.chain),)
        script.event(LookedUp(command.question, tuple(RECORDS[:1]), chains, ONE.root, ("latest",), ("maps",)))
