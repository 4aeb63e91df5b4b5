"""The tables of docs/format.md and docs/protocol.md, made of the code's own tables.

Between `<!-- table: NAME -->` and `<!-- end -->` stands what `table(NAME)` returns; a test compares, and
`python -m tests.protocol.documents` rewrites. Everything else in the documents is written by hand.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from swarm.protocol import bounds, messages
from swarm.protocol.envelope import ENVELOPE
from swarm.protocol.fields import NEEDED, Schema
from swarm.protocol.lease import LEASE
from swarm.protocol.manifest import CUTTER, ROOT, TOTALS
from swarm.protocol.message_table import (
    AGENT_PROOF,
    CATALOG_KINDS,
    CONNECTION_KINDS,
    LEASE_REPORT,
    PEER_INFO,
    PEER_KINDS,
    TRACKER_KINDS,
    MessageKind,
)
from swarm.protocol.records import NAME_RECORD, TAG_RECORD
from tests.protocol import vectors

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENTS = (DOCS / "format.md", DOCS / "protocol.md")

SHORT = 128
"""Characters of a signature in hex."""

_TABLE = re.compile(r"(<!-- table: (.*?) -->\n).*?(<!-- end -->)", re.DOTALL)

SCHEMAS = (ENVELOPE, TAG_RECORD, NAME_RECORD, LEASE, ROOT, CUTTER, TOTALS, PEER_INFO, LEASE_REPORT, AGENT_PROOF)
FAMILIES = {
    "connection": CONNECTION_KINDS,
    "catalog": CATALOG_KINDS,
    "peer": PEER_KINDS,
    "tracker": TRACKER_KINDS,
}


def fields(schema: Schema[Any]) -> str:
    """One line a field."""
    lines = ["| key | field | value | absent means |", "|---|---|---|---|"]
    if schema.v is not None:
        lines += [f"| 0 | v | {schema.v} | |", "| 1 | required | array of keys | |"]
    for field in schema.fields:
        absent = "" if field.default is NEEDED else _default(field.default)
        lines.append(f"| {field.key} | {field.name} | {field.kind.bound} | {absent} |")
    return "\n".join(lines)


def _default(value: object) -> str:
    names: dict[object, str] = {None: "nothing", (): "none", "": "empty", b"": "empty", False: "no"}
    return names[value]


def family(kinds: tuple[MessageKind, ...]) -> str:
    """Every message of a family: number, bound, sender, meaning, fields."""
    parts = []
    for kind in kinds:
        meaning = " ".join((inspect.getdoc(kind.cls) or "").split())
        head = f"### {kind.number} {kind.cls.__name__}\n\n*{kind.when}; at most {kind.max_bytes:,} bytes.* {meaning}"
        parts.append(f"{head}\n\n{fields(kind.schema)}" if kind.schema.fields else f"{head}\n\nNo fields.")
    return "\n\n".join(parts)


def bounds_table(section: str) -> str:
    """The numbers of one section of `bounds`, with their reasons."""
    lines = ["| name | value | why |", "|---|---|---|"]
    for name, reason in _constants(section):
        lines.append(f"| {name} | {getattr(bounds, name):,} | {reason} |")
    return "\n".join(lines)


def _constants(section: str) -> Iterator[tuple[str, str]]:
    source = inspect.getsource(bounds)
    first = next(n for n, line in enumerate(source.split("\n"), 1) if line.startswith(f"# --- {section} "))
    last = next((n for n, line in enumerate(source.split("\n"), 1) if n > first and line.startswith("# --- ")), 10**9)
    body = ast.parse(source).body
    for place, node in enumerate(body):
        if isinstance(node, ast.Assign) and first < node.lineno < last and isinstance(node.targets[0], ast.Name):
            after = body[place + 1] if place + 1 < len(body) else None
            is_reason = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            yield node.targets[0].id, " ".join(str(after.value.value).split()) if is_reason else ""


def vector(group: str, name: str) -> str:
    """One test vector, in lines of 96."""
    text = vectors.load()[group][name]
    lines = [text[start : start + 96] for start in range(0, len(text), 96)]
    return "```\n" + "\n".join(lines) + "\n```"


def vector_list(group: str) -> str:
    """The vectors of a group, formats only where they are short: the others stand beside their objects."""
    lines = [
        f"{name}: {text}"
        for name, text in vectors.load()[group].items()
        if group == "messages" or (len(text) <= SHORT and "frame" not in name)
    ]
    return "```\n" + "\n".join(lines) + "\n```"


def enumerations() -> str:
    """The numbers that stand for words in messages."""
    lines = ["| enumeration | values |", "|---|---|"]
    for name, item in vars(messages).items():
        if isinstance(item, type) and issubclass(item, messages.IntEnum) and item is not messages.IntEnum:
            lines.append(f"| {name} | " + ", ".join(f"{one.value} {one.name.lower()}" for one in item) + " |")
    return "\n".join(lines)


def table(name: str) -> str:
    """What stands under a name. KeyError for an unknown one."""
    kind, _, argument = name.partition(" ")
    schemas = {schema.what: schema for schema in SCHEMAS}
    makers: dict[str, Callable[[], str]] = {
        "fields": lambda: fields(schemas[argument]),
        "messages": lambda: family(FAMILIES[argument]),
        "bounds": lambda: bounds_table(argument),
        "vector": lambda: vector("formats", argument),
        "vectors": lambda: vector_list(argument),
        "enumerations": enumerations,
    }
    return makers[kind]()


def names(text: str) -> list[str]:
    """The tables that a document has."""
    return [match[2] for match in _TABLE.finditer(text)]


def rewritten(text: str) -> str:
    """A document with every table as the code has it."""
    return _TABLE.sub(lambda match: f"{match[1]}{table(match[2])}\n{match[3]}", text)


if __name__ == "__main__":
    for path in DOCUMENTS:
        path.write_text(rewritten(path.read_text()))
