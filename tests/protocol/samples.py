"""Small valid objects that the tests of the formats start from."""

from __future__ import annotations

from swarm.protocol.ids import AgentId, BlockId, Realm, VersionId, digest
from swarm.protocol.keys import SigningKey
from swarm.protocol.lease import Lease
from swarm.protocol.manifest import Cutter
from swarm.protocol.pages import Entry, Kind
from swarm.protocol.records import NameRecord, TagRecord
from swarm.protocol.version_builder import BuiltVersion, build_version

KEY = SigningKey.from_seed(bytes(range(32)))
OTHER_KEY = SigningKey.from_seed(bytes(range(32, 64)))
REALM = Realm(bytes(range(16)))
ROOT_ID = VersionId(digest(b"a root"))
AGENT = AgentId(digest(b"an agent"))
CUTTER = Cutter("fastcdc-2020", 1 << 16, 1 << 14, 1 << 18, 1, digest(b"a gear table"), (0xFFFF, 0xFF))


def file(path: bytes, data: bytes = b"", *, mode: int = 0o644, mtime_ns: int | None = 0, size: int = -1) -> Entry:
    return Entry(path, Kind.FILE, mode, mtime_ns, len(data) if size < 0 else size, digest(data))


def directory(path: bytes, *, mode: int = 0o755, mtime_ns: int | None = 0) -> Entry:
    return Entry(path, Kind.DIRECTORY, mode, mtime_ns)


def symlink(path: bytes, target: bytes, *, mtime_ns: int | None = 0) -> Entry:
    return Entry(path, Kind.SYMLINK, 0o777, mtime_ns, target=target)


def block(number: int, length: int) -> tuple[BlockId, int]:
    return BlockId(digest(b"block %d" % number)), length


def small_version() -> BuiltVersion:
    """Two directories, two files, a symlink; three blocks, one of them twice."""
    entries = [
        directory(b"a"),
        file(b"a/one", b"1" * 300, mtime_ns=1_700_000_000_123_456_789),
        symlink(b"a/up", b"../b/two"),
        directory(b"b", mode=0o700),
        file(b"b/empty"),
        file(b"b/two", b"2" * 500, mode=0o755),
    ]
    return build_version(entries, [block(1, 300), block(2, 100), block(1, 300), block(3, 100)], CUTTER)


def tag_record(**changes: object) -> TagRecord:
    fields: dict[str, object] = {
        "realm": REALM,
        "name": "@maps/tiles",
        "tag": "latest",
        "epoch": 1_700_000_000_000,
        "seq": 0,
        "prev": None,
        "root": ROOT_ID,
        "time": 1_700_000_000_001,
        "key": KEY.public_key,
    }
    return TagRecord(**(fields | changes))  # type: ignore[arg-type]


def name_record(**changes: object) -> NameRecord:
    fields: dict[str, object] = {
        "realm": REALM,
        "name": "@maps/tiles",
        "n": 0,
        "keys": (KEY.public_key,),
        "prev": None,
        "time": 1_700_000_000_000,
        "key": KEY.public_key,
    }
    return NameRecord(**(fields | changes))  # type: ignore[arg-type]


def lease(**changes: object) -> Lease:
    fields: dict[str, object] = {
        "tracker_epoch": 1_700_000_000_000,
        "number": 7,
        "version": ROOT_ID,
        "indexes": ((12, 1),),
        "agent": AGENT,
        "expires": 1_700_000_015_000,
    }
    return Lease(**(fields | changes))  # type: ignore[arg-type]
