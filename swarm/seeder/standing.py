"""What the records say, before a publish, of the names and tags that it is about: who may sign, what was last.

Read once, at the beginning: a tag that somebody moves afterwards is then a conflict, not something to be overwritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from swarm.errors import CorruptError, MissingError, TrustError, UsageError
from swarm.protocol.chain import Chain, is_valid, verify_chain
from swarm.protocol.keys import SigningKey
from swarm.protocol.manifest import Root, decode_root
from swarm.protocol.names import LATEST, Reference, check_tag
from swarm.protocol.records import TagRecord, decode_tag_record
from swarm.protocol.tags import is_immutable, newest_release
from swarm.store import Store

OTHER_TAGS_MAX = 64
"""How many tags are looked at for a name's newest version when neither the wanted ones nor `latest` say anything."""


@dataclass(frozen=True, slots=True)
class NameStanding:
    """Who may sign tags of a name. No chain: nobody has published it yet."""

    name: str
    records: tuple[bytes, ...] = ()
    chain: Chain | None = None


@dataclass(frozen=True, slots=True)
class TagStanding:
    """The newest record of a tag, if there is one, and the root that it points to, if that can be had.

    `is_valid`: its key may still sign, so that consumers believe it.
    """

    name: str
    tag: str
    data: bytes | None = None
    record: TagRecord | None = None
    root: Root | None = None
    is_valid: bool = False

    @property
    def is_immutable(self) -> bool:
        """Whether the tag, once set, means the same for ever."""
        return is_immutable(self.tag) or (self.record is not None and self.record.immutable)


@dataclass(frozen=True, slots=True)
class Standing:
    """All of it, in the order in which the tags were named."""

    names: tuple[NameStanding, ...]
    tags: tuple[TagStanding, ...]

    def name(self, name: str) -> NameStanding:
        return next(found for found in self.names if found.name == name)


def goals_of(references: Sequence[Reference]) -> tuple[tuple[str, str], ...]:
    """(name, tag) of what is to be published, each once. No tag means `latest`. Raises UsageError."""
    if not references:
        raise UsageError("a publish needs a name", hint="swarm seed PATH NAME[:TAG]")
    return tuple(dict.fromkeys(_goal(reference) for reference in references))


def _goal(reference: Reference) -> tuple[str, str]:
    if reference.version is not None or reference.digest_prefix is not None:
        raise UsageError(f"{reference} is a digest, which is found out by publishing", hint="name a tag: NAME:TAG")
    return reference.name, check_tag(reference.tag or LATEST)


async def read_standing(records: Store | None, goals: Iterable[tuple[str, str]], key: SigningKey) -> Standing:
    """Raises TrustError where `key` may not sign one of the names. `records` None: there are none yet."""
    goals = tuple(goals)
    names = {name: await read_name(records, name) for name in dict.fromkeys(name for name, _ in goals)}
    for name in names.values():
        check_key(name, key)
    tags = [await read_tag(records, names[name], tag) for name, tag in goals]
    return Standing(tuple(names.values()), tuple(tags))


async def read_name(records: Store | None, name: str) -> NameStanding:
    """The chain of a name, verified."""
    chain = await records.name_chain(name) if records else ()
    return NameStanding(name, chain, verify_chain(chain, name=name, realm=records.realm) if records and chain else None)


def check_key(standing: NameStanding, key: SigningKey) -> None:
    """Raises TrustError unless `key` may sign tags of the name, or nobody has claimed it."""
    if standing.chain and key.public_key not in standing.chain.keys:
        raise TrustError(
            f"the key {key.fingerprint} may not publish '{standing.name}'; "
            f"who may: {', '.join(standing.chain.fingerprints)}",
            hint=f"one of them can allow it: swarm key add {standing.name} {key.fingerprint}",
        )


async def read_tag(records: Store | None, name: NameStanding, tag: str) -> TagStanding:
    """The newest record of a tag, and its root."""
    data = await records.newest_tag(name.name, tag) if records else None
    if records is None or data is None:
        return TagStanding(name.name, tag)
    record = decode_tag_record(data)
    valid = name.chain is not None and is_valid(record, name.chain)
    return TagStanding(name.name, tag, data, record, await _root(records, record), valid)


async def _root(records: Store, record: TagRecord) -> Root | None:
    """None where it is gone: then this publish brings what is missing."""
    if record.root is None:
        return None
    try:
        return decode_root(await records.get_root(record.root))
    except (MissingError, CorruptError):
        return None


async def newest_root(records: Store | None, standing: Standing) -> Root | None:
    """The root of the newest version of the first name: of the tags that are published, of `latest` and the newest
    release, the one whose record is the youngest; else the youngest of some other tags."""
    own = [tag for tag in standing.tags if tag.name == standing.names[0].name]
    others = await _more_tags(records, standing.names[0], [tag.tag for tag in own])
    return _youngest([*own, *others])


async def _more_tags(records: Store | None, name: NameStanding, known: list[str]) -> list[TagStanding]:
    if records is None or name.chain is None:
        return []
    tags = await records.tags(name.name)
    first = [tag for tag in dict.fromkeys((LATEST, newest_release(tags) or LATEST)) if tag in tags]
    wanted = first or sorted(tags)[:OTHER_TAGS_MAX]
    return [await read_tag(records, name, tag) for tag in wanted if tag not in known]


def _youngest(tags: Iterable[TagStanding]) -> Root | None:
    def dated() -> Iterator[tuple[int, str, Root]]:
        for tag in tags:
            if tag.record and tag.root:
                yield tag.record.time, tag.tag, tag.root

    return max(dated(), key=lambda found: found[:2], default=(0, "", None))[2]
