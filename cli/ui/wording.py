"""Notices as sentences. Pure: a notice in, lines out; no terminal here.

Whatever comes from outside (paths, names, reasons) passes `printable`: a hostile manifest must not move the cursor.
"""

from __future__ import annotations

from datetime import UTC, datetime

from swarm.agent.notices import Committed, Phase, Planned, Progress, Published, Ready, Receipt, Resolved, Waits
from swarm.config.quantities import show_duration, show_rate, show_size

_DOING = {
    Phase.SCAN: "scanning",
    Phase.PREPARE: "cutting and hashing",
    Phase.UPLOAD: "uploading",
    Phase.RESOLVE: "resolving",
    Phase.MANIFEST: "reading the manifest",
    Phase.REUSE: "reusing what is here",
    Phase.FETCH: "fetching",
    Phase.COMMIT: "committing",
    Phase.LINGER: "giving to others",
    Phase.SERVE: "serving",
    Phase.VERIFY: "verifying",
}

_SAID_BY = {"lan": "from a neighbour", "local": "as this machine remembers it"}

WITH_PEERS = (Phase.FETCH, Phase.LINGER, Phase.SERVE)
"""Phases in which others matter."""


def printable(text: str) -> str:
    """The text with control characters, and bytes that are no text, written as escapes."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def plural(count: int, noun: str) -> str:
    """`1 file`, `1,204 files`."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"


def when(time_ms: int) -> str:
    """A record's time for people, in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def said_by(source: str) -> str:
    """Who answered, as words: `from the tracker`."""
    return _SAID_BY.get(source, f"from the {source}")


def short_key(fingerprint: str) -> str:
    """Enough of a fingerprint to know one's own by; whom to believe is compared in full, elsewhere."""
    return f"{fingerprint[:20]}…" if len(fingerprint) > 20 else fingerprint


def progress_line(progress: Progress) -> str:
    """Everything about a moment in one line: bytes, rate, time left, sources, peers, why it waits."""
    parts = [_DOING[progress.phase], _amount(progress), *pace(progress)]
    parts.append(sources(progress.bytes_peer, progress.bytes_origin, progress.bytes_local))
    if progress.phase in WITH_PEERS:
        parts.append(plural(progress.peers, "peer"))
    if progress.bytes_resumed and progress.phase is Phase.FETCH:
        parts.append(f"{show_size(progress.bytes_resumed)} resumed")
    if progress.bytes_sent:
        parts.append(f"{show_size(progress.bytes_sent)} given")
    if progress.waiting:
        parts.append(f"waiting: {printable(progress.waiting)}")
    return ", ".join(part for part in parts if part)


def pace(progress: Progress) -> list[str]:
    """Rate and time left, while there is something to hurry."""
    if progress.rate <= 0 or progress.phase is Phase.COMMIT:
        return []
    left = progress.seconds_left
    return [show_rate(progress.rate), *([f"{show_duration(left)} left"] if left else [])]


def doing(phase: Phase) -> str:
    """What a phase is called on a screen."""
    return _DOING[phase]


def sources(peer: int, origin: int, local: int) -> str:
    """`94 % from peers, 4 % from the origin, 2 % was here`; empty where nothing came yet."""
    total = peer + origin + local
    if total == 0:
        return ""
    shares = ((peer, "from peers"), (origin, "from the origin"), (local, "was here"))
    return ", ".join(f"{percent(part, total)} {name}" for part, name in shares if part)


def percent(part: int, total: int) -> str:
    """Whole percents; never 100 % of what is not whole, never 0 % of what is something."""
    if total <= 0:
        return "100 %"
    share = 100 * part / total
    if 0 < share < 1:
        return "<1 %"
    return f"{min(share, 99) if part < total else share:.0f} %"


def resolved_line(resolved: Resolved) -> str:
    """Which version a name turned out to be, who signed it and who said so."""
    line = f"{printable(resolved.dataset)} is {resolved.digest[:16]}"
    signed = f", signed by {short_key(resolved.publisher)}" if resolved.publisher else ""
    return f"{line}{signed}{f' ({said_by(resolved.source)})' if resolved.source else ''}"


def planned_line(planned: Planned) -> str:
    """What the fetch will cost, printed before the first byte."""
    whole = f"{plural(planned.files, 'file')}, {show_size(planned.bytes)}"
    if planned.bytes_needed == 0:
        return f"{whole}: {printable(planned.dest)} has it as it should be"
    resumed = f" ({show_size(planned.bytes_resumed)} of it from an interrupted run)" if planned.bytes_resumed else ""
    return (
        f"{whole}: {show_size(planned.bytes_local)} is here{resumed}, "
        f"{show_size(planned.bytes_to_fetch)} to fetch; needs {show_size(planned.bytes_needed)} of "
        f"{show_size(planned.bytes_free)} free at {printable(planned.dest)}"
    )


def dry_run_lines(planned: Planned) -> list[str]:
    """The same for `--dry-run`, which may also say what becomes of the files in DEST."""
    lines = [f"{printable(planned.dataset)} ({planned.digest[:16]})", planned_line(planned)]
    changes = (
        (planned.files_added, "would be added"),
        (planned.files_changed, "would be replaced"),
        (planned.files_removed, "would be removed"),
    )
    said = [f"{plural(count, 'file')} {what}" for count, what in changes if count]
    return [*lines, "; ".join(said)] if said else lines


