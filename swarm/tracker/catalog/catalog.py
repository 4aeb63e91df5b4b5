"""What exists: answers questions about names, tags and roots from memory and, where there is one, from the store.

A tracker without a store knows what seeders tell it. With one, the store is asked for everything not asked within the
last second (`lookups`): tags may move there without anybody telling the tracker. What the store says is verified like
what anybody says (`records`).
"""

from __future__ import annotations

from collections.abc import Iterator

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
from swarm.protocol.records import TagRecord, decode_tag_record
from swarm.tracker.catalog.answer_size import first_tags, whole_groups
from swarm.tracker.catalog.lookups import Asked, LookUps, Waiting
from swarm.tracker.catalog.missing_roots import MissingRoots
from swarm.tracker.catalog.records import KnownTag, Records, Refusal
from swarm.tracker.catalog.roots import Roots
from swarm.tracker.catalog.subscriptions import Subscriptions, Watched
from swarm.tracker.catalog.suggestions import Suggestions
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
from swarm.tracker.shape import Shape


class Catalog:
    """See the module. `realm` None, without a store: that of the first record told."""

    def __init__(self, realm: Realm | None, *, has_store: bool) -> None:
        self._has_store = has_store
        self._records = Records(realm, may_forget=has_store)
        self._roots = Roots()
        self._lookups = LookUps()
        self._subscriptions = Subscriptions()
        self._suggestions = Suggestions()
        self._missing_roots = MissingRoots()
        self._learned: list[tuple[VersionId, Shape]] = []

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
        self._suggestions.remember(event)
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

    def watched(self) -> list[Watched]:
        """What somebody has subscribed to, and the newest number that is known of it: for who looks into the store
        whether it has moved there without our being told."""
        found: list[Watched] = []
        for name, tag in self._subscriptions.watched():
            known = self._records.newest(name, tag) if tag is not None else None
            found.append(Watched(name, tag, known.record.seq if known is not None else None))
        return found

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
        version = self._missing_roots.answered(reply)
        if version is not None and reply.root is not None:
            self._learn(version, reply.root)

    def learned(self) -> list[tuple[VersionId, Shape]]:
        """Shapes that have become known since the last call."""
        learned, self._learned = self._learned, []
        return learned

    def check(self) -> None:
        for part in (self._records, self._roots, self._lookups, self._subscriptions, self._missing_roots):
            part.check()

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
        records = first_tags(sorted(wanted, key=lambda tag: (-tag.record.time, tag.record.tag)))
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
        listed, is_whole = whole_groups(self._to_list(message.name, after, end))
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
        request = self._missing_roots.ask(version, now)
        return [Send(connection, request)] if request is not None else []

    def _root_of(self, tag: KnownTag) -> bytes | None:
        return self._roots.get(tag.record.root) if tag.record.root is not None else None

    def _near(self, name: str, tag: str | None) -> tuple[str, ...]:
        """What may have been meant: other tags of a known name, else other names."""
        known = self._records.name(name)
        tags = known.tags if known is not None else ()
        return self._suggestions.near(name, tag, tags, self._records.names())


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


def _unavailable(request: int, failure: str) -> Failed:
    return Failed(request, "unavailable", _clipped(failure))


def _clipped(text: str) -> str:
    return text.encode()[: bounds.REASON_BYTES_MAX].decode(errors="ignore")
