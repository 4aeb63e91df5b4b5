"""Which holdings of this machine a word means: a directory, a dataset's name, a tag, a range, a version. Pure.

Nobody is asked what a tag means now: a holding is called what it was fetched or seeded as. A range means the greatest
release in it that is held, by the code that decides it for a fetch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from swarm.agent.prefixes import name_of
from swarm.errors import NotFoundError
from swarm.holdings.record import HoldingRecord
from swarm.protocol.names import Reference, is_query, parse_reference
from swarm.protocol.ranges import check_query, ranked

HINT = "`swarm ls` lists what is held here"


def held_as(word: str, directory: bytes, records: Sequence[HoldingRecord]) -> list[HoldingRecord]:
    """The holdings that `word` means. `directory`: its real path, which counts first.

    Raises NotFoundError where there is none, UsageError where it is no name either.
    """
    found = [record for record in records if record.directory == directory]
    if not found and not word.startswith(("/", ".", "~")):
        found = _named(parse_reference(word), records)
    if not found:
        raise NotFoundError(f"{word} is not held here", hint=HINT)
    return found


def _named(reference: Reference, records: Iterable[HoldingRecord]) -> list[HoldingRecord]:
    if reference.version is not None or reference.digest_prefix is not None:
        digits = reference.digest_prefix or (reference.version or b"").hex()
        return [record for record in records if record.version.hex().startswith(digits)]
    named = [record for record in records if name_of(record.label) == reference.name]
    tag = reference.tag
    if tag is None:
        return named
    if is_query(tag):
        tags = {tag_of(record) for record in named}
        tag = next(iter(ranked(check_query(tag), (one for one in tags if one is not None))), tag)
    return [record for record in named if tag_of(record) == tag]


def tag_of(record: HoldingRecord) -> str | None:
    """What it was fetched or published as; None where that was a version, or what a follower keeps."""
    _, colon, tag = record.label[len(name_of(record.label)) :].partition(":")
    return tag if colon else None
