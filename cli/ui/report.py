"""`swarm stats --html`: one file that needs nothing else, readable in light and in dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import accumulate
from typing import Any

from cli.ui import charts
from cli.ui.statistics import average_in_use, busy_besides, deficiencies, label, moved_by, title
from cli.ui.wording import percent, plural, printable, when
from swarm.config.quantities import show_size

Fields = dict[str, Any]

STYLE = """
:root { --paper: #fff; --ink: #1c2126; --faint: #7b8792; --line: #dde2e6; --one: #2f6fb3; --two: #d9822b;
  --three: #3d8b62; color-scheme: light dark }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181c; --ink: #e3e7ea; --faint: #8c98a3; --line: #313a42; --one: #6ea8e6; --two: #f0a65c;
    --three: #6cc093 } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem }
p { margin: .3rem 0 } .faint { color: var(--faint) } .warning { border-left: 4px solid var(--two); padding-left: .7rem }
svg { width: 100%; height: auto; display: block; margin: 1rem 0 }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .8rem }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .4rem; text-align: right; white-space: nowrap }
th { color: var(--faint); font-weight: 500 } th:first-child, td:first-child { text-align: left }
.facts { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 1.2rem 0 }
.facts b { display: block; font-size: 1.4rem }
"""


def html_report(fields: Fields) -> str:
    """The page. `fields` are those of `--json`. Raises UsageError where plots cannot be drawn."""
    versions = fields["versions"]
    parts = [f"<h1>{escape(title(fields))}</h1>", *(_warning(sentence) for sentence in deficiencies(fields))]
    if versions:
        parts += [_facts(fields), *_versions(versions), *_files(fields), *_what_if(fields)]
    parts += _usage(fields["usage"], versions)
    body = "\n".join(parts)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    name = escape(title(fields))
    return f'<!doctype html>\n<html lang="en"><head>{head}<title>{name}</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'  # noqa: E501


def _facts(fields: Fields) -> str:
    totals, versions = fields["totals"], fields["versions"]
    facts = (
        (plural(totals["versions"], "version"), f"{when(versions[0]['time'])} to {when(versions[-1]['time'])}"),
        (show_size(totals["logical_bytes"]), "of files in all versions"),
        (show_size(totals["stored_bytes"]), f"stored in {totals['blocks']:,} blocks"),
        (show_size(totals["manifest_bytes"]), "of manifests"),
        (f"{totals['deduplication']:.1f} to 1", "saved by sharing blocks"),
        (show_size(totals["moved_bytes"]), "moved by all updates together"),
    )
    return '<div class="facts">' + "".join(_fact(*fact) for fact in facts) + "</div>"


def _fact(number: str, words: str) -> str:
    return f'<div><b>{escape(number)}</b><span class="faint">{escape(words)}</span></div>'


def _versions(versions: Sequence[Fields]) -> list[str]:
    names = [label(version) for version in versions]
    steps = versions[1:]
    alone = list(accumulate(version["bytes"] for version in versions))
    stored = list(accumulate(version["bytes_first"] + version["manifest_bytes_first"] for version in versions))
    parts = ["<h2>Versions</h2>"]
    if steps:
        data, manifests = _column(steps, "bytes_moved"), _column(steps, "manifest_bytes_moved")
        parts += [charts.moved_chart(names[1:], data, manifests), charts.growth_chart(names, alone, stored)]
    headers = ("version", "since", "files", "added", "changed", "removed", "moved", "size", "blocks", "average",
               "repeats", "moves", "of it", "new", "manifest")  # fmt: skip
    rows = [_version_row(version) for version in versions]
    note = (
        "<i>moves</i>: what an update from the version before takes, manifest included, and of its distinct data how "
        "much; <i>new</i>: what no earlier version had; <i>repeats</i>: bytes of files to bytes of distinct blocks."
    )
    return [*parts, _table(headers, rows), f'<p class="faint">{note}</p>']


def _version_row(one: Fields) -> tuple[str, ...]:
    counts = (one[f"files_{word}"] for word in ("added", "changed", "removed", "moved"))
    return (
        label(one), when(one["time"]), f"{one['files']:,}", *(f"{count:,}" for count in counts),
        show_size(one["bytes"]), f"{one['blocks']:,}", f"{one['average'] // 1024} KiB", f"{one['repetition']:.2f}",
        show_size(moved_by(one)), percent(one["bytes_moved"], one["block_bytes"]), show_size(one["bytes_first"]),
        show_size(one["manifest_bytes"]),
    )  # fmt: skip


def _files(fields: Fields) -> list[str]:
    files = fields["hot_files"]
    if not files:
        return []
    paths = [printable(one["path"]) for one in files[:12]]
    parts = ["<h2>Files</h2>", charts.files_chart(paths, _column(files[:12], "bytes_new")), _file_table(files)]
    others = busy_besides(fields, files)
    return [*parts, "<h2>Files that changed most often besides</h2>", _file_table(others)] if others else parts


def _file_table(files: Sequence[Fields]) -> str:
    rows = [
        (printable(one["path"]), f"{one['changes']:,}", show_size(one["bytes_new"]), show_size(one["size"]))
        for one in files
    ]
    return _table(("file", "changes", "new bytes", "size"), rows)


def _what_if(fields: Fields) -> list[str]:
    found, used = fields["what_if"], average_in_use(fields)
    if not found or not found[0]["steps"]:
        return []
    averages, manifests = _column(found, "average"), _column(found, "manifest_bytes")
    data = [one["moved_bytes"] - one["manifest_bytes"] for one in found]
    rows = [
        (
            f"{one['average'] // 1024} KiB{' (in use)' if one['average'] == used else ''}",
            show_size(one["moved_bytes"]),
            show_size(one["manifest_bytes"]),
            f"{one['objects']:,}",
        )
        for one in found
    ]
    return [
        "<h2>Other averages</h2>",
        charts.what_if_chart(averages, data, manifests, used),
        _table(("average", "moved", "of it manifest", "objects"), rows),
        _faint("By cutting every byte of these versions again. To change the average moves everything once."),
    ]


def _usage(usage: Fields | None, versions: Sequence[Fields]) -> list[str]:
    if usage is None:
        return []
    known = {one["version"]: one for one in usage["versions"]}
    rows = [
        (label(one), *(f"{known[one['digest']][key]:,}" for key in ("seeders", "complete", "fetching")))
        for one in versions
        if one["digest"] in known
    ]
    return [
        "<h2>Who has what now</h2>",
        _faint("As agents told the tracker. What was fetched earlier, and how much each gave, it forgets."),
        *(_warning(f"not told: {printable(reason)}") for reason in usage["failures"]),
        _table(("version", "seeders", "complete", "fetching"), rows) if rows else "<p>Nobody takes part.</p>",
    ]


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'


def _faint(sentence: str) -> str:
    return f'<p class="faint">{escape(sentence)}</p>'


def _warning(sentence: str) -> str:
    return f'<p class="warning">{escape(sentence)}</p>'


def _column(rows: Sequence[Fields], key: str) -> list[int]:
    return [int(row[key]) for row in rows]
