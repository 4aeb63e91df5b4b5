"""A bundle: a directory store in an uncompressed tar, for where no network goes. `tar xf` makes the store of it.

Members are regular files named by their keys (`layout`), in the order of a publish, `swarm.cbor` first; header blocks
as POSIX.1-2001 has them (ustar; a pax header with `path` alone where a name is longer than ustar's). The reader
believes no name that is not a key, takes no link, device or sparse file, no size past the format's bounds, no key
twice, and no archive without its end: all of that is looked at before anything is done with a bundle.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from swarm.errors import CorruptError, DecodeError, RefusedError
from swarm.protocol.bounds import BLOCK_BYTES_MAX, RECORD_BYTES_MAX, ROOT_BYTES_MAX
from swarm.protocol.names import is_name, is_tag
from swarm.store.blocks import HEAD_BYTES
from swarm.store.identity import IDENTITY_BYTES_MAX
from swarm.store.layout import (
    BLOCKS,
    HISTORY,
    IDENTITY_KEY,
    NAMES,
    TAGS,
    VERSIONS,
    block_of,
    name_of,
    number_of,
    version_of_key,
)

SECTOR = 512
END = bytes(2 * SECTOR)
PAX_BYTES_MAX = 4096
"""A key is at most some 450 bytes; a pax header says it once."""

_REGULAR = {tarfile.REGTYPE, tarfile.AREGTYPE}
_DIRECTORY = tarfile.DIRTYPE
_PAX = tarfile.XHDTYPE


class Writer(Protocol):
    """Something that takes bytes one after another."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Member:
    """An object in a bundle: its key, and where its bytes are in the file."""

    key: str
    offset: int
    size: int


def header(key: str, size: int, time_s: int) -> bytes:
    """The blocks that stand before an object's bytes."""
    info = tarfile.TarInfo(key)
    info.size, info.mtime, info.mode = size, time_s, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    """What stands after an object's bytes."""
    return bytes(-size % SECTOR)


def read_members(file: BinaryIO) -> Iterator[Member]:
    """Every object of a bundle, from where `file` stands; it must be seekable. Ends after the archive's end.

    Raises RefusedError (what no bundle holds), CorruptError (truncated, a broken header).
    """
    seen: set[str] = set()
    while True:
        member = _next(file)
        if member is None:
            break
        if member.key in seen:
            raise _refused(f"{member.key} twice")
        if not seen and member.key != IDENTITY_KEY:
            raise _refused(f"{member.key} before {IDENTITY_KEY}")
        seen.add(member.key)
        yield member
        _skip(file, member)
    if not seen:
        raise _refused("nothing")


def _next(file: BinaryIO) -> Member | None:
    name: str | None = None
    while True:
        block = _exactly(file, SECTOR)
        if block == bytes(SECTOR):
            return None
        info = _header(block)
        if info.type == _PAX and name is None:
            name = _pax_path(file, info.size)
        elif info.type == _DIRECTORY and info.size == 0 and name is None:
            _check_directory(info.name)
        elif info.type in _REGULAR:
            key = info.name if name is None else name
            return Member(key, file.tell(), _checked_size(key, info.size))
        else:
            raise _refused(f"{info.name!r}, which is no regular file")


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
        raise CorruptError(f"this is no bundle, or a broken one: {error}", hint="copy it again") from error


def _pax_path(file: BinaryIO, size: int) -> str:
    """The one record of a pax header that the writer makes: `LENGTH path=KEY` and a newline."""
    if not 0 < size <= PAX_BYTES_MAX:
        raise _refused(f"a pax header of {size} bytes")
    data = _exactly(file, size + -size % SECTOR)[:size]
    length, _, rest = data.partition(b" ")
    is_ours = length == str(size).encode() and rest.startswith(b"path=") and rest.find(b"\n") == len(rest) - 1
    if not is_ours:
        raise _refused("a pax header with more than a path")
    try:
        return rest[len(b"path=") : -1].decode()
    except UnicodeDecodeError as error:
        raise _refused("a name that is no text") from error


def _check_directory(name: str) -> None:
    """GNU tar names the directories above too; they say nothing, but must be of the layout."""
    tops = {top.rstrip("/") for top in (BLOCKS, VERSIONS, HISTORY, TAGS, NAMES)}
    parts = name.rstrip("/").split("/")
    if parts[0] not in tops or any(part in {"", ".", ".."} for part in parts):
        raise _refused(f"the directory {name!r}")


def _checked_size(key: str, size: int) -> int:
    bound = _bound(key)
    if bound is None:
        raise _refused(f"{key!r}")
    if not 0 <= size <= bound:
        raise _refused(f"{key} with {size} bytes, more than {bound}")
    return size


def _bound(key: str) -> int | None:
    """How long the object under a key may be; None for what is no key of a bundle."""
    if key == IDENTITY_KEY:
        return IDENTITY_BYTES_MAX
    if key.startswith(BLOCKS) and block_of(key) is not None:
        return HEAD_BYTES + BLOCK_BYTES_MAX
    if key.startswith(VERSIONS) and version_of_key(key) is not None:
        return ROOT_BYTES_MAX
    is_record = (key.startswith(NAMES) and is_name(name_of(key) or "")) or _is_of_tag(key)
    return RECORD_BYTES_MAX if is_record else None


def _is_of_tag(key: str) -> bool:
    path = key
    if key.startswith(HISTORY):
        path = key.removeprefix(HISTORY).rpartition("/")[0]
        try:
            number_of(key)
        except DecodeError:
            return False
    elif key.startswith(TAGS):
        path = key.removeprefix(TAGS)
    else:
        return False
    name, _, tag = path.rpartition("/")
    return is_name(name) and is_tag(tag)


def _skip(file: BinaryIO, member: Member) -> None:
    end = member.offset + member.size + -member.size % SECTOR
    if end > member.offset:
        # A seek goes past the end without a word, so the last byte is read.
        file.seek(end - 1)
        _exactly(file, 1)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise CorruptError("the bundle ends too early", hint="copy it again: it is truncated")
    return data


def _refused(what: str) -> RefusedError:
    return RefusedError(f"this is no bundle: it holds {what}", hint="swarm export makes bundles; nothing was written")
