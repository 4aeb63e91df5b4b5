"""Who is asked, how long each is waited for, and what is made of silence: all in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from swarm.agent.answers import answer_of_store
from swarm.agent.claims import Answer, Pinned, Seen, is_believable
from swarm.agent.listing import ALIVE_MAX
from swarm.agent.recordbook import Recordbook
from swarm.agent.resolve import LAN_ANSWERS_MAX, Resolver
from swarm.agent.roots import LAN_S
from swarm.errors import (
    CorruptError,
    MissingError,
    NotFoundError,
    PermissionError_,
    RefusedError,
    SwarmError,
    UnavailableError,
    UnreachableError,
)
from swarm.protocol import messages as m
from swarm.protocol.ids import VersionId, digest
from swarm.protocol.records import decode_tag_record
from tests.agent.signing import ALICE, ALICES, MALLORY, chain, tagged

ROOT = b"a root"
VERSION = VersionId(digest(ROOT))


@dataclass
class Source:
    """Answers after `delay_s`, or raises. `records` are of tag `latest`, `tags` all that there are."""

    delay_s: float = 0.0
    records: tuple[bytes, ...] = ()
    chain: tuple[bytes, ...] = ALICES
    error: SwarmError | None = None
    root: bytes | None = None
    near: tuple[str, ...] = ()
    page: int = 256
    """Records in one answer."""
    listed: list[str | None] = field(default_factory=list)
    is_stuck: bool = False
    """It says again and again that there is more, and always the same."""

    async def wait(self) -> None:
        await trio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error

    def answer(self, message: m.Message) -> m.CatalogMessage:
        if isinstance(message, m.RootRequest):
            return m.RootReply(message.request, self.root)
        if isinstance(message, m.ListDatasets):
            return self._page(message)
        assert isinstance(message, m.Resolve)
        return m.Resolved(
            message.request, self.records[: self.page], self.chain if self.records else (), None, self.near
        )

    def _page(self, message: m.ListDatasets) -> m.Listing:
        self.listed.append(message.after)
        after = "" if self.is_stuck else message.after or ""
        records = sorted(self.records, key=lambda data: decode_tag_record(data).tag)
        rest = [data for data in records if decode_tag_record(data).tag > after]
        is_complete = len(rest) <= self.page and not self.is_stuck
        return m.Listing(message.request, tuple(rest[: self.page]), is_complete)


@dataclass
class FakeTracker:
    """Stands in for the tracker's link and for the catalog that asks over it."""

    source: Source | None

    @property
    def is_configured(self) -> bool:
        return self.source is not None

    async def wait_tried(self) -> FakeTracker:
        return self

    async def ask(self, link: object, question: Callable[[int], m.Message]) -> m.CatalogMessage:
        source = link if isinstance(link, Source) else self.source
        assert source is not None
        await source.wait()
        return source.answer(question(1))


@dataclass
class FakeStore:
    source: Source
    tag_names: tuple[str, ...] = ("latest",)
    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def newest_tag(self, _name: str, tag: str) -> bytes | None:
        self.asked.append(tag)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await self.source.wait()
        self.at_once -= 1
        return self.source.records[0] if self.source.records and tag in self.tag_names else None

    async def name_chain(self, _name: str) -> tuple[bytes, ...]:
        return self.source.chain

    async def names(self) -> list[str]:
        return ["data"]

    async def tags(self, name: str) -> list[str]:
        return list(self.tag_names) if name == "data" else []

    async def get_root(self, version: VersionId) -> bytes:
        self.asked.append(version.hex())
        await self.source.wait()
        if self.source.root is None:
            raise MissingError("no such root")
        return self.source.root


@dataclass
class FakeLan:
    neighbours: tuple[Source, ...]

    async def ask(
        self, question: Callable[[int], m.Message], answered: Callable[[m.CatalogMessage], None], *, follow: Any = None
    ) -> None:
        async def ask_one(source: Source) -> None:
            try:
                await source.wait()
            except SwarmError:
                return
            answer = source.answer(question(1))
            answered(answer if follow is None else await follow(source, answer))

        async with trio.open_nursery() as nursery:
            for source in self.neighbours:
                nursery.start_soon(ask_one, source)
            await trio.sleep_forever()


@dataclass
class Asked:
    """`took_s` in virtual time."""

    took_s: float
    answers: list[Answer]

    @property
    def sources(self) -> list[str]:
        return [answer.source for answer in self.answers]


def make(
    path: Path, *, tracker: Source | None = None, store: Source | None = None, lan: tuple[Source, ...] | None = None
) -> Resolver:
    fake = FakeTracker(tracker)

    async def open_store() -> FakeStore:
        assert store is not None
        return FakeStore(store)

    return Resolver(
        fake,  # type: ignore[arg-type]
        Recordbook(path),
        fake,  # type: ignore[arg-type]
        open_store if store is not None else None,
        FakeLan(lan) if lan is not None else None,  # type: ignore[arg-type]
    )


