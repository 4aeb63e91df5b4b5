"""What is pushed, by whom, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import trio
import trio.testing

from swarm.agent.claims import Answer
from swarm.agent.following.hearing import PUSHED_MAX, PUSHED_ROUNDS, READ_EVERY, Ears, Hearing
from swarm.agent.following.record import Step
from swarm.agent.notices import Silence
from swarm.agent.trust import Decision
from swarm.errors import SwarmError, TrustError, UnavailableError, UnreachableError
from swarm.protocol.messages import Resolved, Subscribe, TagMoved
from swarm.protocol.names import parse_reference
from tests.agent.signing import ALICES, REALM, root, tagged

POLL_S = 30.0


class Link:
    """Of a tracker."""

    def __init__(self) -> None:
        self.ended = trio.Event()


class Tracker:
    """Connected, or not."""

    def __init__(self) -> None:
        self.link: Link | None = None

    async def wait_connected(self) -> Link:
        while self.link is None or self.link.ended.is_set():  # noqa: ASYNC110  # a fake
            await trio.sleep(0.1)
        return self.link


@dataclass
class Sources:
    """A tracker, a store and everybody else, as far as hearing asks them."""

    tracker: Tracker = field(default_factory=Tracker)
    on_tag_moved: Any = None
    subscribed: list[Subscribe] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    looked: list[float] = field(default_factory=list)
    judged: list[Answer] = field(default_factory=list)
    seq: int = 0
    failure: SwarmError | None = None
    store_failure: SwarmError | None = None

    @property
    def agent(self) -> Any:
        return self

    @property
    def catalog(self) -> Any:
        return self

    @property
    def recordbook(self) -> Any:
        return self

    resolver = property(lambda self: self)
    asking = property(lambda self: self)

    def longest(self) -> dict[str, float]:
        return {}

    def chain(self, _name: str) -> tuple[bytes, ...]:
        return ALICES

    async def ask(self, _link: Link, question: Any) -> Resolved:
        self.subscribed.append(question(1))
        return Resolved(1, (), (), None)

    async def decide(self, _name: str, _tag: str) -> Decision:
        self.asked.append(trio.current_time())
        if self.failure is not None:
            raise self.failure
        return self._decision(tagged(tag="stable", seq=self.seq, to=self.seq + 1))

    async def judge(self, _name: str, _tag: str, answers: list[Answer]) -> Decision:
        self.judged += answers
        if self.failure is not None:
            raise self.failure
        return self._decision(answers[0].tag_records[0])

    async def store(self) -> Any:
        return self

    async def has_tag_record(self, _name: str, _tag: str, seq: int) -> bool:
        self.looked.append(trio.current_time())
        if self.store_failure is not None:
            raise self.store_failure
        return seq <= self.seq

    def _decision(self, data: bytes) -> Decision:
        from swarm.protocol.records import decode_tag_record  # noqa: PLC0415

        return cast("Decision", _Decision(decode_tag_record(data)))


@dataclass
class _Decision:
    record: Any
    source: str = "store"
    root: bytes | None = None


class Heard:
    """A hearing that runs, and what it has told."""

    def __init__(self, sources: Sources, reference: str = "data:stable", *, has_store: bool = True) -> None:
        self.steps: list[tuple[int, str]] = []
        self.failures: list[SwarmError] = []
        ears = Ears(
            cast("Any", sources), lambda: cast("Any", sources), sources.store if has_store else None, POLL_S, Silence()
        )
        self.hearing = Hearing(ears, parse_reference(reference), self._newest, self._hear, self.failures.append)

    def _newest(self) -> Step | None:
        if not self.steps:
            return None
        return Step(root(1).hex(), "stable", REALM.hex(), 1, max(seq for seq, _ in self.steps), 1)

    def _hear(self, decision: Decision, source: str) -> None:
        self.steps.append((decision.record.seq, source))


async def test_a_push_counts_at_once_and_only_from_the_tracker_that_was_asked(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    sources = Sources()
    heard = Heard(sources)
    nursery.start_soon(heard.hearing.run)
    link = sources.tracker.link = Link()
    await trio.sleep(2)
    assert [(one.name, one.tag) for one in sources.subscribed] == [("data", "stable")]
    assert heard.hearing.told_by == ("push", "store")
    heard.steps.clear()
    began_at = trio.current_time()
    sources.on_tag_moved(link, TagMoved(tagged(tag="stable", seq=5), None))
    sources.on_tag_moved(Link(), TagMoved(tagged(tag="stable", seq=6), None))
    sources.on_tag_moved(link, TagMoved(tagged(tag="beta", seq=7), None))
    sources.on_tag_moved(link, TagMoved(b"no record", None))
    await trio.testing.wait_all_tasks_blocked()
    assert (heard.steps, trio.current_time()) == ([(5, "push")], began_at)
    link.ended.set()
    await trio.testing.wait_all_tasks_blocked()
    assert heard.hearing.told_by == ("store",)
    sources.tracker.link = Link()
    await trio.sleep(2)
    assert len(sources.subscribed) == 2, "subscribed again"


async def test_what_cannot_be_believed_by_itself_is_asked_of_everybody(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    sources = Sources()
    heard = Heard(sources)
    nursery.start_soon(heard.hearing.run)
    link = sources.tracker.link = Link()
    await trio.sleep(2)
    asked = len(sources.asked)
    sources.failure = TrustError("a new key")
    sources.on_tag_moved(link, TagMoved(tagged(tag="stable", seq=5), None))
    await trio.sleep(2)
    assert len(sources.asked) > asked
    assert "a new key" in str(heard.failures[-1])


async def test_a_flood_is_bounded(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    sources = Sources()
    heard = Heard(sources)
    nursery.start_soon(heard.hearing.run)
    link = sources.tracker.link = Link()
    await trio.sleep(2)
    asked, sources.judged[:] = len(sources.asked), []
    for _ in range(10 * PUSHED_MAX):
        sources.on_tag_moved(link, TagMoved(tagged(tag="stable", seq=5), None))
    await trio.sleep(2)
    assert len(sources.judged) <= PUSHED_MAX + 1
    assert 1 <= len(sources.asked) - asked <= 2


async def test_a_range_is_asked_for_whatever_tag_moves(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    sources = Sources()
    heard = Heard(sources, "data:^2.1")
    nursery.start_soon(heard.hearing.run)
    link = sources.tracker.link = Link()
    await trio.sleep(5)
    assert sources.subscribed[0].tag is None
    asked = len(sources.asked)
    sources.on_tag_moved(link, TagMoved(tagged(tag="2.2.0"), None))
    await trio.sleep(2)
    assert (len(sources.asked), sources.judged) == (asked + 1, [])


async def test_the_store_is_looked_at_with_jitter_and_rarely_while_a_tracker_pushes(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    sources = Sources()
    heard = Heard(sources)
    nursery.start_soon(heard.hearing.run)
    await trio.sleep(20 * POLL_S)
    gaps = [after - before for before, after in zip(sources.looked, sources.looked[1:], strict=False)]
    assert 13 <= len(sources.looked) <= 25
    assert len({round(gap, 3) for gap in gaps}) > 5, "not in step with others"
    assert len(sources.asked) <= 2, "one small request is all, while nothing moves"
    sources.tracker.link = Link()
    await trio.sleep(POLL_S)
    looked = len(sources.looked)
    await trio.sleep(PUSHED_ROUNDS * 4 * POLL_S)
    assert 2 <= len(sources.looked) - looked <= 6
    assert READ_EVERY > 1


async def test_what_the_look_finds_is_read_and_a_silent_store_makes_it_ask_everybody(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    sources = Sources()
    heard = Heard(sources)
    nursery.start_soon(heard.hearing.run)
    await trio.sleep(1)
    assert heard.steps == [(0, "store")]
    sources.seq = 1
    await trio.sleep(3 * POLL_S)
    assert heard.steps[-1] == (1, "store")
    asked = len(sources.asked)
    sources.store_failure = UnavailableError("away")
    await trio.sleep(4 * POLL_S)
    assert len(sources.asked) >= asked + 2


async def test_with_nobody_to_be_reached_it_asks_ever_more_slowly_and_hears_of_the_first_that_is_back(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    sources = Sources(failure=UnreachableError("nobody"))
    heard = Heard(sources, has_store=False)
    nursery.start_soon(heard.hearing.run)
    await trio.sleep(10 * POLL_S)
    assert 8 <= len(sources.asked) <= 40
    assert not heard.steps
    assert len(heard.failures) == len(sources.asked)
    sources.failure = None
    await trio.sleep(3 * POLL_S)
    assert heard.steps
