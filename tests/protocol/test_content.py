from __future__ import annotations

from dataclasses import replace

from swarm.protocol.content import ContentHasher, content_of
from swarm.protocol.ids import digest
from swarm.protocol.pages import decode_tree_page, encode_tree_page
from tests.protocol.samples import directory, file, symlink


def test_content_leaves_out_times_and_pages_and_nothing_else() -> None:
    entries = [directory(b"a"), file(b"a/x", b"1"), symlink(b"l", b"a/x")]
    same = [replace(entry, mtime_ns=None) for entry in entries]
    assert content_of(entries) == content_of(same)
    for number, changes in (
        (0, {"mode": 0o700}),
        (1, {"path": b"a/y"}),
        (1, {"digest": digest(b"2")}),
        (1, {"mode": 0o755}),
        (2, {"target": b"a/y"}),
    ):
        other = [*entries]
        other[number] = replace(entries[number], **changes)
        assert content_of(other) != content_of(entries)
    assert content_of(entries[:2]) != content_of(entries)


def test_content_of_pages_is_that_of_entries() -> None:
    entries = [directory(b"a"), file(b"a/x", b"1", mode=0o755), symlink(b"l", b"a/x")]
    hasher = ContentHasher()
    for part in (entries[:2], entries[2:]):
        hasher.add_page(decode_tree_page(encode_tree_page(part).data))
    assert hasher.digest() == content_of(entries)


def test_columns_cannot_run_into_each_other() -> None:
    one = [file(b"a", b"1"), file(b"b", b"2")]
    two = [file(b"a", b"2"), file(b"b", b"1")]
    assert content_of(one) != content_of(two)
