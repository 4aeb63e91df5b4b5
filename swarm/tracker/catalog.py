"""What exists: answers questions about names, tags and roots from memory and, where there is one, from the store.

A tracker without a store knows what seeders tell it. With one, the store is asked for everything not asked within the
last second (`lookups`): tags may move there without anybody telling the tracker. What the store says is verified like
what anybody says (`records`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice

from swarm.errors import SwarmError
from swarm.protocol import bounds
from swarm.protocol.ids import ConnectionId, Realm, VersionId
from swarm.protocol.messages import (
    Failed,
    ListDatasets,
    Listing,
    Message,
    Publish,
    Published,
    Resolve,
    Resolved,
    RootReply,
    RootRequest,
    Subscribe,
    TagMoved,
)
from swarm.protocol.names import nearest
from swarm.protocol.records import TagRecord, decode_tag_record
from swarm.tracker.book import Shape
from swarm.tracker.commands import (
    Command,
    LookUp,
    NamesQuestion,
    Question,
    RootQuestion,
    Send,
    TagQuestion,
    TagsQuestion,
)
from swarm.tracker.events import LookedUp
from swarm.tracker.lookups import Asked, LookUps, Waiting
from swarm.tracker.records import KnownTag, Records, Refusal
from swarm.tracker.roots import Roots
from swarm.tracker.subscriptions import Subscriptions

ROOTS_ASKED_MAX = 1_024
"""Roots asked of agents and not come yet; the oldest are forgotten, and asked of the next that joins."""

ROOT_ASKED_S = 5.0
"""An agent has this long to answer before another is asked."""

NAMES_SEEN_MAX = 16_384
TAGS_SEEN_MAX = 256
"""Names, and names' tags, that the store listed: for suggestions only."""

PAGE_BYTES_MAX = bounds.LISTING_BYTES_MAX - 64 * bounds.KIB
"""Records of one answer: with a chain and a root of 1 MiB each it still fits a message."""

_REQUEST_MAX = 2**32


