"""What a tag means and meant: `history/<name>/<tag>/<seq>` and the pointer `tags/<name>/<tag>`.

Creating the record's object is the commit; the pointer, a copy of the newest record, is written after it and may lag.
So a reader takes the pointer, then asks for the next numbers until there is none. Every record is verified: signature,
realm, that it is what its key says, and that it follows the one before it. Whether its key may sign that name, and
whether it is newer than what was seen elsewhere, is the caller's question (`swarm.protocol.chain`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swarm.errors import ConflictError, CorruptError, DecodeError, PermissionError_, SignatureError, TrustError
from swarm.protocol.ids import digest
from swarm.protocol.records import TagRecord, decode_tag_record, describe, record_id
from swarm.store._objects import Listed, Objects
from swarm.store._workers import for_each
from swarm.store.commit import Commit, read_record
from swarm.store.identity import Identity
from swarm.store.layout import history_key, tag_key, tags_prefix

LAG_MAX = 1024
"""Records that a pointer may lie behind: each is a commit whose pointer could not be written."""

READS_AT_ONCE = 16
HISTORY_RECORDS_MAX = 1000
"""Newest first, so the beginning of a longer history is left out: three years of a tag that moves daily."""


class TagHistory:
    """Reads and commits tag records of one store."""

    def __init__(self, objects: Objects, identity: Identity, commit: Commit) -> None:
        self._objects = objects
        self._identity = identity
        self._commit = commit

    async def newest(self, name: str, tag: str) -> bytes | None:
        """The newest record; None if the tag never was. Raises CorruptError, PermissionError_, UnavailableError."""
        data = await read_record(self._objects, tag_key(name, tag))
        if data is not None:
            self._checked(data, tag_key(name, tag), name, tag, None)
        for _ in range(LAG_MAX):
            following = await self._following(data, name, tag)
            if following is None:
                return data
            data = following
        raise CorruptError(f"{tag_key(name, tag)} in {self._objects.url} lies more than {LAG_MAX} records behind")

    async def records(self, name: str, tag: str, limit: int = HISTORY_RECORDS_MAX) -> list[bytes]:
        """The newest `limit` records, oldest first; fewer where older ones are not here, as after an import."""
        newest = await self.newest(name, tag)
        if newest is None:
            return []
        found = {decode_tag_record(newest).seq: newest}
        (last,) = found
        seqs = range(max(0, last + 1 - limit), last)

        async def read(seq: int) -> None:
            record = await read_record(self._objects, history_key(name, tag, seq))
            if record is not None:
                found[seq] = record

        await for_each(seqs, read, concurrency=READS_AT_ONCE)
        first = next((seq + 1 for seq in reversed(seqs) if seq not in found), seqs.start)
        self._check_links(found, name, tag, range(first, last))
        return [found[seq] for seq in range(first, last + 1)]

    async def commit(self, data: bytes) -> None:
        """Makes `data` the tag's newest record. Raises ConflictError, with the newest, if somebody was first.

        May be repeated with the same bytes after any other error: a record that is there already is committed.
        """
        record = decode_tag_record(data)
        check_realm_of_record(record.realm, self._identity, describe(record))
        key = history_key(record.name, record.tag, record.seq)
        newest = await self.newest(record.name, record.tag)
        if _follows(record, newest):
            if not await self._commit.create(key, data):
                raise _conflict(record, await self.newest(record.name, record.tag))
        elif await read_record(self._objects, key) != data:
            raise _conflict(record, newest)
        elif newest != data:
            return  # ours, and somebody has built on it since: the pointer is his
        await self._objects.put(tag_key(record.name, record.tag), data)

    async def adopt(self, data: bytes, before: Mapping[int, bytes]) -> bool:
        """Makes `data`, which another store of the realm has, the tag's newest record here, with as much of `before`
        (the records below it, by number) as is known and missing. False where what is here is as new: then it only gets
        what it lacked of `before`.

        Raises ConflictError, with the newest record here, where the two histories are no longer one.
        """
        record = decode_tag_record(data)
        check_realm_of_record(record.realm, self._identity, describe(record))
        newest = await self.newest(record.name, record.tag)
        here = decode_tag_record(newest) if newest is not None else None
        if here is not None and here.order >= record.order:
            if here.seq >= record.seq and await self._differs({**before, record.seq: data}, record, here.seq):
                raise _conflict(record, newest)
            if here.epoch == record.epoch:
                await self._fill(data, before, record)
            return False
        if here is not None and (here.epoch != record.epoch or before.get(here.seq, newest) != newest):
            raise _conflict(record, newest)
        for seq in sorted(one for one in before if here is None or one > here.seq):
            await self._place(before[seq], record, seq)
        await self._place(data, record, record.seq)
        await self._objects.put(tag_key(record.name, record.tag), data)
        return True

    async def _fill(self, data: bytes, before: Mapping[int, bytes], record: TagRecord) -> None:
        """What `data` is known to follow, where it is a record of this history, and a bundle without it came first."""
        if await read_record(self._objects, history_key(record.name, record.tag, record.seq)) == data:
            for seq in sorted(before):
                await self._place(before[seq], record, seq)

    async def _differs(self, known: Mapping[int, bytes], record: TagRecord, last: int) -> bool:
        """Whether what is here under a number is not what is known to have it."""
        for seq in sorted(known):
            there = await read_record(self._objects, history_key(record.name, record.tag, seq)) if seq <= last else None
            if there is not None and there != known[seq]:
                return True
        return False

    async def _place(self, data: bytes, record: TagRecord, seq: int) -> None:
        key = history_key(record.name, record.tag, seq)
        self._checked(data, key, record.name, record.tag, seq)
        if not await self._commit.create(key, data) and await read_record(self._objects, key) != data:
            raise _conflict(record, await self.newest(record.name, record.tag))

    async def tags(self, name: str) -> list[str]:
        """Every tag that has a pointer, those that were untagged included."""
        prefix = tags_prefix(name)
        found = [listed.key.removeprefix(prefix) for listed in await self._pointers(name)]
        return [tag for tag in found if "/" not in tag]

    async def has(self, name: str, tag: str, seq: int) -> bool:
        """Whether there is a record number `seq`; it is not read."""
        return await self._objects.stat(history_key(name, tag, seq)) is not None

    async def tags_state(self, name: str) -> bytes:
        """A hash over every pointer's key, length and time."""
        lines = [f"{one.key} {one.size} {one.modified_s!r}\n" for one in await self._pointers(name)]
        return digest("".join(lines).encode())

    async def _pointers(self, name: str) -> list[Listed]:
        found: list[Listed] = []
        after = ""
        while True:
            page = await self._objects.list_page(tags_prefix(name), after=after)
            found.extend(page.objects)
            if page.is_last or not page.objects:
                return found
            after = page.objects[-1].key

    async def _following(self, data: bytes | None, name: str, tag: str) -> bytes | None:
        seq = decode_tag_record(data).seq + 1 if data is not None else 0
        key = history_key(name, tag, seq)
        try:
            following = await read_record(self._objects, key)
        except PermissionError_:
            if data is None:
                raise
            return None  # Without s3:ListBucket a key that is not there is forbidden, and the pointer could be read.
        if following is not None and self._checked(following, key, name, tag, seq).prev != (data and record_id(data)):
            raise CorruptError(f"{key} in {self._objects.url} does not follow the record before it")
        return following

    def _check_links(self, records: Mapping[int, bytes], name: str, tag: str, seqs: Sequence[int]) -> None:
        """Each record names the one before it, so the newest, which was verified, vouches for all."""
        for seq in reversed(seqs):
            if record_id(records[seq]) != decode_tag_record(records[seq + 1]).prev:
                key = history_key(name, tag, seq)
                raise CorruptError(f"{key} in {self._objects.url} is not the one that its successor follows")

    def _checked(self, data: bytes, key: str, name: str, tag: str, seq: int | None) -> TagRecord:
        try:
            record = decode_tag_record(data)
        except (DecodeError, SignatureError) as error:
            raise CorruptError(f"{key} in {self._objects.url} is no tag record: {error.message}") from error
        if (record.name, record.tag) != (name, tag) or seq not in {None, record.seq}:
            raise CorruptError(f"{key} in {self._objects.url} holds another record: {describe(record)}")
        check_realm_of_record(record.realm, self._identity, key)
        return record


def check_realm_of_record(realm: bytes, identity: Identity, what: str) -> None:
    """Raises TrustError: a record of one realm means nothing in another."""
    if realm != identity.realm:
        hint = "swarm trust NAME FINGERPRINT --realm HEX, if you moved it there yourself"
        raise TrustError(f"{what} is of realm {realm.hex()}, and its store of {identity.realm.hex()}", hint=hint)


def _follows(record: TagRecord, newest: bytes | None) -> bool:
    if newest is None:
        return record.seq == 0
    return record.seq == decode_tag_record(newest).seq + 1 and record.prev == record_id(newest)


def _conflict(record: TagRecord, newest: bytes | None) -> ConflictError:
    there = describe(decode_tag_record(newest)) if newest is not None else "nothing"
    hint = "look at what is there (swarm log NAME:TAG), then do it again"
    return ConflictError(
        f"another producer was first: there is {there}, ours is {describe(record)}", hint=hint, newest=newest
    )
