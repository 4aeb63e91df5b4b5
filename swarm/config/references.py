"""What people type for a dataset, as a reference to one version or as a tag to publish under."""

from __future__ import annotations

from swarm.errors import UsageError
from swarm.protocol.names import LATEST, Reference, check_tag, is_query, parse_reference
from swarm.protocol.ranges import check_query


def parse_dataset(text: str) -> Reference:
    """`NAME`, `NAME:TAG`, `NAME:RANGE`, `NAME@DIGEST`. Raises UsageError, also for what only begins like a range."""
    reference = parse_reference(text)
    if reference.tag is not None and is_query(reference.tag):
        check_query(reference.tag)
    return reference


def parse_tagged(text: str) -> Reference:
    """`NAME[:TAG]` to publish under; the tag is `latest` where none is said. Raises UsageError."""
    reference = parse_reference(text)
    if reference.version is not None or reference.digest_prefix is not None:
        raise UsageError(f"{text!r} is a version, and a version is published under a tag", hint="use NAME:TAG")
    return Reference(reference.name, check_tag(reference.tag or LATEST))
