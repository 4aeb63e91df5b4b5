"""All holdings of this machine as this process sees them: loaded when they are asked for, reloaded when another
process has changed the index. Synchronous; threads may share it.

Whoever finds that a file was touched says so here: its blocks are withdrawn, in the index too, and the loss is noted
until `take_losses`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from swarm.dataset.entries import Signature
from swarm.holdings.held import Held, TouchedError
from swarm.holdings.index import Index as Database
from swarm.holdings.manifests import Manifests
from swarm.holdings.record import HoldingRecord
from swarm.holdings.scope import Body
from swarm.holdings.signature import Signatures
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import BlockId, Index, VersionId
from swarm.protocol.version import Version

BODIES_KEPT_MAX = 8
"""Versions in memory that nobody uses just now; one of a million blocks takes 60 MB, of a thousand next to nothing."""

HELD_KEPT_MAX = 64
"""Holdings ready to be read. Each keeps its body and up to a hundred descriptors, of files that were read lately."""


class Catalog:
    """`records` first brings things up to date; the other methods work on what was seen then."""

    def __init__(self, index: Database, manifests: Manifests) -> None:
        self.index = index
        self.manifests = manifests
        self._lock = threading.RLock()
        self._bodies: OrderedDict[VersionId, Body] = OrderedDict()
        self._held: OrderedDict[int, Held] = OrderedDict()
        self._records: list[HoldingRecord] = []
        self._seen = -1
        self._losses: list[tuple[VersionId, Bitfield]] = []

    def close(self) -> None:
        with self._lock:
            for held in self._held.values():
                held.close()
            self._held.clear()

    def records(self) -> list[HoldingRecord]:
        """All holdings, the newest first."""
        with self._lock:
            seen = self.index.data_version()
            if seen != self._seen:
                self._records = self.index.holdings()
                self._seen = seen
                self._drop_gone()
            return list(self._records)

    def changed(self) -> None:
        """This process has written to the index itself."""
        with self._lock:
            self._seen = -1

    def at(self, directory: bytes) -> list[HoldingRecord]:
        """What is held in exactly this directory, the newest first."""
        return [record for record in self.records() if record.directory == directory]

    def body(self, version: VersionId) -> Body | None:
        """From memory, or from the manifest that is kept; None where it is not all here."""
        with self._lock:
            found = self._bodies.get(version)
            if found is not None:
                self._bodies.move_to_end(version)
                return found
        assembled = self.manifests.version(version)
        return None if assembled is None else self.remember(assembled)

    def remember(self, version: Version) -> Body:
        """Spares assembling a version again that is in memory anyway."""
        with self._lock:
            body = self._bodies.setdefault(version.id, Body(version))
            self._bodies.move_to_end(version.id)
            while len(self._bodies) > BODIES_KEPT_MAX:
                self._bodies.popitem(last=False)
            return body

    def body_in_memory(self, version: VersionId) -> Body | None:
        with self._lock:
            held = next((held for held in self._held.values() if held.record.version == version), None)
            return held.body if held is not None else self._bodies.get(version)

    def loaded_of(self, version: VersionId) -> list[Held]:
        """Holdings of a version that are ready to be read already."""
        with self._lock:
            return [held for held in self._held.values() if held.record.version == version]

    def find(self, block: BlockId, versions: Iterable[Version]) -> tuple[VersionId, Index] | None:
        """A version that has the block, and where: one of `versions`, or one that is held here."""
        for version in versions:
            index = version.index_of(block)
            if index is not None:
                return version.id, index
        for record in self.records():
            body = self.body(record.version) if self._may_have(record.version, block) else None
            index = None if body is None else body.version.index_of(block)
            if index is not None:
                return record.version, index
        return None

    def _may_have(self, version: VersionId, block: BlockId) -> bool:
        if self.body_in_memory(version) is not None:
            return True
        sketch = self.manifests.sketch(version)
        if sketch is None:
            return True
        at = sketch.find(block[:8])
        while at % 8 and at >= 0:
            at = sketch.find(block[:8], at + 1)
        return at >= 0

    def held(self, record: HoldingRecord, *, looks: bool = True) -> Held | None:
        """The holding, ready to be read. `looks`: its files' stats are looked at when it is loaded, so that `have` does
        not promise what was touched meanwhile. None where its manifest is not here, or the holding is gone."""
        with self._lock:
            found = self._held.get(record.id)
            if found is not None:
                self._held.move_to_end(record.id)
                return found
        loaded = self._load(record)
        if loaded is None:
            return None
        with self._lock:
            found = self._held.setdefault(record.id, loaded)
            while len(self._held) > HELD_KEPT_MAX:
                self._held.popitem(last=False)[1].close()
        if found is loaded and looks:
            self.withdraw(found, found.touched())
        return found

    def held_of(self, version: VersionId) -> list[Held]:
        """All holdings of one version."""
        found = [self.held(record) for record in self.records() if record.version == version]
        return [held for held in found if held is not None]

    def read(self, held: Held, block: int) -> bytes | None:
        """As `Held.read`; what turns out to be touched is withdrawn. Raises OSError."""
        while True:
            try:
                return held.read(block)
            except TouchedError as error:
                # Each turn makes at least one more file unknown, and a block of unknown files is not read.
                self.withdraw(held, error.numbers)

    def withdraw(self, held: Held, numbers: Iterable[int]) -> None:
        """These files of a holding are no longer what was recorded."""
        gone = tuple(self._not_renewed(held, numbers))
        if not gone:
            return
        lost = held.forget(gone)
        self.index.change_signatures(held.record.id, lambda data: _without(data, gone))
        self._note(held, lost)

    def renew(self, record: HoldingRecord, fresh: Mapping[int, Signature]) -> None:
        """These files look otherwise than recorded by our own doing, and still hold what they held."""
        self.index.change_signatures(record.id, lambda data: _renewed(data, fresh))
        with self._lock:
            held = self._held.get(record.id)
        if held is not None:
            held.renew(fresh)

    def adopt(self, held: Held, signatures: Signatures) -> None:
        """A survey has looked at all files: those that are right count, the others do not."""
        if signatures.to_bytes() != held.signatures.to_bytes():
            lost = held.adopt(signatures)
            self.index.change_signatures(held.record.id, lambda _data: signatures.to_bytes())
            self._note(held, lost)

    def take_losses(self) -> list[tuple[VersionId, Bitfield]]:
        """Blocks (by table place) that were withdrawn since the last call; others may still hold them."""
        with self._lock:
            losses, self._losses = self._losses, []
            return losses

    def prune(self) -> int:
        """Removes manifests that nobody needs any more; returns bytes freed."""
        needed = {record.version for record in self.records()}
        needed |= {staging.version for staging in self.index.stagings()}
        needed |= {pending.version for pending in self.index.pending()}
        return self.manifests.prune(needed)

    def drop(self, record: HoldingRecord) -> None:
        """Closes a holding that is about to be replaced or removed; it is loaded again if it is asked for."""
        with self._lock:
            held = self._held.pop(record.id, None)
        if held is not None:
            held.close()

    def _not_renewed(self, held: Held, numbers: Iterable[int]) -> list[int]:
        """Another process may have given these files names, or taken some away, and said so in the index. Returns the
        others."""
        wanted = list(numbers)
        data = self.index.signatures(held.record.id) if wanted else None
        known = Signatures.from_bytes(data or b"")
        if len(known) != len(held.signatures):
            return wanted
        fresh = {number: known[number] for number in wanted if known.is_known(number)}
        fresh = {number: one for number, one in fresh.items() if one != held.signatures[number]}
        held.renew(fresh)
        return [number for number in wanted if number not in fresh]

    def _note(self, held: Held, lost: Bitfield) -> None:
        with self._lock:
            if not lost.is_empty:
                self._losses.append((held.record.version, lost))

    def _load(self, record: HoldingRecord) -> Held | None:
        body = self.body(record.version)
        data = self.index.signatures(record.id)
        if body is None or data is None:
            return None
        signatures = Signatures.from_bytes(data)
        if len(signatures) != len(body.version.entries):
            return None
        return Held(record, body, signatures)

    def _drop_gone(self) -> None:
        alive = {record.id for record in self._records}
        for number in [number for number in self._held if number not in alive]:
            self._held.pop(number).close()


def _renewed(data: bytes, fresh: Mapping[int, Signature]) -> bytes:
    signatures = Signatures.from_bytes(data)
    for number, signature in fresh.items():
        if signatures.is_known(number):
            signatures[number] = signature
    return signatures.to_bytes()


def _without(data: bytes, numbers: tuple[int, ...]) -> bytes:
    signatures = Signatures.from_bytes(data)
    for number in numbers:
        signatures.forget(number)
    return signatures.to_bytes()
