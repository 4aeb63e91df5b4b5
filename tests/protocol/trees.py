"""Hypothesis strategies for trees and streams, and a naive model of both."""

from __future__ import annotations

from hypothesis import strategies as st

from swarm.protocol.ids import BlockId, digest
from swarm.protocol.pages import Entry, Kind

_part = st.sampled_from([b"a", b"b", b"a.b", b"a-b", b"\xff", b"long name", b"Z"])
_mtime = st.integers(-(2**62), 2**62)


@st.composite
def trees(draw: st.DrawFn) -> list[Entry]:
    """Entries in path order: files and links at the leaves, every directory listed."""
    leaves = draw(st.sets(st.lists(_part, min_size=1, max_size=4).map(tuple), max_size=12))
    directories = {leaf[:depth] for leaf in leaves for depth in range(1, len(leaf))}
    has_times = draw(st.booleans())
    entries = []
    for parts in leaves | directories:
        mtime = draw(_mtime) if has_times else None
        path = b"/".join(parts)
        kind = Kind.DIRECTORY if parts in directories else draw(st.sampled_from(list(Kind)))
        match kind:
            case Kind.DIRECTORY:
                entries.append(Entry(path, kind, draw(st.sampled_from([0o755, 0o700, 0o777])), mtime))
            case Kind.SYMLINK:
                entries.append(Entry(path, kind, 0o777, mtime, target=b"../" * (len(parts) - 1) + draw(_part)))
            case Kind.FILE:
                size = draw(st.integers(0, 5000))
                mode = draw(st.sampled_from([0o644, 0o755, 0]))
                entries.append(Entry(path, kind, mode, mtime, size, digest(draw(st.binary(max_size=3)))))
    return sorted(entries, key=lambda entry: entry.path)


def block(number: int) -> tuple[BlockId, int]:
    """A block whose length is told by its number."""
    return BlockId(digest(b"block %d" % number)), 1 + number * 7 % 1000


streams = st.lists(st.integers(0, 6), max_size=60).map(lambda numbers: [block(n) for n in numbers])