class Catalog:
    """See the module. `realm` None, without a store: that of the first record told."""

    def __init__(self, realm: Realm | None, *, has_store: bool) -> None:
        self._has_store = has_store
        self._records = Records(realm, may_forget=has_store)
        self._roots = Roots()
        self._lookups = LookUps()
        self._subscriptions = Subscriptions()
        self._names_seen: tuple[str, ...] = ()
        self._tags_seen: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._learned: list[tuple[VersionId, Shape]] = []
        self._asked: OrderedDict[VersionId, tuple[int, float]] = OrderedDict()
        self._next_request = 0

    @property
    def realm(self) -> Realm | None:
        return self._records.realm

    def adopt_realm(self, realm: Realm) -> None:
        """The store is open at last: its realm is ours."""
        self._records.realm = realm

    @property
    def tag_count(self) -> int:
        return self._records.count

    # --- what agents ask ----------------------------------------------------------------------------

    def ask(self, connection: ConnectionId, message: Asked, now: float) -> list[Command]:
        """Answers, or asks the store first."""
        if isinstance(message, Subscribe) and not self._subscriptions.add(connection, message.name, message.tag):
            return [Send(connection, Failed(message.request, "unavailable", "too many subscriptions"))]
        waiting = Waiting(connection, message)
        question = _question(message)
        if question is None or not self._has_store or self._is_known(question, now):
            return self._answer(waiting, question, now)
        match self._lookups.wait(question, waiting):
            case None:
                return [Send(connection, Failed(message.request, "unavailable", "the store is asked too much"))]
            case is_new:
                return [LookUp(question)] if is_new else []

    def answered(self, event: LookedUp, now: float) -> list[Command]:
        """The store has answered: takes what is valid, then answers everybody who waited."""
        chains = dict(event.chains)
        commands: list[Command] = []
        self._remember_seen(event)
        for data in event.tag_records[: bounds.LISTING_RECORDS_MAX]:
            commands += self._take_from_store(data, chains, event.root)
        if isinstance(event.question, RootQuestion) and event.root is not None:
            self._learn(event.question.version, event.root)
        for waiting in self._lookups.answered(event.question, event.failure, now, cut_at=event.cut_at):
            commands += self._answer(waiting, event.question, now)
        return commands

    def forget(self, connection: ConnectionId) -> None:
        """The connection has ended."""
        self._subscriptions.remove(connection)

    # --- shapes -------------------------------------------------------------------------------------

    def root(self, version: VersionId) -> bytes | None:
        """A root that is in memory."""
        return self._roots.get(version)

    def shape(self, version: VersionId) -> Shape | None:
        return self._roots.shape(version)

    def want_shape(self, version: VersionId, connection: ConnectionId, now: float) -> list[Command]:
        """An agent takes part in a version whose root is not known: asks the store for it, else the agent."""
        question = RootQuestion(version)
        if not self._has_store or self._lookups.is_fresh(question, now):
            return self._ask_agent(version, connection, now)
        is_new = self._lookups.wait(question, Waiting(connection, None))
        return [LookUp(question)] if is_new else []

    def root_came(self, reply: RootReply) -> None:
        """An agent answers. Its hash says whether it is the root that was asked for."""
        version = next((version for version, (request, _) in self._asked.items() if request == reply.request), None)
        if version is not None and reply.root is not None:
            del self._asked[version]
            self._learn(version, reply.root)

    def learned(self) -> list[tuple[VersionId, Shape]]:
        """Shapes that have become known since the last call."""
        learned, self._learned = self._learned, []
        return learned

    def check(self) -> None:
        for part in (self._records, self._roots, self._lookups, self._subscriptions):
            part.check()
        assert len(self._asked) <= ROOTS_ASKED_MAX

    # --- answers ------------------------------------------------------------------------------------

    def _answer(self, waiting: Waiting, question: Question | None, now: float) -> list[Command]:
        match waiting.message:
            case Resolve() | Subscribe() as message:
                return [Send(waiting.connection, self._resolved(message))]
            case ListDatasets() as message:
                return [Send(waiting.connection, self._listing(message))]
            case RootRequest() as message:
                return [Send(waiting.connection, self._root_reply(message))]
            case Publish() as message:
                return self._publish(waiting.connection, message)
            case None:
                assert isinstance(question, RootQuestion)
                is_known = self._roots.shape(question.version) is not None
                return [] if is_known else self._ask_agent(question.version, waiting.connection, now)

    def _resolved(self, message: Resolve | Subscribe) -> Message:
        known = self._records.name(message.name)
        tags = {} if known is None else known.tags
        wanted = [tag for key, tag in tags.items() if message.tag in (None, key)]
        records = _page(sorted(wanted, key=lambda tag: (-tag.record.time, tag.record.tag)))
        if not records:
            failure = self._failure(message)
            near = self._near(message.name, message.tag)
            return _unavailable(message.request, failure) if failure else Resolved(message.request, (), (), None, near)
        root = self._root_of(records[0]) if len(records) == 1 else None
        chain = known.chain_data if known is not None else ()
        return Resolved(message.request, tuple(tag.data for tag in records), chain, root)

    def _listing(self, message: ListDatasets) -> Message:
        question, after = _question(message), message.after or ""
        # Beyond where the store was looked at there may be more than is known here: that is for the next question.
        end = self._lookups.cut_at(question) if question is not None and self._has_store else ""
        listed, is_whole = _pages(self._to_list(message.name, after, end))
        failure = self._failure(message)
        if not listed and failure:
            return _unavailable(message.request, failure)
        return Listing(message.request, tuple(tag.data for tag in listed), is_whole and not end and not failure)

    def _to_list(self, name: str | None, after: str, end: str) -> Iterator[list[KnownTag]]:
        """What a listing is made of and goes on after: each tag of a name, or each name with its tags."""
        known = self._records.name(name) if name is not None else None
        keys = self._records.names() if name is None else sorted(known.tags) if known is not None else []
        for key in keys:
            if key > after and (not end or key <= end):
                yield self._tags_of(key) if known is None else [known.tags[key]]

    def _tags_of(self, name: str) -> list[KnownTag]:
        known = self._records.name(name)
        return [known.tags[tag] for tag in sorted(known.tags)] if known is not None else []

    def _root_reply(self, message: RootRequest) -> Message:
        root = self._roots.get(message.version)
        failure = self._failure(message)
        return _unavailable(message.request, failure) if root is None and failure else RootReply(message.request, root)

    def _publish(self, connection: ConnectionId, message: Publish) -> list[Command]:
        taken = self._records.offer(message.tag_record, message.name_records)
        if isinstance(taken, Refusal):
            return [Send(connection, Published(message.request, False, _clipped(taken.reason), taken.newest))]
        answer = Send(connection, Published(message.request, True, "", None))
        return [answer, *self._taken(taken, message.tag_record, message.root)]

    # --- parts --------------------------------------------------------------------------------------

    def _is_known(self, question: Question, now: float) -> bool:
        """Whether memory can answer: a root never changes, everything else only while it is fresh."""
        if isinstance(question, RootQuestion) and self._roots.get(question.version) is not None:
            return True
        return self._lookups.is_fresh(question, now)

    def _failure(self, message: Asked) -> str:
        question = _question(message)
        return self._lookups.failure(question) if self._has_store and question is not None else ""

    def _take_from_store(self, data: bytes, chains: dict[str, tuple[bytes, ...]], root: bytes | None) -> list[Command]:
        """The store's word replaces what was only told: otherwise a stranger could occupy a name before its owner."""
        taken = self._records.offer_from_store(data, chains)
        return [] if isinstance(taken, Refusal) else self._taken(taken, data, root)

    def _taken(self, record: TagRecord | None, data: bytes, root: bytes | None) -> list[Command]:
        if record is None:
            return []
        if root is not None and record.root is not None:
            self._learn(record.root, root)
        root = self._roots.get(record.root) if record.root is not None else None
        moved = TagMoved(data, root)
        return [Send(connection, moved) for connection in self._subscriptions.of(record.name, record.tag)]

    def _learn(self, version: VersionId, root: bytes) -> None:
        shape = self._roots.keep(version, root)
        if shape is not None:
            self._learned.append((version, shape))

    def _ask_agent(self, version: VersionId, connection: ConnectionId, now: float) -> list[Command]:
        asked = self._asked.get(version)
        if asked is not None and now < asked[1] + ROOT_ASKED_S:
            return []
        self._next_request = (self._next_request + 1) % _REQUEST_MAX
        self._asked[version] = (self._next_request, now)
        self._asked.move_to_end(version)
        if len(self._asked) > ROOTS_ASKED_MAX:
            self._asked.popitem(last=False)
        return [Send(connection, RootRequest(self._next_request, version))]

    def _root_of(self, tag: KnownTag) -> bytes | None:
        return self._roots.get(tag.record.root) if tag.record.root is not None else None

    def _remember_seen(self, event: LookedUp) -> None:
        if event.names:
            self._names_seen = event.names[:NAMES_SEEN_MAX]
        if event.tags and isinstance(event.question, TagQuestion):
            self._tags_seen[event.question.name] = event.tags[:TAGS_SEEN_MAX]
            if len(self._tags_seen) > TAGS_SEEN_MAX:
                self._tags_seen.popitem(last=False)

    def _near(self, name: str, tag: str | None) -> tuple[str, ...]:
        """What may have been meant: other tags of a known name, else other names."""
        known = self._records.name(name)
        tags = {*(known.tags if known is not None else ()), *self._tags_seen.get(name, ())}
        if tags and tag is not None:
            near = [f"{name}:{other}" for other in nearest(tag, tags)]
            return tuple(text for text in near if len(text) <= bounds.NAME_BYTES_MAX)
        return nearest(name, {*self._records.names(), *self._names_seen} - {name})


