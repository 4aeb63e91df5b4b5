"""`swarm gc`: removes from a store what no kept version needs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cli.call import Call
from cli.exit_codes import WRITING, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.ticker import Ticker
from cli.ui.wording import plural, when
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size
from swarm.errors import UsageError

if TYPE_CHECKING:
    from swarm.store.collected import Amount, Collected
    from swarm.store.dropped import Dropped, Dropping, Meaning, Share

JUST_NOW_S = 60.0
"""What must be older than this has to be older than a day, because of a publisher."""

WORDS = {"mark": "reading what is needed: version {0}", "sweep": "looking through the store: {0} of {1} parts"}


def register() -> CommandParser:
    """The parser of `swarm gc`."""
    parser = make_parser(
        "swarm gc",
        "Removes from a store what no kept version needs. In two steps, because others may be publishing: this run\n"
        "condemns, and a run at least a day later deletes what is still needed by nobody. So it belongs into cron.\n"
        "Kept is what tags mean now, and of each tag that means something the last N versions. A release is a tag:\n"
        "it stays until swarm untag. Histories stay; of what was removed swarm log says that it is not in the store.",
        examples=(
            "swarm gc --store s3://datasets/prod --dry-run",
            "swarm gc --store s3://datasets/prod --keep-last 5 --keep-days 30",
            "swarm gc --store /srv/store --no-publishers",
        ),
        codes=WRITING,
        note="Where a kept version cannot be read it stops (exit 7) and deletes nothing. Killed, the next run goes on.",
    )
    parser.add_argument("--keep-last", metavar="N", help="versions of each tag, the one that it means now counted (2)")
    parser.add_argument("--keep-days", metavar="D", help="also what was a tag's version at any time of the last D days")
    parser.add_argument(
        "--no-publishers", action="store_true", help="delete at once: your word that nobody publishes meanwhile"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say which versions would go, and what each frees; reading is enough for it",
    )
    add_settings(parser, "gc", shows=("store",))
    return parser


def run(call: Call) -> int:
    """Collects, and says what is free now and what will be."""
    config = call.common()
    if config.store is None:
        raise UsageError("gc needs to know which store", hint="add --store URL")
    collected = call.run(lambda: _collect(call, config))
    call.screen.result("collected", _fields(collected), "\n".join(_lines(collected)))
    return ExitCode.DONE


async def _collect(call: Call, config: CommonConfig) -> Collected:
    from cli.collector import collector_of  # noqa: PLC0415
    from swarm.config.store_options import options_of  # noqa: PLC0415
    from swarm.store import open_store  # noqa: PLC0415
    from swarm.store.collected import Request  # noqa: PLC0415
    from swarm.store.retention import LAST, Keep  # noqa: PLC0415
    from swarm.store.sweep import Rules  # noqa: PLC0415

    options, ticker = call.options, Ticker(call.screen)
    keep = Keep(int(_number("--keep-last", options.keep_last, LAST)), _number("--keep-days", options.keep_days, 0))
    assert config.store is not None
    with collector_of(config.home) as collector:
        async with open_store(config.store, options_of(config)) as store:
            request = Request(keep, config.home, is_alone=options.no_publishers, is_dry_run=options.dry_run)
            return await store.collect(
                request, Rules(collector), lambda phase, *counts: ticker.tell(WORDS[phase].format(*counts))
            )


def _number(option: str, text: str | None, default: float) -> float:
    if text is None:
        return default
    is_number = text.isascii() and text.replace(".", "", 0 if option == "--keep-last" else 1).isdigit()
    if not is_number:
        raise UsageError(f"{option} {text!r} is no number", hint=f"for example {option} 3")
    return float(text)


def _fields(done: Collected) -> dict[str, object]:
    amounts = {name: asdict(getattr(done, name)) for name in ("kept", "freed", "condemned", "pending", "young")}
    fields: dict[str, object] = {**amounts, "due": done.due_s, "waiting": list(done.waiting)}
    return {**fields, "is_dry_run": done.is_dry_run, **(_dropping_fields(done.dropping) if done.dropping else {})}


def _dropping_fields(dropping: Dropping) -> dict[str, object]:
    versions = [
        {"digest": one.version.hex(), **{name: getattr(one, name) for name in ("is_due", "blocks", "bytes")}}
        | {"meanings": [asdict(meaning) for meaning in one.meanings]}
        for one in dropping.versions
    ]
    return {"versions": versions, "shared": asdict(dropping.shared), "unowned": asdict(dropping.unowned)}


def _lines(done: Collected) -> list[str]:
    would = "would be " if done.is_dry_run else ""
    due = f", to be deleted by a run after {when(int(done.due_s * 1000))}" if done.due_s is not None else ""
    lines = [f"kept: {_amount(done.kept)}"]
    lines += [f"{would}freed: {_amount(done.freed)}"] if done.freed.blocks or done.freed.versions else []
    lines += [f"condemned before: {_amount(done.pending)}"] if done.pending.blocks or done.pending.versions else []
    lines += (
        [f"{would}condemned: {_amount(done.condemned)}"] if done.condemned.blocks or done.condemned.versions else []
    )
    if len(lines) > 1 and due and not done.is_dry_run:
        lines[-1] += due
    lines += [_young_line(done)] if done.young.blocks or done.young.versions else []
    lines += [] if len(lines) > 1 else ["nothing to remove"]
    lines += _dropping_lines(done.dropping) if done.dropping is not None else []
    return [*lines, *(f"waits: {why}" for why in done.waiting)]


def _young_line(done: Collected) -> str:
    is_just_now = done.young_s < JUST_NOW_S
    why = f"in the last {done.young_s:.0f} s" if is_just_now else "less than a day ago, and somebody publishes now"
    return f"not condemned yet: {_amount(done.young)}, written {why}"


def _dropping_lines(dropping: Dropping) -> list[str]:
    lines = []
    for one in sorted(dropping.versions, key=lambda one: max((each.since_s for each in one.meanings), default=0.0)):
        lines.append(f"  {one.version.hex()[:16]}  frees {_share(one)}{'' if one.is_due else ' (after a day)'}")
        lines += [f"    was {_meaning(each)}" for each in one.meanings] or ["    no tag ever meant it"]
    lines += [f"  several of these share {_share(dropping.shared)}"] if dropping.shared.blocks else []
    lines += [f"  no version needs {_share(dropping.unowned)}"] if dropping.unowned.blocks else []
    return lines


def _meaning(meaning: Meaning) -> str:
    until = f"until {when(int(meaning.until_s * 1000))}" if meaning.until_s is not None else "to the end"
    return f"{meaning.tag} #{meaning.seq} {until}"


def _share(share: Dropped | Share) -> str:
    return f"{plural(share.blocks, 'block')}, {show_size(share.bytes)}"


def _amount(amount: Amount) -> str:
    return f"{plural(amount.versions, 'version')}, {plural(amount.blocks, 'block')}, {show_size(amount.bytes)}"
