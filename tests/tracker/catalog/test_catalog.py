"""What a tracker answers about names, tags and roots, from memory and from a store."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from swarm.protocol.ids import ConnectionId, Realm, VersionId
from swarm.protocol.messages import (
    Failed,
    ListDatasets,
    Listing,
    Publish,
    Published,
    Resolve,
    Resolved,
    RootReply,
    RootRequest,
    Subscribe,
    TagMoved,
)
from swarm.protocol.records import TagRecord, decode_tag_record
from swarm.tracker.catalog import lookups
from swarm.tracker.catalog.catalog import Catalog
from swarm.tracker.commands import LookUp, NamesQuestion, RootQuestion, Send, TagQuestion, TagsQuestion
from swarm.tracker.events import LookedUp
from tests.tracker.publisher import OTHER_REALM, REALM, Publisher
from tests.tracker.versions import small_version

A, B, C = ConnectionId(1), ConnectionId(2), ConnectionId(3)
ONE, TWO = small_version(3, "one"), small_version(4, "two")


def without_store(realm: Realm | None = REALM) -> Catalog:
    return Catalog(realm, has_store=False)


def publish(catalog: Catalog, publisher: Publisher, tag: str, root: VersionId | None) -> Published:
    return send_record(catalog, publisher.tag(tag, root), publisher.chain)


def send_record(catalog: Catalog, record: bytes, chain: tuple[bytes, ...], root: bytes | None = None) -> Published:
    command, *_ = catalog.ask(A, Publish(7, record, chain, root), 0.0)
    catalog.check()
    assert isinstance(command, Send)
    assert isinstance(command.message, Published)
    assert command.message.request == 7
    return command.message


def ask(catalog: Catalog, message: object, now: float = 0.0) -> object:
    (command,) = catalog.ask(B, message, now)  # type: ignore[arg-type]
    catalog.check()
    return command.message if isinstance(command, Send) else command


# --- without a store --------------------------------------------------------------------------------


def test_what_a_seeder_publishes_is_resolved_with_its_chain_and_root() -> None:
    catalog, publisher = without_store(), Publisher()
    record = publisher.tag("latest", ONE.id)
    assert send_record(catalog, record, publisher.chain, ONE.root) == Published(7, True, "", None)
    answer = ask(catalog, Resolve(1, "maps", "latest"))
    assert answer == Resolved(1, (record,), publisher.chain, ONE.root)
    assert ask(catalog, RootRequest(2, ONE.id)) == RootReply(2, ONE.root)


def test_publishing_again_is_accepted_and_changes_nothing() -> None:
    catalog, publisher = without_store(), Publisher()
    record = publisher.tag("latest", ONE.id)
    for _ in range(2):
        assert send_record(catalog, record, publisher.chain, ONE.root).is_accepted


def test_an_older_record_is_refused_with_the_newest() -> None:
    catalog, publisher = without_store(), Publisher()
    old, new = publisher.tag("latest", ONE.id), publisher.tag("latest", TWO.id)
    assert send_record(catalog, new, publisher.chain).is_accepted
    refused = send_record(catalog, old, publisher.chain)
    assert (refused.is_accepted, refused.newest) == (False, new)
    assert "older" in refused.reason


def test_a_fork_is_refused_with_the_newest() -> None:
    catalog, publisher = without_store(), Publisher()
    record = publisher.tag("latest", ONE.id, keep=False)
    assert send_record(catalog, record, publisher.chain).is_accepted
    refused = send_record(catalog, publisher.tag("latest", TWO.id), publisher.chain)
    assert (refused.is_accepted, refused.newest) == (False, record)


def test_a_release_that_its_producer_has_moved_is_passed_on() -> None:
    """Who has seen it before refuses it; a tracker that did so would hide it from everybody else."""
    publisher, catalog = Publisher(), without_store()
    for root in (ONE.id, TWO.id):
        assert send_record(catalog, publisher.tag("1.0.0", root, immutable=True), publisher.chain).is_accepted
    answer = ask(catalog, Resolve(1, "maps", "1.0.0"))
    assert isinstance(answer, Resolved)
    assert decode_tag_record(answer.tag_records[0]).root == TWO.id
    old = Publisher()
    assert not send_record(catalog, old.tag("1.0.0", ONE.id, immutable=True), old.chain).is_accepted


def test_another_realm_is_refused() -> None:
    catalog = without_store()
    refused = publish(catalog, Publisher(realm=OTHER_REALM), "latest", ONE.id)
    assert not refused.is_accepted
    assert OTHER_REALM.hex() in refused.reason


def test_a_tracker_without_a_realm_takes_that_of_the_first_record() -> None:
    catalog = without_store(realm=None)
    assert catalog.realm is None
    assert publish(catalog, Publisher(realm=OTHER_REALM), "latest", ONE.id).is_accepted
    assert catalog.realm == OTHER_REALM
    assert not publish(catalog, Publisher("other"), "latest", ONE.id).is_accepted


def test_a_name_belongs_to_the_chain_that_came_first() -> None:
    catalog = without_store()
    assert publish(catalog, Publisher(seed="owner"), "latest", ONE.id).is_accepted
    assert not publish(catalog, Publisher(seed="stranger"), "other", ONE.id).is_accepted


def test_a_key_that_the_newest_name_record_does_not_list_is_refused() -> None:
    catalog, publisher = without_store(), Publisher()
    before = Publisher()
    publish(catalog, publisher, "latest", ONE.id)
    publisher.rotate("successor")
    assert publish(catalog, publisher, "next", ONE.id).is_accepted
    late = send_record(catalog, before.tag("late", ONE.id), before.chain)
    assert not late.is_accepted


@pytest.mark.parametrize("data", [b"", b"\xa0", b"garbage" * 9])
def test_garbage_is_refused(data: bytes) -> None:
    assert not send_record(without_store(), data, ()).is_accepted


def test_a_root_that_is_not_the_tags_is_not_kept() -> None:
    catalog, publisher = without_store(), Publisher()
    assert send_record(catalog, publisher.tag("latest", ONE.id), publisher.chain, TWO.root).is_accepted
    answer = ask(catalog, Resolve(1, "maps", "latest"))
    assert isinstance(answer, Resolved)
    assert answer.root is None
    assert ask(catalog, RootRequest(2, ONE.id)) == RootReply(2, None)


def test_unknown_names_and_tags_come_with_the_nearest_that_exist() -> None:
    catalog = without_store()
    publisher = Publisher("places")
    publish(catalog, publisher, "latest", ONE.id)
    publish(catalog, publisher, "stable", ONE.id)
    assert ask(catalog, Resolve(1, "place", "latest")) == Resolved(1, (), (), None, ("places",))
    assert ask(catalog, Resolve(1, "places", "latst")) == Resolved(1, (), (), None, ("places:latest",))
    assert ask(catalog, Resolve(1, "zzz", "latest")) == Resolved(1, (), (), None, ())


def test_every_tag_of_a_name_the_newest_first() -> None:
    catalog, publisher = without_store(), Publisher()
    records = [publisher.tag(tag, ONE.id, time=time) for time, tag in enumerate(("a", "b", "c"))]
    for record in records:
        send_record(catalog, record, publisher.chain)
    answer = ask(catalog, Resolve(1, "maps", None))
    assert isinstance(answer, Resolved)
    assert answer.tag_records == tuple(reversed(records))
    assert answer.root is None


def test_listings() -> None:
    catalog, maps, places = without_store(), Publisher("maps"), Publisher("places")
    records = [maps.tag("a", ONE.id), maps.tag("b", ONE.id), places.tag("a", ONE.id)]
    for record, publisher in zip(records, (maps, maps, places), strict=True):
        send_record(catalog, record, publisher.chain)
    assert ask(catalog, ListDatasets(1, None)) == Listing(1, tuple(records), True)
    assert ask(catalog, ListDatasets(2, "places")) == Listing(2, (records[2],), True)
    assert ask(catalog, ListDatasets(3, "nothing")) == Listing(3, (), True)


def test_a_listing_that_does_not_fit_says_so() -> None:
    catalog, publisher = without_store(), Publisher()
    for number in range(257):
        publish(catalog, publisher, f"t{number:03}", ONE.id)
    answer = ask(catalog, ListDatasets(1, None))
    assert isinstance(answer, Listing)
    assert (len(answer.tag_records), answer.is_complete) == (256, False)


def all_pages(catalog: Catalog, name: str | None, key: Callable[[TagRecord], str]) -> list[list[tuple[str, str]]]:
    """What a listing gives page by page: (name, tag) of each record."""
    pages: list[list[tuple[str, str]]] = []
    after, is_complete = None, False
    while not is_complete:
        answer = ask(catalog, ListDatasets(1, name, after))
        assert isinstance(answer, Listing)
        records = [decode_tag_record(data) for data in answer.tag_records]
        assert records
        pages.append([(record.name, record.tag) for record in records])
        after, is_complete = key(records[-1]), answer.is_complete
    return pages


def test_a_name_is_listed_tag_by_tag_over_as_many_pages_as_it_takes() -> None:
    catalog, publisher = without_store(), Publisher()
    tags = [f"t{number:03}" for number in range(600)]
    for tag in reversed(tags):
        publish(catalog, publisher, tag, ONE.id)
    pages = all_pages(catalog, "maps", lambda record: record.tag)
    assert [len(page) for page in pages] == [256, 256, 88]
    assert [tag for page in pages for _, tag in page] == tags


def test_names_are_listed_with_all_their_tags_or_not_at_all() -> None:
    catalog = without_store()
    for name in ("a", "b", "c", "d"):
        publisher = Publisher(name)
        for number in range(100):
            publish(catalog, publisher, f"t{number:02}", ONE.id)
    pages = all_pages(catalog, None, lambda record: record.name)
    assert [sorted({name for name, _ in page}) for page in pages] == [["a", "b"], ["c", "d"]]
    assert all(len(page) == 200 for page in pages)


def test_a_store_that_was_looked_at_in_part_is_listed_so_far_and_no_further() -> None:
    """What is known beyond by chance must not make the next question skip what lies between."""
    catalog, publisher = Catalog(REALM, has_store=True), Publisher()
    records = {tag: publisher.tag(tag, ONE.id) for tag in ("a", "b", "c", "z")}
    chains = (("maps", publisher.chain),)
    catalog.answered(LookedUp(TagQuestion("maps", "z"), (records["z"],), chains), 0.0)
    question = TagsQuestion("maps", "")
    assert ask(catalog, ListDatasets(1, "maps")) == LookUp(question)
    first = catalog.answered(LookedUp(question, (records["a"], records["b"]), chains, cut_at="b"), 0.0)
    assert first == [Send(B, Listing(1, (records["a"], records["b"]), False))]
    assert ask(catalog, ListDatasets(2, "maps", "b")) == LookUp(TagsQuestion("maps", "b"))
    rest = catalog.answered(LookedUp(TagsQuestion("maps", "b"), (records["c"], records["z"]), chains), 0.0)
    assert rest == [Send(B, Listing(2, (records["c"], records["z"]), True))]


def test_what_is_known_byte_for_byte_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, publisher = Catalog(REALM, has_store=True), Publisher()
    verified: list[bytes] = []

    def decode(data: bytes) -> TagRecord:
        verified.append(data)
        return decode_tag_record(data)

    monkeypatch.setattr("swarm.tracker.catalog.records.decode_tag_record", decode)
    records = [publisher.tag(tag, ONE.id) for tag in ("a", "b")]
    question, chains = TagsQuestion("maps", ""), (("maps", publisher.chain),)
    for now in (0.0, 2.0):
        assert ask(catalog, ListDatasets(1, "maps"), now) == LookUp(question)
        catalog.answered(LookedUp(question, tuple(records), chains), now)
    assert verified == records
    newer = publisher.tag("a", TWO.id)
    catalog.answered(LookedUp(question, (newer, records[1]), chains), 4.0)
    assert verified == [*records, newer]
    catalog.check()


def test_subscribers_hear_of_tags_that_move() -> None:
    catalog, publisher = without_store(), Publisher()
    catalog.ask(B, Subscribe(1, "maps", "latest"), 0.0)
    catalog.ask(C, Subscribe(1, "maps", None), 0.0)
    catalog.ask(C, Subscribe(2, "maps", "latest"), 0.0)
    record = publisher.tag("latest", ONE.id)
    _, *pushed = catalog.ask(A, Publish(7, record, publisher.chain, ONE.root), 0.0)
    assert pushed == [Send(B, TagMoved(record, ONE.root)), Send(C, TagMoved(record, ONE.root))]
    catalog.forget(C)
    other = publisher.tag("other", ONE.id)
    _, *pushed = catalog.ask(A, Publish(8, other, publisher.chain, None), 0.0)
    assert pushed == []
    catalog.check()


def test_a_subscription_is_answered_with_what_is_known_now() -> None:
    catalog, publisher = without_store(), Publisher()
    record = publisher.tag("latest", ONE.id)
    send_record(catalog, record, publisher.chain)
    assert ask(catalog, Subscribe(1, "maps", "latest")) == Resolved(1, (record,), publisher.chain, None)


# --- with a store -----------------------------------------------------------------------------------


def store_answer(publisher: Publisher, record: bytes, tag: str = "latest", root: bytes | None = None) -> LookedUp:
    return LookedUp(TagQuestion(publisher.name, tag), (record,), ((publisher.name, publisher.chain),), root)


def test_many_callers_are_one_look_up() -> None:
    catalog, publisher = Catalog(REALM, has_store=True), Publisher()
    record = publisher.tag("latest", ONE.id)
    asked = [catalog.ask(ConnectionId(n), Resolve(n, "maps", "latest"), 0.0) for n in range(100)]
    assert asked[0] == [LookUp(TagQuestion("maps", "latest"))]
    assert all(commands == [] for commands in asked[1:])
    answers = catalog.answered(store_answer(publisher, record, root=ONE.root), 0.1)
    catalog.check()
    assert answers == [Send(ConnectionId(n), Resolved(n, (record,), publisher.chain, ONE.root)) for n in range(100)]


def test_an_answer_stands_for_a_moment_and_is_then_asked_again() -> None:
    catalog, publisher = Catalog(REALM, has_store=True), Publisher()
    catalog.ask(B, Resolve(1, "maps", "latest"), 0.0)
    catalog.answered(store_answer(publisher, publisher.tag("latest", ONE.id)), 0.0)
    assert isinstance(ask(catalog, Resolve(2, "maps", "latest"), 0.9 * lookups.FRESH_S), Resolved)
    assert ask(catalog, Resolve(3, "maps", "latest"), lookups.FRESH_S) == LookUp(TagQuestion("maps", "latest"))


def test_that_there_is_nothing_stands_for_a_moment_too() -> None:
    catalog = Catalog(REALM, has_store=True)
    catalog.ask(B, Resolve(1, "mops", "latest"), 0.0)
    (answer,) = catalog.answered(LookedUp(TagQuestion("mops", "latest"), names=("maps", "other")), 0.0)
    assert answer == Send(B, Resolved(1, (), (), None, ("maps",)))
    assert ask(catalog, Resolve(2, "mops", "latest"), 0.5) == Resolved(2, (), (), None, ("maps",))


def test_a_store_that_is_down_is_told_as_such_unless_memory_knows() -> None:
    catalog, publisher = Catalog(REALM, has_store=True), Publisher()
    catalog.ask(B, Resolve(1, "maps", "latest"), 0.0)
    (answer,) = catalog.answered(LookedUp(TagQuestion("maps", "latest"), failure="the store is away"), 0.0)
    assert answer == Send(B, Failed(1, "unavailable", "the store is away"))
    record = publisher.tag("latest", ONE.id)
    send_record(catalog, record, publisher.chain)
    assert ask(catalog, Resolve(2, "maps", "latest"), 0.1) == Resolved(2, (record,), publisher.chain, None)


def test_what_the_store_says_is_verified_like_everything() -> None:
    catalog, stranger = Catalog(REALM, has_store=True), Publisher(realm=OTHER_REALM)
    catalog.ask(B, Resolve(1, "maps", "latest"), 0.0)
    (answer,) = catalog.answered(store_answer(stranger, stranger.tag("latest", ONE.id)), 0.0)
    assert answer == Send(B, Resolved(1, (), (), None))


def test_the_store_takes_a_name_back_from_a_stranger_who_only_told_it() -> None:
    catalog, owner, stranger = Catalog(REALM, has_store=True), Publisher(seed="owner"), Publisher(seed="stranger")
    (first,) = catalog.ask(A, Publish(1, stranger.tag("latest", TWO.id), stranger.chain, None), 0.0)
    assert first == LookUp(TagQuestion("maps", "latest"))
    (accepted,) = catalog.answered(LookedUp(TagQuestion("maps", "latest")), 0.0)
    assert isinstance(accepted, Send)
    assert accepted.message == Published(1, True, "", None)
    catalog.ask(B, Resolve(2, "maps", "latest"), 5.0)
    record = owner.tag("latest", ONE.id)
    (answer,) = catalog.answered(store_answer(owner, record), 5.0)
    assert answer == Send(B, Resolved(2, (record,), owner.chain, None))
    catalog.check()


def test_a_publish_asks_the_store_first() -> None:
    catalog, owner, stranger = Catalog(REALM, has_store=True), Publisher(seed="owner"), Publisher(seed="stranger")
    record = owner.tag("latest", ONE.id)
    catalog.ask(A, Publish(1, stranger.tag("latest", TWO.id), stranger.chain, None), 0.0)
    (answer,) = catalog.answered(store_answer(owner, record), 0.0)
    assert isinstance(answer, Send)
    assert isinstance(answer.message, Published)
    assert (answer.message.is_accepted, answer.message.newest) == (False, record)


def test_a_tag_that_moved_in_the_store_alone_is_told_to_subscribers() -> None:
    catalog, publisher = Catalog(REALM, has_store=True), Publisher()
    catalog.ask(C, Subscribe(1, "maps", "latest"), 0.0)
    catalog.answered(LookedUp(TagQuestion("maps", "latest")), 0.0)
    catalog.ask(B, Resolve(2, "maps", "latest"), 5.0)
    record = publisher.tag("latest", ONE.id)
    commands = catalog.answered(store_answer(publisher, record, root=ONE.root), 5.0)
    assert Send(C, TagMoved(record, ONE.root)) in commands


def test_each_question_goes_to_the_store_in_its_own_words() -> None:
    catalog = Catalog(REALM, has_store=True)
    assert ask(catalog, Resolve(1, "maps", None)) == LookUp(TagsQuestion("maps"))
    assert ask(catalog, ListDatasets(1, None)) == LookUp(NamesQuestion(""))
    assert ask(catalog, RootRequest(1, ONE.id)) == LookUp(RootQuestion(ONE.id))
    assert catalog.answered(LookedUp(RootQuestion(ONE.id), root=ONE.root), 0.0) == [Send(B, RootReply(1, ONE.root))]
    assert ask(catalog, RootRequest(2, ONE.id), 1e6) == RootReply(2, ONE.root), "a root never changes"


def test_too_many_questions_at_once_are_refused() -> None:
    catalog = Catalog(REALM, has_store=True)
    for number in range(lookups.UNDER_WAY_MAX):
        assert isinstance(ask(catalog, Resolve(1, f"n{number}", "latest")), LookUp)
    assert isinstance(ask(catalog, Resolve(1, "one-more", "latest")), Failed)
    assert catalog.ask(C, Resolve(1, "n0", "latest"), 0.0) == [], "one more may wait for what is asked already"


# --- shapes -----------------------------------------------------------------------------------------


def test_without_a_store_the_shape_is_asked_of_the_agent_and_checked_by_its_hash() -> None:
    catalog = without_store()
    (command,) = catalog.want_shape(ONE.id, A, 0.0)
    assert isinstance(command, Send)
    assert isinstance(command.message, RootRequest)
    assert command.message.version == ONE.id
    assert catalog.want_shape(ONE.id, B, 1.0) == [], "one is asked at a time"
    catalog.root_came(RootReply(command.message.request, TWO.root))
    assert catalog.learned() == []
    (command,) = catalog.want_shape(ONE.id, B, 6.0)
    assert isinstance(command, Send)
    assert isinstance(command.message, RootRequest)
    catalog.root_came(RootReply(command.message.request, ONE.root))
    ((version, shape),) = catalog.learned()
    assert (version, shape.page_count, shape.space) == (ONE.id, ONE.page_count, ONE.page_count + 3)
    assert catalog.shape(ONE.id) == shape


def test_with_a_store_the_shape_is_looked_up_and_the_agent_asked_where_it_is_not_there() -> None:
    catalog = Catalog(REALM, has_store=True)
    assert catalog.want_shape(ONE.id, A, 0.0) == [LookUp(RootQuestion(ONE.id))]
    (command,) = catalog.answered(LookedUp(RootQuestion(ONE.id)), 0.0)
    assert isinstance(command, Send)
    assert command.connection == A
    assert isinstance(command.message, RootRequest)


@pytest.mark.parametrize("root", [b"", b"\xa0", b"x" * 1000])
def test_a_root_that_is_none_is_not_believed(root: bytes) -> None:
    catalog = without_store()
    (command,) = catalog.want_shape(ONE.id, A, 0.0)
    assert isinstance(command, Send)
    catalog.root_came(RootReply(command.message.request, root))  # type: ignore[union-attr]
    assert catalog.learned() == []