def _question(message: Asked) -> Question | None:
    """What the store would be asked; None where a record cannot even be read."""
    match message:
        case Resolve(name=name, tag=str(tag)) | Subscribe(name=name, tag=str(tag)):
            return TagQuestion(name, tag)
        case Resolve(name=name) | Subscribe(name=name):
            return TagsQuestion(name)
        case ListDatasets(name=name, after=after):
            return NamesQuestion(after or "") if name is None else TagsQuestion(name, after or "")
        case RootRequest(version=version):
            return RootQuestion(version)
        case Publish(tag_record=data):
            try:
                record = decode_tag_record(data)
            except SwarmError:
                return None
            return TagQuestion(record.name, record.tag)


def _pages(groups: Iterable[list[KnownTag]]) -> tuple[list[KnownTag], bool]:
    """As many whole groups as fit one answer, and whether that is all. One that alone is too long is cut."""
    listed: list[KnownTag] = []
    size = 0
    for group in groups:
        size += sum(len(tag.data) for tag in group)
        if size > PAGE_BYTES_MAX or len(listed) + len(group) > bounds.LISTING_RECORDS_MAX:
            return listed or _page(group), False
        listed += group
    return listed, True


def _page(tags: Iterable[KnownTag]) -> list[KnownTag]:
    """As many as fit one answer."""
    page: list[KnownTag] = []
    size = 0
    for tag in islice(tags, bounds.LISTING_RECORDS_MAX):
        size += len(tag.data)
        if size > PAGE_BYTES_MAX:
            break
        page.append(tag)
    return page


def _unavailable(request: int, failure: str) -> Failed:
    return Failed(request, "unavailable", _clipped(failure))


def _clipped(text: str) -> str:
    return text.encode()[: bounds.REASON_BYTES_MAX].decode(errors="ignore")