async def ask(resolver: Resolver, *, pin: Pinned | None = None, tag: str | None = "latest") -> Asked:
    started_at = trio.current_time()
    answers = await resolver.ask("data", tag, partial(is_believable, "data", pin=pin, seen=Seen()))
    return Asked(trio.current_time() - started_at, answers)


KNOWS = (tagged(),)


# --- every tag ----------------------------------------------------------------------------------


MANY = tuple(tagged(tag=f"t{number:02}") for number in range(23))


async def test_a_listing_goes_on_until_it_is_whole_with_tracker_and_neighbours(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    tracker, neighbour = Source(0.1, MANY, page=5), Source(0.2, MANY, page=7)
    for source, resolver in ((tracker, make(tmp_path, tracker=tracker)), (neighbour, make(tmp_path, lan=(neighbour,)))):
        (answer,) = await resolver.ask("data", None, every_tag=True)
        assert set(answer.tag_records) == set(MANY)
        assert len(answer.tag_records) == len(MANY), "each once"
        assert source.listed[0] is None
    assert tracker.listed == [None, "t04", "t09", "t14", "t19"]
    assert neighbour.listed == [None, "t06", "t13", "t20"]


async def test_one_page_is_enough_for_who_fetches(tmp_path: Path, autojump_clock: MockClock) -> None:
    tracker = Source(0.1, MANY, page=5)
    (answer,) = await make(tmp_path, tracker=tracker).ask("data", None)
    assert (len(answer.tag_records), tracker.listed) == (5, [])


async def test_who_repeats_itself_is_not_asked_for_ever(tmp_path: Path, autojump_clock: MockClock) -> None:
    stuck = Source(0.1, MANY, page=5, is_stuck=True)
    (answer,) = await make(tmp_path, tracker=stuck).ask("data", None, every_tag=True)
    assert (len(answer.tag_records), stuck.listed) == (5, [None, "t04"])


async def test_a_long_listing_is_waited_for_after_others_have_answered(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    slow, quick = Source(1.0, MANY, page=5), Source(0.1, MANY[:1])
    answers = await make(tmp_path, tracker=slow, lan=(quick,)).ask("data", None, every_tag=True)
    assert {answer.source: len(answer.tag_records) for answer in answers} == {"tracker": 23, "lan": 1}


# --- ranges -------------------------------------------------------------------------------------


RELEASES = tuple(tagged(tag=f"1.{number}.0") for number in range(23))


def tags_of(answer: Answer) -> list[str]:
    return [decode_tag_record(data).tag for data in answer.tag_records]


async def test_a_range_is_looked_for_through_all_pages_of_tracker_and_neighbours(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    for sources in ({"tracker": Source(0.1, RELEASES, page=5)}, {"lan": (Source(0.2, RELEASES, page=7),)}):
        asked = await ask(make(tmp_path, **sources), tag="^1.3")  # type: ignore[arg-type]
        (answer,) = asked.answers
        assert tags_of(answer) == [f"1.{number}.0" for number in range(22, 22 - ALIVE_MAX, -1)]


async def test_for_a_range_a_straggler_has_a_second(tmp_path: Path, autojump_clock: MockClock) -> None:
    quick, slow = Source(0.1, RELEASES[:3]), Source(30.0, RELEASES)
    asked = await ask(make(tmp_path, tracker=quick, store=slow), tag="1.x")
    assert asked.sources == ["tracker"]
    assert 1.0 < asked.took_s < 1.5


async def test_who_knows_nothing_in_the_range_starts_no_clock(tmp_path: Path, autojump_clock: MockClock) -> None:
    quick, slow = Source(0.1, MANY), Source(3.0, RELEASES)
    asked = await ask(make(tmp_path, tracker=quick, lan=(slow,)), tag="1.x")
    assert asked.took_s < 1.0, "the tracker has spoken, and nobody else is configured"
    asked = await ask(make(tmp_path, lan=(quick, Source(1.2, RELEASES))), tag="1.x")
    assert [tags_of(answer)[0] for answer in asked.answers] == ["t00", "1.22.0"]


async def test_what_was_seen_of_a_range_counts_beside_what_the_sources_say(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    Recordbook(tmp_path).keep("data", "1.22.0", RELEASES[22], ALICES)
    Recordbook(tmp_path).keep("data", "latest", KNOWS[0], ALICES)
    asked = await ask(make(tmp_path, tracker=Source(0.1, RELEASES[:3])), tag="1.x")
    assert {answer.source: tags_of(answer)[0] for answer in asked.answers} == {"tracker": "1.2.0", "local": "1.22.0"}


async def test_of_a_store_only_the_greatest_releases_are_read(autojump_clock: MockClock) -> None:
    store = FakeStore(Source(records=KNOWS), tag_names=("latest", *(f"1.{number}.0" for number in range(23))))
    await answer_of_store(store, "data", "1.x")
    assert sorted(store.asked) == sorted(f"1.{number}.0" for number in range(22, 22 - ALIVE_MAX, -1))
    store.asked.clear()
    assert tags_of(await answer_of_store(store, "data", "^7")), "what there is instead"
    assert store.asked == ["1.22.0"]


# --- who is waited for --------------------------------------------------------------------------


async def test_tracker_and_store_are_asked_at_once_and_both_count(tmp_path: Path, autojump_clock: MockClock) -> None:
    asked = await ask(make(tmp_path, tracker=Source(0.5, KNOWS), store=Source(0.6, KNOWS)))
    assert asked.sources == ["tracker", "store"]
    assert asked.took_s == pytest.approx(0.6)


async def test_a_straggler_has_a_second_after_the_first_who_knows(tmp_path: Path, autojump_clock: MockClock) -> None:
    asked = await ask(make(tmp_path, tracker=Source(0.5, KNOWS), store=Source(60)))
    assert asked.sources == ["tracker"]
    assert asked.took_s == pytest.approx(1.5)


async def test_who_knows_nothing_starts_no_clock(tmp_path: Path, autojump_clock: MockClock) -> None:
    asked = await ask(make(tmp_path, tracker=Source(0.1, ()), store=Source(20, KNOWS)))
    assert asked.sources == ["tracker", "store"]


async def test_who_cannot_be_believed_starts_no_clock(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Else whoever answers garbage at once would shut out a store that takes a while."""
    forged = Source(0.0, (tagged(MALLORY, seq=9, to=9),), chain((MALLORY, (MALLORY,))))
    asked = await ask(
        make(tmp_path, tracker=forged, store=Source(20, KNOWS), lan=(forged,)), pin=Pinned(ALICE.public_key, None)
    )
    assert "store" in asked.sources


async def test_neighbours_in_time_count_and_are_not_waited_for(tmp_path: Path, autojump_clock: MockClock) -> None:
    ahead = Source(0.1, (tagged(seq=4, to=4),))
    asked = await ask(make(tmp_path, store=Source(0.5, KNOWS), lan=(ahead, Source(60, KNOWS))))
    assert asked.sources == ["lan", "store"]
    assert asked.took_s == pytest.approx(0.5)


async def test_neighbours_alone_have_a_second_after_the_first(tmp_path: Path, autojump_clock: MockClock) -> None:
    asked = await ask(make(tmp_path, lan=(Source(0.2, KNOWS), Source(0.9, (tagged(seq=1, to=2),)), Source(2, KNOWS))))
    assert len(asked.answers) == 2
    assert asked.took_s == pytest.approx(1.2)


async def test_neighbours_are_waited_for_where_the_others_cannot_be_reached(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    down = Source(0.1, error=UnreachableError("down"))
    asked = await ask(
        make(tmp_path, tracker=down, store=Source(0.1, error=UnavailableError("down")), lan=(Source(2, KNOWS),))
    )
    assert asked.sources == ["lan"]


async def test_who_could_not_answer_is_known_although_others_did(tmp_path: Path, autojump_clock: MockClock) -> None:
    refused = RefusedError("the tracker at http://one is B, and it was A")
    resolver = make(tmp_path, tracker=Source(0.1, error=refused), store=Source(0.5, KNOWS))
    assert (await ask(resolver)).sources == ["store"]
    assert resolver.failures == {"tracker": refused}
    resolver = make(tmp_path, tracker=Source(0.1, KNOWS), store=Source(0.5, KNOWS))
    await ask(resolver)
    assert resolver.failures == {}


async def test_nobody_on_the_lan_is_an_error_after_three_seconds(tmp_path: Path, autojump_clock: MockClock) -> None:
    started_at = trio.current_time()
    with pytest.raises(UnreachableError, match="LAN: nobody answers"):
        await ask(make(tmp_path, lan=()))
    assert trio.current_time() - started_at == pytest.approx(LAN_S)


async def test_neighbours_who_know_nothing_do_not_make_unreachable_into_not_found(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    down = Source(0.1, error=UnreachableError("connection refused"))
    with pytest.raises(UnreachableError, match="connection refused"):
        await ask(make(tmp_path, tracker=down, lan=(Source(0.1, ()),)))


async def test_a_flood_of_neighbours_is_bounded(tmp_path: Path, autojump_clock: MockClock) -> None:
    honest = tuple(Source(0.1, (tagged(seq=number, to=number),)) for number in range(1, 20))
    garbage = tuple(Source(0.1, (bytes([number]),)) for number in range(20))
    asked = await ask(make(tmp_path, lan=(*garbage, *honest, *honest)), pin=Pinned(ALICE.public_key, None))
    believable = [answer for answer in asked.answers if answer.tag_records[0] in {s.records[0] for s in honest}]
    assert len(believable) == LAN_ANSWERS_MAX
    assert len(asked.answers) <= LAN_ANSWERS_MAX + 1


async def test_what_was_seen_before_serves_a_site_that_is_cut_off(tmp_path: Path, autojump_clock: MockClock) -> None:
    Recordbook(tmp_path).keep("data", "latest", tagged(), ALICES)
    down = Source(0.1, error=UnreachableError("down"))
    asked = await ask(make(tmp_path, tracker=down, lan=()))
    assert asked.sources == ["local"]
    assert asked.answers[0].tag_records == (tagged(),)


async def test_what_was_seen_before_does_not_outlive_what_the_store_says(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    Recordbook(tmp_path).keep("data", "latest", tagged(), ALICES)
    asked = await ask(make(tmp_path, store=Source(0.1, ()), tracker=Source(0.1, ())))
    assert "local" not in asked.sources


async def test_each_reason_is_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    resolver = make(
        tmp_path,
        tracker=Source(error=UnreachableError("connection refused")),
        store=Source(error=UnavailableError("SlowDown")),
    )
    with pytest.raises(UnreachableError, match=r"tracker: connection refused; store: SlowDown"):
        await ask(resolver)


async def test_one_source_alone_fails_with_its_own_error(tmp_path: Path, autojump_clock: MockClock) -> None:
    with pytest.raises(PermissionError_, match="wrong key"):
        await ask(make(tmp_path, store=Source(error=PermissionError_("wrong key"))))


async def test_refusals_are_refusals(tmp_path: Path, autojump_clock: MockClock) -> None:
    with pytest.raises(RefusedError, match="another identity"):
        await ask(make(tmp_path, tracker=Source(error=RefusedError("another identity")), lan=()))


async def test_a_redirect_is_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    resolver = make(tmp_path, tracker=Source())
    tracker = resolver._catalog
    tracker.ask = lambda _link, _question: redirect()  # type: ignore[method-assign, assignment]
    with pytest.raises(UnreachableError, match="http://other"):
        await ask(resolver)


async def redirect() -> m.Redirect:
    return m.Redirect(1, ("http://other",))


async def test_the_tags_of_a_name_are_read_from_the_store_several_at_once(autojump_clock: MockClock) -> None:
    store = FakeStore(Source(0.1, KNOWS), tuple(f"tag{number}" for number in range(30)))
    answer = await answer_of_store(store, "data", None)
    assert len(answer.tag_records) == 30
    assert store.most_at_once == 8


async def test_a_store_names_what_is_near(autojump_clock: MockClock) -> None:
    store = FakeStore(Source(), ("stable",))
    assert (await answer_of_store(store, "data", "stabel")).near == ("data:stable",)
    assert (await answer_of_store(store, "date", "stable")).near == ("data",)


# --- roots --------------------------------------------------------------------------------------


async def test_the_first_right_root_wins_and_a_wrong_one_is_nobodys(tmp_path: Path, autojump_clock: MockClock) -> None:
    liars = (Source(0.0, root=b"another root"), Source(0.0, root=b""))
    resolver = make(tmp_path, tracker=Source(0.1, root=b"wrong"), lan=(*liars, Source(0.5, root=ROOT)))
    assert await resolver.find_root(VERSION) == ROOT


async def test_the_store_is_asked_last(tmp_path: Path, autojump_clock: MockClock) -> None:
    tracker, store = Source(0.3, root=ROOT), Source(0.0, root=ROOT)
    resolver = make(tmp_path, tracker=tracker, store=store)
    started_at = trio.current_time()
    assert await resolver.find_root(VERSION) == ROOT
    assert trio.current_time() - started_at == pytest.approx(0.3)
    slow = make(tmp_path, tracker=Source(60, root=ROOT), store=store)
    started_at = trio.current_time()
    assert await slow.find_root(VERSION) == ROOT
    assert trio.current_time() - started_at == pytest.approx(1.0)


async def test_a_root_that_nobody_has_is_not_found(tmp_path: Path, autojump_clock: MockClock) -> None:
    with pytest.raises(NotFoundError):
        await make(tmp_path, tracker=Source(), store=Source(), lan=()).find_root(VERSION)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UnavailableError("away"), UnreachableError),
        (CorruptError("garbage"), CorruptError),
        (PermissionError_("no"), PermissionError_),
    ],
)
async def test_what_the_store_says_of_a_root_is_told(
    tmp_path: Path, autojump_clock: MockClock, error: SwarmError, expected: type[SwarmError]
) -> None:
    with pytest.raises(expected):
        await make(tmp_path, tracker=Source(), store=Source(error=error)).find_root(VERSION)