def ready_lines(ready: Ready) -> list[str]:
    """Where a service listens; for a seeder with a tracker inside, also the line to paste on a consumer."""
    lines = [f"listening on {address}" for address in ready.addresses]
    if ready.http:
        lines.append(f"tracker at {ready.http}")
    return lines


def paste_lines(ready: Ready) -> list[str]:
    """What to type on a consumer; on this machine, where no other can come."""
    if ready.command is None:
        return []
    what = "a dataset of its store" if ready.kind == "tracker" else "it"
    where = "on this machine" if _is_loopback(ready) else "elsewhere"
    return ["", f"to fetch {what} {where}:", f"  {ready.command}", ""]


def waits_line(waits: Waits) -> str:
    """One reason why nothing moves, and for how many blocks."""
    blocks = f"{plural(waits.blocks, 'block')}: " if waits.blocks else ""
    return f"waiting: {blocks}{printable(waits.reason)}"


def committed_line(committed: Committed) -> str:
    """Where the version now is."""
    how = "" if committed.is_atomic else ", put there entry by entry"
    return f"{printable(committed.dataset)} is at {printable(committed.dest)}{how}"


def published_lines(published: Published) -> list[str]:
    """What a publish did, or with `--dry-run` would do."""
    tags = ", ".join(published.tags)
    if published.is_unchanged:
        verb = "have" if len(published.tags) > 1 else "has"
        return [f"{tags} {verb} this content already: {published.digest[:16]}"]
    verb = "would publish" if published.is_dry_run else "published"
    return [
        f"{verb} {tags} as {published.digest[:16]}",
        f"{plural(published.files, 'file')}, {show_size(published.bytes)} in {plural(published.blocks, 'block')}; "
        f"new: {plural(published.blocks_new, 'block')}, {show_size(published.bytes_new)}; "
        f"{show_duration(published.seconds)}",
        *([f"publisher {published.publisher}"] if published.publisher else []),
    ]


def receipt_lines(receipt: Receipt) -> list[str]:
    """The account of a fetch."""
    came = receipt.bytes_peer + receipt.bytes_origin
    # Of what was here already a rate says nothing.
    rate = f", {show_rate(came / receipt.seconds)}" if receipt.seconds > 0 and came else ""
    if receipt.link_share is not None:
        rate += f"; at {percent(round(receipt.link_share * 1000), 1000)} of what this link has shown it can do"
    lines = [
        f"{_label(receipt.dataset, receipt.digest)} is at {printable(receipt.dest)}",
        f"{plural(receipt.files, 'file')}, {show_size(receipt.bytes)} in {show_duration(receipt.seconds)}{rate}",
    ]
    shares = _receipt_sources(receipt)
    if shares:
        lines.append(f"{shares}; {plural(receipt.peers, 'peer')}" if came else "all of it was here")
    if receipt.store_alone_cost is not None and receipt.saved is not None:
        lines.append(
            f"the store alone: {show_size(receipt.store_alone_bytes)} for {_money(receipt.store_alone_cost)}; "
            f"{show_size(receipt.saved_bytes)} and {_money(receipt.saved)} saved"
        )
    extra = (
        (receipt.bytes_refetched, "fetched again after an interruption"),
        (receipt.bytes_wasted, "came and was not needed"),
    )
    lines += [f"{show_size(amount)} {text}" for amount, text in extra if amount]
    lines += [f"banned {agent}: it sent wrong bytes" for agent in receipt.banned]
    return lines


def _receipt_sources(receipt: Receipt) -> str:
    """`60 % from this network, 34 % from peers elsewhere, 4 % from the store, 2 % was here`."""
    elsewhere = receipt.bytes_peer - receipt.bytes_lan
    shares = (
        (receipt.bytes_lan, "from this network"),
        (elsewhere, "from peers elsewhere" if receipt.bytes_lan else "from peers"),
        (receipt.bytes_seeder, "from seeders"),
        (receipt.bytes_store, "from the store"),
        (receipt.bytes_local, "was here"),
    )
    total = receipt.bytes_peer + receipt.bytes_origin + receipt.bytes_local
    return ", ".join(f"{percent(part, total)} {name}" for part, name in shares if part)


def _money(amount: float) -> str:
    # The currency is that of the price; a fetch often costs less than a hundredth of it.
    return f"{amount:,.2f}" if amount >= 0.995 or not amount else f"{amount:.2g}"


def _label(dataset: str, digest: str) -> str:
    # A version that was named by its digest says it once.
    name, at, named = dataset.rpartition("@")
    return f"{printable(name)}@{digest[:16]}" if at and named == digest else f"{printable(dataset)} ({digest[:16]})"


def _is_loopback(ready: Ready) -> bool:
    from ipaddress import ip_address  # noqa: PLC0415  # only for who serves
    from urllib.parse import urlsplit  # noqa: PLC0415

    host = urlsplit(ready.http).hostname if ready.http else ready.addresses[0].split("/")[2] if ready.addresses else ""
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _escape(character: str) -> str:
    # A byte of a path that is no UTF-8 arrives as a lone surrogate (PEP 383): show the byte.
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else character.encode("unicode_escape").decode()


def _amount(progress: Progress) -> str:
    if progress.files_done is not None:
        files = plural(progress.files_done, "file")
        return f"{files}, {show_size(progress.bytes_done)}" if progress.bytes_done else files
    if progress.bytes_total is None:
        return show_size(progress.bytes_done) if progress.bytes_done else ""
    done = percent(progress.bytes_done, progress.bytes_total)
    return f"{done}, {show_size(progress.bytes_done)} of {show_size(progress.bytes_total)}"
