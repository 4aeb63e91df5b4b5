"""A producer who lies: a valid version's bytes are changed, hashes and signature made right again, and it is tagged.

Only the meaning is wrong, so nothing but the decoder's own judgement stands between it and the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import trio

from swarm.config.key_file import load_key
from swarm.protocol.ids import VersionId, digest
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import decode_root
from swarm.protocol.records import decode_tag_record, record_id, sign_tag_record
from swarm.store import open_store
from swarm.store.blocks import encode_block

Change = Callable[[bytes], bytes]


def tag_a_lie(store: Path, key_file: Path, name: str, tag: str, page: Change, root: Change = lambda root: root) -> str:
    """Changes the tree page of what `name:tag` means, then its root; signs that as the tag's next. Returns its id."""
    return trio.run(_tag_a_lie, store, key_file, name, tag, page, root)


async def _tag_a_lie(store: Path, key_file: Path, name: str, tag: str, page: Change, root: Change) -> str:
    key = load_key(key_file)
    async with open_store(str(store)) as opened:
        newest = await opened.newest_tag(name, tag)
        assert newest is not None
        record = decode_tag_record(newest)
        assert record.root is not None
        true_root = await opened.get_root(record.root)
        (tree,) = IndexSpace(decode_root(true_root)).page_refs[1:]
        lie = page(await opened.get_block(tree.id, max_length=tree.length))
        root_of_lie = root(true_root.replace(tree.id, digest(lie)))
        version = VersionId(digest(root_of_lie))
        _write(store / "blocks" / digest(lie).hex()[:2] / digest(lie).hex(), encode_block(lie))
        _write(store / "versions" / version.hex(), root_of_lie)
        changes = {"root": version, "seq": record.seq + 1, "prev": record_id(newest)}
        await opened.commit_tag(sign_tag_record(type(record)(**_fields(record) | changes), key))  # type: ignore[arg-type]
    return version.hex()


def _fields(record: object) -> dict[str, object]:
    return {name: getattr(record, name) for name in type(record).__slots__}  # type: ignore[attr-defined]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
