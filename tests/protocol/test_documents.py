"""docs/format.md and docs/protocol.md say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.protocol import blocks_pages, frames, pages
from swarm.protocol.bounds import MESSAGE_BYTES_MAX
from tests.protocol import documents


@pytest.mark.parametrize("path", documents.DOCUMENTS, ids=lambda path: path.name)
def test_tables_are_those_of_the_code(path: Path) -> None:
    text = path.read_text()
    assert documents.rewritten(text) == text, "python -m tests.protocol.documents"


def test_every_table_of_the_code_is_in_a_document() -> None:
    shown = {name for path in documents.DOCUMENTS for name in documents.names(path.read_text())}
    assert {f"fields {schema.what}" for schema in documents.SCHEMAS} <= shown
    assert {f"messages {family}" for family in documents.FAMILIES} <= shown
    assert {f"bounds {section}" for section in ("CBOR", "manifest", "names, records", "wire")} <= shown


def test_every_bound_has_its_reason() -> None:
    for section in ("CBOR", "manifest", "names, records", "wire"):
        lines = documents.bounds_table(section).split("\n")[2:]
        assert lines
        assert not [line for line in lines if line.endswith("|  |")]


def test_what_is_written_by_hand_agrees_with_the_numbers() -> None:

    text = "".join(path.read_text() for path in documents.DOCUMENTS)
    for number in (
        pages.PAGE_ROOM,
        pages.PAGE_ENTRIES_AVERAGE,
        blocks_pages.PAGE_BLOCKS_AVERAGE,
        frames.PAYLOAD_MAX,
        frames.FRAME_BYTES_MAX,
        MESSAGE_BYTES_MAX,
    ):
        assert f"{number:,}" in text
