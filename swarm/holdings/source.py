"""A producer's own data as a holding: what was scanned and published, where it lies, without a copy."""

from __future__ import annotations

import os

from swarm.dataset.entries import Scan
from swarm.errors import InternalError
from swarm.holdings.catalog import Catalog
from swarm.holdings.oserror import real
from swarm.holdings.signature import Signatures
from swarm.protocol.version import Version


def add_source(catalog: Catalog, version: Version, scan: Scan, label: str) -> None:
    """The scan is what the version was made of. Older versions of the same directory keep the files that are still as
    they were; the blocks of the others are withdrawn."""
    directory = _directory(scan)
    signatures = _signatures(version, scan)
    catalog.remember(version)
    catalog.manifests.keep_sketch(version)
    catalog.index.put_source(
        version.id,
        directory,
        label,
        signatures.to_bytes(),
        follows_links=scan.is_file or scan.options.links == "follow",
        is_file=scan.is_file,
    )
    catalog.changed()
    for record in catalog.at(directory):
        held = catalog.held(record) if record.version != version.id else None
        if held is not None:
            catalog.withdraw(held, held.touched())


def _directory(scan: Scan) -> bytes:
    if not scan.is_file:
        return real(scan.root)
    # A file that is a link is read through it, under the name that was published.
    return real(os.path.dirname(scan.root)) + b"/" + os.path.basename(scan.root)


def _signatures(version: Version, scan: Scan) -> Signatures:
    if len(scan.entries) != len(version.entries):
        raise InternalError("a source that is not what the version was made of")
    signatures = Signatures(len(version.entries))
    for number, entry in enumerate(scan.entries):
        if entry.path != version.entries.path(number):
            raise InternalError("a source that is not what the version was made of")
        if entry.signature is not None:
            signatures[number] = entry.signature
    return signatures
