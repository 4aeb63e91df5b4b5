"""What `swarm stats` found, as lines of text. Pure: the fields of its JSON in, lines out."""

from __future__ import annotations

from typing import Any

from cli.ui.tables import sparkline, table
from cli.ui.wording import percent, plural, printable, when
from swarm.config.quantities import show_size

Fields = dict[str, Any]

HOT_SHOWN = 10
"""Files on a text screen; --json and --html have twenty."""


def statistics_lines(fields: Fields) -> list[str]:
    """The whole report."""
    lines = [*_head(fields), "", *_versions(fields["versions"])]
    if fields["hot_files"]:
        shown = fields["hot_files"][:HOT_SHOWN]
        lines += ["", "files that cost most", *_hot(shown)]
        if others := busy_besides(fields, shown):
            lines += ["", "files that changed most often besides", *_hot(others[:HOT_SHOWN])]
    if fields["what_if"] is not None:
        lines += ["", *_what_if(fields)]
    if fields["usage"] is not None:
        lines += ["", *_usage(fields["usage"], fields["versions"])]
    return lines


def title(fields: Fields) -> str:
    """What the report is about."""
    return printable(f"{fields['name']}:{fields['tag']}" if fields["tag"] else fields["name"])


def label(version: Fields) -> str:
    """A version in a column: its first tag and how many more, else the beginning of its digest."""
    tags = version["tags"]
    more = f" +{len(tags) - 1}" if len(tags) > 1 else ""
    return f"{tags[0]}{more}" if tags else version["digest"][:12]


def deficiencies(fields: Fields) -> list[str]:
    """Sentences about what the report does not cover."""
    said = []
    if fields["is_partial"]:
        said.append("This is a part: it was interrupted before all versions were read.")
    if fields["versions_left_out"]:
        count = fields["versions_left_out"]
        said.append(f"{plural(count, 'older version')} left out (--last): what they held counts as new.")
    if fields["versions_gone"]:
        gone = ", ".join(label(version) for version in fields["versions_gone"])
        said.append(f"Not counted, since their manifests are gone: {gone}.")
    if fields["what_if_lacks"]:
        said.append(f"The what-if ends early: {printable(fields['what_if_lacks'])}.")
    return said


def busy_besides(fields: Fields, shown: list[Fields]) -> list[Fields]:
    """Files that change often and cost little: those that are not `shown` already."""
    paths = {one["path"] for one in shown}
    return [one for one in fields["busy_files"] if one["path"] not in paths]


def average_in_use(fields: Fields) -> int | None:
    """Of the newest version."""
    return fields["versions"][-1]["average"] if fields["versions"] else None


def _head(fields: Fields) -> list[str]:
    totals, versions = fields["totals"], fields["versions"]
    lines = [f"{title(fields)}: {plural(totals['versions'], 'version')}"]
    lines += [f"  {sentence}" for sentence in deficiencies(fields)]
    if not versions:
        return lines
    sizes, moved = [one["bytes"] for one in versions], [moved_by(one) for one in versions[1:]]
    lines += [
        f"  together  {show_size(totals['logical_bytes'])} of files; stored {show_size(totals['stored_bytes'])} in "
        f"{totals['blocks']:,} blocks and {show_size(totals['manifest_bytes'])} of manifests: "
        f"{totals['deduplication']:.1f} to 1",
        f"  size      {sparkline(sizes)}  {show_size(min(sizes))} to {show_size(max(sizes))}",
    ]
    if moved:
        span = f"{show_size(min(moved))} to {show_size(max(moved))} a step, {show_size(sum(moved))} in all"
        lines.append(f"  moved     {sparkline(moved)}  {span}")
    return lines


def moved_by(version: Fields) -> int:
    """What an update to it moves from the version before, manifest included."""
    return int(version["bytes_moved"] + version["manifest_bytes_moved"])


def _versions(versions: list[Fields]) -> list[str]:
    headers = ("version", "since", "files", "+ ~ - moved", "size", "blocks", "average", "repeats", "moves", "of it",
               "new", "manifest")  # fmt: skip
    rows = [
        (
            label(one),
            when(one["time"]),
            f"{one['files']:,}",
            f"{one['files_added']:,} {one['files_changed']:,} {one['files_removed']:,} {one['files_moved']:,}",
            show_size(one["bytes"]),
            f"{one['blocks']:,}",
            f"{one['average'] // 1024} KiB",
            f"{one['repetition']:.2f}",
            show_size(moved_by(one)),
            percent(one["bytes_moved"], one["block_bytes"]),
            show_size(one["bytes_first"]),
            show_size(one["manifest_bytes"]),
        )
        for one in versions
    ]
    return table(headers, rows, left=2)


def _hot(files: list[Fields]) -> list[str]:
    rows = [
        (printable(one["path"]), f"{one['changes']:,}", show_size(one["bytes_new"]), show_size(one["size"]))
        for one in files
    ]
    return table(("file", "changes", "new bytes", "size"), rows)


def _what_if(fields: Fields) -> list[str]:
    rows, used = fields["what_if"], average_in_use(fields)
    now = next((one["moved_bytes"] for one in rows if one["average"] == used), 0)
    shown = [
        (
            f"{one['average'] // 1024} KiB{' (in use)' if one['average'] == used else ''}",
            show_size(one["moved_bytes"]),
            f"{one['moved_bytes'] / now:.2f}" if now else "",
            show_size(one["manifest_bytes"]),
            f"{one['objects']:,}",
        )
        for one in rows
    ]
    steps = plural(len(rows[0]["steps"]), "step") if rows else "no step"
    return [
        f"what other averages would have moved over {steps}, by cutting every byte again",
        *table(("average", "moved", "to now", "of it manifest", "objects"), shown),
    ]


def _usage(usage: Fields, versions: list[Fields]) -> list[str]:
    lines = [
        "who has what now, as agents told the tracker; what was fetched earlier, and how much each gave, it forgets"
    ]
    lines += [f"  not told: {printable(reason)}" for reason in usage["failures"]]
    by_digest = {one["version"]: one for one in usage["versions"]}
    rows = [
        (label(version), *(f"{by_digest[version['digest']][key]:,}" for key in ("seeders", "complete", "fetching")))
        for version in versions
        if version["digest"] in by_digest
    ]
    if rows:
        return lines + table(("version", "seeders", "complete", "fetching"), rows)
    return [*lines, "  nobody takes part in a version of this name"] if not usage["failures"] else lines
