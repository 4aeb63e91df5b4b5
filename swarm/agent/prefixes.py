"""The first digits of a digest, as `ls` and `inspect` print them: which known version they mean. Pure.

Looked for among what is held here, then among what the name's tags mean by records that may be believed: anybody can
make a version whose digest begins with given digits, so a stranger's word is not enough.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swarm.agent.claims import Answer, Pinned, Seen, trusted_claims
from swarm.errors import NotFoundError, UsageError
from swarm.holdings.record import HoldingRecord
from swarm.protocol.ids import VersionId

SHOWN_MAX = 8
"""Versions named in an error; the rest is counted."""

SHOWN_DIGITS = 16
"""As `ls` prints them."""


@dataclass(frozen=True, slots=True)
class Known:
    """A version that somebody may mean. `label`: where it was met, for people."""

    version: VersionId
    label: str


def held_versions(name: str, records: Iterable[HoldingRecord]) -> list[Known]:
    """What is held here, what is of this name first."""
    found = [(name_of(record.label) != name, record) for record in records]
    return [
        Known(record.version, f"{record.label} in {os.fsdecode(record.directory)}")
        for _is_other, record in sorted(found, key=lambda pair: pair[0])
    ]


def signed_versions(name: str, answers: Sequence[Answer], *, pin: Pinned | None, seen: Seen) -> list[Known]:
    """What the tags of a name mean. Raises what `trusted_claims` raises where there are records and none counts."""
    if not any(answer.tag_records for answer in answers):
        return []
    claims, _vouching = trusted_claims(name, answers, pin=pin, seen=seen)
    records = {(claim.record.tag, claim.record.root): claim.record for claim in claims}
    known = [Known(record.root, f"{name}:{record.tag}") for record in records.values() if record.root is not None]
    return sorted(known, key=lambda one: (one.label, one.version))


def meant(digits: str, known: Iterable[Known]) -> VersionId | None:
    """The version whose digest begins so; None where there is none. Raises UsageError where there are several."""
    matching: dict[VersionId, str] = {}
    for one in known:
        if one.version.hex().startswith(digits):
            matching.setdefault(one.version, one.label)
    if len(matching) > 1:
        shown = _listed([Known(version, label) for version, label in sorted(matching.items())], len(digits) + 4)
        raise UsageError(f"{digits} begins several versions: {shown}", hint="write more digits")
    return next(iter(matching), None)


def not_known(name: str, digits: str, known: Sequence[Known]) -> NotFoundError:
    """What to say where no known version begins so; the candidates are named."""
    whole = "only what is held here and what the tags mean now is found by fewer than all 64 digits"
    distinct = list({one.version: one for one in reversed(known)}.values())[::-1]
    hint = f"known are {_listed(distinct, SHOWN_DIGITS)}; {whole}" if known else whole
    return NotFoundError(f"no version of {name} that is known begins with {digits}", hint=hint)


def name_of(label: str) -> str:
    """`places` of `places:1.0.0` and `places@8f14…`; the name of a scope begins with an at sign itself."""
    return label[:1] + label[1:].partition("@")[0].partition(":")[0]


def _listed(known: Sequence[Known], digits: int) -> str:
    shown = ", ".join(f"{one.version.hex()[: max(SHOWN_DIGITS, digits)]} ({one.label})" for one in known[:SHOWN_MAX])
    more = len(known) - SHOWN_MAX
    return shown + (f" and {more} more" if more > 0 else "")
