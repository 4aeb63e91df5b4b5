"""What a tag record says beside its version: a note about this step, and labels of what it points to. Pure values.

A label goes with the version that it describes: who tags the same version again keeps it unless he says otherwise. A
note is about one step, and is not repeated by the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from swarm.errors import UsageError
from swarm.protocol.bounds import LABEL_KEY_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX, NOTES_BYTES_MAX
from swarm.protocol.records import LABEL_KEY, TagRecord

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Marks:
    """None: nothing was said about it. Labels ascend by key and have each once."""

    notes: str | None = None
    labels: Labels | None = None

    def differ_from(self, record: TagRecord) -> bool:
        """Whether a record that means the right version would still have to be followed by another."""
        return self.notes not in (None, record.notes) or self.labels not in (None, record.labels)

    def notes_after(self, same: TagRecord | None) -> str:
        """`same`: the record before, where it means the same version."""
        return self.notes if self.notes is not None else ("" if same is None else same.notes)

    def labels_after(self, same: TagRecord | None) -> Labels:
        return self.labels if self.labels is not None else (() if same is None else same.labels)

    def of_version(self, record: TagRecord) -> Marks:
        """These, and the labels of a record that means the version already where none were said."""
        return self if self.labels is not None else Marks(self.notes, record.labels)


NO_MARKS = Marks()


def parse_marks(note: str | None, labels: Iterable[str]) -> Marks:
    """From what was typed: a text, and `key=value` each. Raises UsageError."""
    found: dict[str, str] = {}
    for text in labels:
        key, equals, value = text.partition("=")
        if not equals or not LABEL_KEY.fullmatch(key) or len(key) > LABEL_KEY_BYTES_MAX:
            raise UsageError(
                f"{text[:200]!r} is not a label", hint="labels are key=value; keys of small letters, digits, . _ / -"
            )
        if len(value.encode()) > LABEL_VALUE_BYTES_MAX or not value.isprintable():
            raise UsageError(
                f"the value of label {key} is not one line of at most {LABEL_VALUE_BYTES_MAX} bytes",
                hint="put the long text where a URL can name it",
            )
        found[key] = value
    if len(found) > LABELS_MAX:
        raise UsageError(f"{len(found)} labels are more than {LABELS_MAX}", hint="leave some out")
    return Marks(None if note is None else _checked_note(note), tuple(sorted(found.items())) or None)


def _checked_note(note: str) -> str:
    if len(note.encode()) > NOTES_BYTES_MAX or not all(line.isprintable() for line in note.split("\n")):
        raise UsageError(
            f"a note is text without control characters, of at most {NOTES_BYTES_MAX:,} bytes",
            hint="write the rest where a label's URL can name it",
        )
    return note
