"""Whatever agents do: a block is never read by two of them at once, and none is lost for ever."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from swarm.protocol.messages import Entered, LeaseState, LeaseWanted, Leave, Orphans
from swarm.protocol.runs import normalise
from swarm.tracker.leasing.border import AT_ONCE
from tests.examples import examples
from tests.tracker.script import Script, V, null_sign

SPACE = 4
NAMES = ["a", "b", "c", "d"]
SEEDERS = ["s", "t"]
SITES = {"a": "x", "b": "x", "c": "y", "d": "y"}

names = st.sampled_from(NAMES)
indexes = st.sets(st.integers(0, SPACE - 1), min_size=1)


class LeasesMachine(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 1000), is_first_start=st.booleans(), has_complete=st.booleans())
    def start(self, seed: int, is_first_start: bool, has_complete: bool) -> None:
        self.has_complete = has_complete  # seeders and complete members spare the store: few leases then
        self.script = Script(seed, is_first_start=is_first_start)
        self.script.learn(pages=1, space=SPACE)

    @rule(name=names, have=st.integers(0, SPACE - 1))
    def join(self, name: str, have: int) -> None:
        tokens = tuple(null_sign(lease) for lease in self.script.leases.get(name, {}).values())
        self.script.join(name, space=SPACE, have=have, leases=tokens, site=SITES[name])

    @rule(first=names, second=names, count=st.integers(1, 4))
    def want_all(self, first: str, second: str, count: int) -> None:
        """The usual state: some agents are there, and want more than there is."""
        for name in (first, second):
            if name not in self.script.connections:
                self.join(name, 0)
            self.script.want(name, count=count)

    @precondition(lambda self: self.has_complete)
    @rule(name=st.sampled_from(SEEDERS))
    def seed(self, name: str) -> None:
        self.script.seed(name, space=SPACE)

    @rule(name=names, count=st.sampled_from([0, 1, 3, 3]), lacks=st.none() | indexes)
    def want(self, name: str, count: int, lacks: set[int] | None) -> None:
        if name in self.script.connections:
            self.script.want(name, count=count, lacks=None if lacks is None else normalise(lacks))

    @rule(name=names, state=st.sampled_from(list(LeaseState)), place=st.integers(0, 20), size=st.integers(0, 99))
    def report(self, name: str, state: LeaseState, place: int, size: int) -> None:
        numbers = sorted(self.script.leases.get(name, {}))
        if name in self.script.connections and numbers:
            self.script.report(name, state, size, number=numbers[place % len(numbers)])

    @rule(name=names, runs=indexes, from_peers=st.booleans())
    def miss(self, name: str, runs: set[int], from_peers: bool) -> None:
        if name in self.script.connections:
            self.script.say(name, Orphans(V, normalise(runs), from_peers))

    @rule(name=names, count=st.sampled_from([0, 1, 2, 2]), runs=indexes)
    def want_to_cross(self, name: str, count: int, runs: set[int]) -> None:
        """What agents of the other site have, as this one says."""
        if name in self.script.connections:
            self.script.say(name, LeaseWanted(V, count, normalise(runs), from_peers=True))

    @rule(name=names, runs=indexes)
    def enter(self, name: str, runs: set[int]) -> None:
        if name in self.script.connections:
            self.script.say(name, Entered(V, normalise(runs)))

    @precondition(lambda self: self.has_complete)
    @rule(name=names, have=st.integers(0, SPACE))
    def count(self, name: str, have: int) -> None:
        if name in self.script.connections:
            self.script.count(name, have, lacks=have < SPACE)

    @rule(name=st.sampled_from(NAMES + SEEDERS))
    def disconnect(self, name: str) -> None:
        if name in self.script.connections:
            self.script.disconnect(name)

    @rule(name=names, seconds=st.sampled_from([0.5, 6.0]))
    def lose_and_find_again(self, name: str, seconds: float) -> None:
        """Its leases may have been given to others meanwhile: it must be told."""
        if name in self.script.connections:
            self.script.disconnect(name)
            self.script.run(seconds, renewing=tuple(NAMES))
            self.join(name, 0)

    @rule(name=st.sampled_from(NAMES + SEEDERS))
    def leave(self, name: str) -> None:
        if name in self.script.connections:
            self.script.leases.pop(name, None)
            self.script.say(name, Leave(V))

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 6.0]), renews=st.booleans(), silent=st.sampled_from(["", *NAMES]))
    def wait(self, seconds: float, renews: bool, silent: str) -> None:
        self.script.run(seconds, silent=(silent,), renewing=tuple(NAMES) if renews else ())

    @invariant()
    @precondition(lambda self: hasattr(self, "script"))
    def no_block_is_read_twice_at_once(self) -> None:
        live = [lease for name in NAMES if name in self.script.connections for lease in self._held(name, False)]
        assert len(live) == len(set(live))

    @invariant()
    @precondition(lambda self: hasattr(self, "script"))
    def two_blocks_cross_at_once_into_a_site_and_none_twice(self) -> None:
        for site in set(SITES.values()):
            crossing = [
                index
                for name in NAMES
                if SITES[name] == site and name in self.script.connections
                for index in self._held(name, True)
            ]
            assert len(crossing) == len(set(crossing)) <= AT_ONCE

    def _held(self, name: str, from_peers: bool) -> list[int]:
        leases = self.script.leases.get(name, {}).values()
        return [lease.indexes[0][0] for lease in leases if lease.from_peers is from_peers]

    def teardown(self) -> None:
        if hasattr(self, "script"):
            self._everything_comes_in_the_end()

    def _everything_comes_in_the_end(self) -> None:
        """All are gone but one that lacks everything: it gets everything, though it may have to say what it misses. And
        one of another site may take everything across, in the end.
        """
        script = self.script
        for name in list(script.connections):
            script.disconnect(name)
        script.run(6.0)
        script.join("last", space=SPACE, site="x")
        script.want("last", count=16)
        script.run(9.0, renewing=("last",))
        missed = normalise(set(range(SPACE)) - set(script.held("last")))
        if missed:
            script.say("last", Orphans(V, missed))
        script.run(20.0, renewing=("last",))
        assert script.held("last") == list(range(SPACE))
        self._everything_crosses_in_the_end()

    def _everything_crosses_in_the_end(self) -> None:
        script, crossed = self.script, set()
        script.join("far", space=SPACE, site="y", reads_store=False)
        for _ in range(20):
            missed = normalise(set(range(SPACE)) - crossed)
            script.say("far", LeaseWanted(V, 2, missed, from_peers=True))
            script.say("far", Orphans(V, missed, from_peers=True))
            while script.leases.get("far"):
                crossed.add(script.report("far", LeaseState.PASSED))
            if len(crossed) == SPACE:
                return
            script.run(2.0, renewing=("last",))
        raise AssertionError(f"only {crossed} crossed")


LeasesMachine.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=40)
TestLeases = LeasesMachine.TestCase
