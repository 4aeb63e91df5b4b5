"""What an edit, an insertion and a removal cost in pages: the reason why pages end where hashes say."""

from __future__ import annotations

import pytest

from swarm.protocol.ids import BlockId
from swarm.protocol.pages import Entry
from swarm.protocol.version_builder import BuiltVersion, build_version
from tests.protocol.samples import CUTTER, block, file


def changed_pages(before: BuiltVersion, after: BuiltVersion) -> int:
    return len(set(after.pages) - set(before.pages))


def many(count: int) -> tuple[list[Entry], list[tuple[BlockId, int]]]:
    """So many files, and a block for each."""
    entries = [file(b"%03d" % (n // 1000) + b"-%06d" % n, size=1000, mtime_ns=n * 10**9) for n in range(count)]
    return entries, [block(n, 1000) for n in range(count)]


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_one_changed_file_costs_one_page_of_each_list(count: int) -> None:
    entries, stream = many(count)
    middle = count // 2
    before = build_version(entries, stream, CUTTER)
    assert len(before.pages) > count // 2_000
    changed = [*entries[:middle], file(entries[middle].path, b"new", size=1200, mtime_ns=7), *entries[middle + 1 :]]
    after = build_version(changed, [*stream[:middle], block(10**6, 1200), *stream[middle + 1 :]], CUTTER)
    assert changed_pages(before, after) <= 3
    inserted = [*entries[:middle], file(entries[middle].path + b"!", size=500), *entries[middle:]]
    inserted.sort(key=lambda entry: entry.path)
    after = build_version(inserted, [*stream[:middle], block(10**6 + 1, 500), *stream[middle:]], CUTTER)
    assert changed_pages(before, after) <= 4
    removed = build_version(entries[:middle] + entries[middle + 1 :], stream[:middle] + stream[middle + 1 :], CUTTER)
    assert changed_pages(before, removed) <= 4
    assert sum(map(len, before.pages)) / len(before.pages) < 400_000
