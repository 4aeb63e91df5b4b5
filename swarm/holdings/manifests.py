"""Roots and pages, kept whole in `$SWARM_HOME`. Synchronous, for worker threads; any number of processes.

Pages lie under their own digests, so that a version shares those that it has in common with another. What is read is
hashed again: neither is synced before the name is given, and after a power cut a file may be there without its bytes.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from swarm.errors import InternalError, VerificationError
from swarm.holdings.home import Home
from swarm.holdings.linux import sync_file_system
from swarm.holdings.oserror import translated
from swarm.protocol.bounds import PAGE_BYTES_MAX, ROOT_BYTES_MAX
from swarm.protocol.ids import DIGEST_BYTES, BlockId, Index, VersionId, digest
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.manifest import decode_root
from swarm.protocol.version import Version, assemble

UNNEEDED_AGE_S = 86_400.0
"""A root that no holding and no staging area names is kept this long: a fetch keeps the root before it stages, and a
seeder may give blocks that it reads from a store."""

SKETCH_BYTES = 8

SPACES_KEPT_MAX = 16
"""Decoded roots in memory; one of 10,000 pages takes 2 MB."""


class Manifests:
    """The manifests of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._spaces: OrderedDict[VersionId, IndexSpace] = OrderedDict()

    def keep_root(self, data: bytes) -> VersionId:
        """Verified by its own digest, which is returned. Raises DecodeError, UnsafeManifestError, NoSpaceError."""
        decode_root(data)
        version = VersionId(digest(data))
        with self._home.manifests_locked(exclusive=False):
            _keep(self._home.root(version), data, version)
        return version

    def keep_page(self, version: VersionId, index: Index, data: bytes) -> None:
        """After its root. Raises VerificationError where the bytes are not the page's, NoSpaceError."""
        space = self.space(version)
        if space is None or not space.is_page(index):
            raise InternalError(f"index {index} is no page of a version whose root is kept")
        ref = space.page_ref(index)
        if len(data) != ref.length or digest(data) != ref.id:
            raise VerificationError(f"page {index} has other bytes than its version says")
        with self._home.manifests_locked(exclusive=False):
            _keep(self._home.page(ref.id), data, ref.id)

    def root_bytes(self, version: VersionId) -> bytes | None:
        """None where it is not kept, or is not what its name says (it is then removed)."""
        return _verified(self._home.root(version), version, ROOT_BYTES_MAX)

    def space(self, version: VersionId) -> IndexSpace | None:
        """The index space of a version whose root is kept."""
        with self._lock:
            found = self._spaces.get(version)
        if found is None:
            data = self.root_bytes(version)
            if data is None:
                return None
            found = IndexSpace(decode_root(data))
            with self._lock:
                self._spaces[version] = found
                while len(self._spaces) > SPACES_KEPT_MAX:
                    self._spaces.popitem(last=False)
        return found

    def page(self, page: BlockId) -> bytes | None:
        """As `root_bytes`, by the page's digest."""
        return _verified(self._home.page(page), page, PAGE_BYTES_MAX)

    def page_at(self, version: VersionId, index: Index) -> bytes | None:
        """None where it is not here, or `index` is no page."""
        space = self.space(version)
        return self.page(space.page_ref(index).id) if space is not None and space.is_page(index) else None

    def pages_of(self, version: VersionId) -> tuple[IndexSpace, list[Index]] | None:
        """(index space, indexes of the pages that are here and whole); None where the root is not."""
        space = self.space(version)
        if space is None:
            return None
        here = [number for number, ref in enumerate(space.page_refs) if self.page(ref.id) is not None]
        return space, [Index(number) for number in here]

    def has_all(self, version: Version) -> bool:
        """Whether root and pages are all kept; makes them young, so that none is pruned before it is staged."""
        path = self._home.root(version.id)
        paths = [path, *(self._home.page(ref.id) for ref in version.space.page_refs)]
        try:
            for each in paths:
                os.utime(each)
        except FileNotFoundError:
            return False
        return True

    def version(self, version: VersionId) -> Version | None:
        """Root and pages together; None where something is missing. Raises what `assemble` raises."""
        data = self.root_bytes(version)
        if data is None:
            return None
        pages: dict[Index, bytes] = {}
        for number, ref in enumerate(IndexSpace(decode_root(data)).page_refs):
            page = self.page(ref.id)
            if page is None:
                return None
            pages[Index(number)] = page
        return assemble(data, pages)

    def keep_sketch(self, version: Version) -> None:
        """The first 8 bytes of each block's id, in the table's order: whether a version has blocks in common with
        another can then be seen without assembling it. A hint; what is found by it is verified."""
        path = self._home.sketch(version.id)
        packed = version.block_ids.packed
        data = b"".join([packed[at : at + SKETCH_BYTES] for at in range(0, len(packed), DIGEST_BYTES)])
        with self._home.manifests_locked(exclusive=False):
            if _size(path) != len(data) and path.parent.is_dir():
                _write(path, data)

    def sketch(self, version: VersionId) -> bytes | None:
        """None where there is none."""
        with suppress(OSError):
            return self._home.sketch(version).read_bytes()
        return None

    def sync(self) -> None:
        """To the disk: before a holding is recorded, of which nobody could say what is in it without them."""
        with translated("sync $SWARM_HOME"):
            descriptor = os.open(self._home.versions, os.O_RDONLY)
            try:
                sync_file_system(descriptor)
            finally:
                os.close(descriptor)

    def versions(self) -> list[VersionId]:
        """Whose roots are kept, in the order of their digests."""
        names = sorted(path.name for path in self._home.versions.iterdir())
        return [VersionId(bytes.fromhex(name)) for name in names if len(name) == 64]

    def prune(self, needed: Iterable[VersionId]) -> int:
        """Removes roots that are neither `needed` nor young, and pages that only they name; returns bytes freed."""
        keep = set(needed)
        with self._home.manifests_locked(exclusive=True), translated("prune $SWARM_HOME"):
            gone = [v for v in self.versions() if v not in keep and _is_old(self._home.root(v))]
            freed = sum(_remove(self._home.root(version)) for version in gone)
            for version in gone:
                freed += _remove(self._home.sketch(version))
                with suppress(OSError):
                    self._home.root(version).parent.rmdir()
            return freed + self._prune_pages()

    def _prune_pages(self) -> int:
        named: set[bytes] = set()
        for version in self.versions():
            space = self.space(version)
            if space is not None:
                named.update(ref.id for ref in space.page_refs)
        names = {name.hex() for name in named}
        pages = [page for folder in self._home.pages.iterdir() for page in folder.iterdir()]
        return sum(_remove(page) for page in pages if page.name not in names and _is_old(page))


def _keep(path: Path, data: bytes, name: bytes) -> None:
    """What is there already is made young, so that a prune leaves it."""
    if _verified(path, name, len(data)) is not None:
        os.utime(path)
        return
    _write(path, data)


def _write(path: Path, data: bytes) -> None:
    """Named only when it is whole."""
    with translated(f"write {path}"):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(temporary).rename(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _verified(path: Path, name: bytes, bytes_max: int) -> bytes | None:
    with translated(f"read {path}"):
        try:
            with path.open("rb") as file:
                data = file.read(bytes_max + 1)
        except FileNotFoundError:
            return None
        if digest(data) == name:
            return data
        path.unlink(missing_ok=True)
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > UNNEEDED_AGE_S
    except FileNotFoundError:
        return True


def _remove(path: Path) -> int:
    size = max(_size(path), 0)
    path.unlink(missing_ok=True)
    return size
