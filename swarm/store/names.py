"""Who may sign a name's tags: the chain `names/<name>/<n>`, and by it which names a store has."""

from __future__ import annotations

from swarm.errors import ConflictError, CorruptError, DecodeError, PermissionError_
from swarm.protocol.bounds import NAME_RECORDS_MAX
from swarm.protocol.chain import verify_chain
from swarm.protocol.records import decode_name_record
from swarm.store._objects import Objects
from swarm.store.commit import Commit, read_record
from swarm.store.history import check_realm_of_record
from swarm.store.identity import Identity
from swarm.store.layout import NAMES, name_key, name_of


class Names:
    """Reads and commits name records of one store."""

    def __init__(self, objects: Objects, identity: Identity, commit: Commit) -> None:
        self._objects = objects
        self._identity = identity
        self._commit = commit

    async def chain(self, name: str) -> tuple[bytes, ...]:
        """The records, n = 0 first, verified as a chain; empty if nobody has claimed the name. Raises CorruptError."""
        records: list[bytes] = []
        while len(records) < NAME_RECORDS_MAX:
            record = await self._record(name, len(records))
            if record is None:
                break
            records.append(record)
        if records:
            self._verify(records, name)
        return tuple(records)

    async def commit(self, data: bytes) -> None:
        """Adds a record to its name's chain. Raises ConflictError, with the newest, if somebody was first.

        May be repeated with the same bytes after any other error.
        """
        record = decode_name_record(data)
        check_realm_of_record(record.realm, self._identity, f"name record {record.n} of '{record.name}'")
        chain = await self.chain(record.name)
        if record.n < len(chain) and chain[record.n] == data:
            return
        if record.n != len(chain):
            raise _conflict(record.name, record.n, chain)
        verify_chain([*chain, data], name=record.name, realm=self._identity.realm)
        if not await self._commit.create(name_key(record.name, record.n), data):
            raise _conflict(record.name, record.n, await self.chain(record.name))

    async def names(self) -> list[str]:
        """Every name that has a chain, sorted."""
        found: set[str] = set()
        after = ""
        while True:
            page = await self._objects.list_page(NAMES, after=after)
            found.update(name for listed in page.objects if (name := name_of(listed.key)) is not None)
            if page.is_last or not page.objects:
                return sorted(found)
            after = page.objects[-1].key

    async def _record(self, name: str, n: int) -> bytes | None:
        try:
            return await read_record(self._objects, name_key(name, n))
        except PermissionError_:
            if n == 0:
                raise
            return None  # Without s3:ListBucket a key that is not there is forbidden, and record n - 1 could be read.

    def _verify(self, records: list[bytes], name: str) -> None:
        try:
            verify_chain(records, name=name, realm=self._identity.realm)
        except DecodeError as error:
            raise CorruptError(
                f"{name_key(name, 0)} in {self._objects.url} begins no chain: {error.message}"
            ) from error


def _conflict(name: str, n: int, chain: tuple[bytes, ...]) -> ConflictError:
    message = f"another producer changed the keys of '{name}' first: it has {len(chain)} records, ours is number {n}"
    return ConflictError(
        message, hint="look at them (swarm key show), then try again", newest=chain[-1] if chain else None
    )
