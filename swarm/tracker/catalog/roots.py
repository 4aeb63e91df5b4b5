"""Roots in memory, as many as fit, and the shapes of more versions than that: what leases need of a root."""

from __future__ import annotations

from collections import OrderedDict

from swarm.errors import SwarmError
from swarm.protocol.ids import VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import decode_root, version_of
from swarm.tracker.shape import Shape

ROOTS_BYTES_MAX = 64 << 20
"""The newest roots of many datasets; a root is some kilobytes, at most 1 MiB. Others are looked up again."""

SHAPES_MAX = 65_536


class Roots:
    """The least recently used go first."""

    def __init__(self) -> None:
        self._roots: OrderedDict[VersionId, bytes] = OrderedDict()
        self._shapes: OrderedDict[VersionId, Shape] = OrderedDict()
        self._bytes = 0

    def keep(self, version: VersionId, root: bytes) -> Shape | None:
        """Keeps a root whose hash and form are right, and returns its shape; None, and nothing kept, otherwise."""
        if version_of(root) != version:
            return None
        try:
            space = IndexSpace(decode_root(root))
        except SwarmError:
            return None
        shape = self._shapes[version] = Shape(space.page_count, space.size)
        if len(self._shapes) > SHAPES_MAX:
            self._shapes.popitem(last=False)
        self._bytes += len(root) - len(self._roots.pop(version, b""))
        self._roots[version] = root
        while self._bytes > ROOTS_BYTES_MAX:
            self._bytes -= len(self._roots.popitem(last=False)[1])
        return shape

    def get(self, version: VersionId) -> bytes | None:
        root = self._roots.get(version)
        if root is not None:
            self._roots.move_to_end(version)
        return root

    def shape(self, version: VersionId) -> Shape | None:
        return self._shapes.get(version)

    def check(self) -> None:
        assert self._bytes == sum(map(len, self._roots.values())) <= ROOTS_BYTES_MAX
