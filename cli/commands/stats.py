"""`swarm stats`: what the versions of a name cost, and what other block sizes would have cost."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.call import Call
from cli.exit_codes import READING, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from swarm.agent.notices import Phase, Progress
from swarm.config.configs import CommonConfig
from swarm.errors import NO_ROOM, PermissionError_, UsageError

if TYPE_CHECKING:
    from swarm.analysis.survey import Survey
    from swarm.analysis.timeline import GetBlock
    from swarm.holdings import Holdings
    from swarm.protocol.names import Reference
    from swarm.store import Store

LAST = 100
"""Versions that are looked at where nobody says how many."""


def register() -> CommandParser:
    """The parser of `swarm stats`."""
    parser = make_parser(
        "swarm stats",
        "Says what each version of a name, or of one tag, costs: new bytes against the version before and against all\n"
        "before, how often bytes repeat, the manifest, and which files cost most. Only manifests are read, unless\n"
        "--what-if is given.",
        examples=(
            "swarm stats @maps/places --store s3://datasets/prod",
            "swarm stats @maps/places:stable --store s3://datasets/prod --last 10 --what-if",
            "swarm stats @maps/places --store s3://datasets/prod --html report.html",
        ),
        codes=READING,
        note="Ctrl-C shows what was found so far, and says that it is a part.",
    )
    parser.add_argument("name", metavar="NAME[:TAG]", help="without a tag: every version that any tag has meant")
    parser.add_argument(
        "--last", type=int, default=LAST, metavar="N", help=f"only the newest N versions; {LAST} by default"
    )
    parser.add_argument(
        "--what-if",
        action="store_true",
        help="read every byte of these versions, and say what averages from 64KiB to 4MiB would have moved",
    )
    parser.add_argument("--html", metavar="FILE", help="write a report with plots, one file that needs nothing else")
    add_settings(parser, "stats", shows=("store", "tracker"))
    return parser


def run(call: Call) -> int:
    """One object, or tables."""
    from swarm.analysis.timeline import LAST_MAX  # noqa: PLC0415
    from swarm.config.references import parse_dataset  # noqa: PLC0415

    target = parse_dataset(call.options.name)
    if target.version is not None or target.digest_prefix is not None:
        raise UsageError(f"{target} is one version, and has no history", hint=f"swarm stats {target.name}")
    if not 1 <= call.options.last <= LAST_MAX:
        raise UsageError(f"--last is a number from 1 to {LAST_MAX}", hint=f"leave it out for {LAST}")
    report = None if call.options.html is None else call.path(call.options.html)
    if report is not None:
        from cli.ui.charts import check_plotting  # noqa: PLC0415

        check_plotting()
        if not report.parent.is_dir():
            raise UsageError(f"cannot write {report}: there is no such directory", hint="--html names a file")
    call.run(partial(_stats, call, call.common(), target, report))
    return ExitCode.DONE


async def _stats(call: Call, config: CommonConfig, target: Reference, report: Path | None) -> bool:
    from swarm.analysis.survey import Survey  # noqa: PLC0415
    from swarm.analysis.timeline import read_timeline  # noqa: PLC0415
    from swarm.holdings import open_holdings  # noqa: PLC0415
    from swarm.service.producing import open_records  # noqa: PLC0415
    from swarm.service.usage import ask_trackers  # noqa: PLC0415

    usage = await ask_trackers(config.tracker) if config.tracker else None
    async with open_records(config) as records, open_holdings(config.home) as holdings:
        survey = Survey(await read_timeline(records, target.name, target.tag, last=call.options.last))
        try:
            await survey.run(
                records,
                _reader(records, holdings),
                with_data=call.options.what_if,
                versions=lambda _, count: call.screen.notify(Progress(Phase.MANIFEST, count)),
                data=lambda done, total: call.screen.notify(Progress(Phase.PREPARE, done, total)),
            )
        finally:
            # Stopped, or failed, after minutes of reading: a part is better than nothing, and says what it is.
            if survey.is_whole or survey.ledger.costs:
                _show(call, survey, usage, report)
    return True


def _reader(records: Store, holdings: Holdings) -> GetBlock:
    async def get(block: Any, length: int) -> bytes:
        here = await holdings.read_block(block)
        return here if here is not None else await records.get_block(block, max_length=length)

    return get


def _show(call: Call, survey: Survey, usage: dict[str, Any] | None, report: Path | None) -> None:
    from cli.ui.statistics import statistics_lines  # noqa: PLC0415

    fields = {**survey.as_dict(), "usage": usage}
    call.screen.result("stats", fields, "\n".join(statistics_lines(fields)))
    if report is not None:
        _write(report, fields)
        call.screen.say(f"the report is {report}")


def _write(report: Path, fields: dict[str, Any]) -> None:
    from cli.ui.report import html_report  # noqa: PLC0415

    text = html_report(fields)
    try:
        report.write_text(text, encoding="utf-8")
    except OSError as error:
        if error.errno in NO_ROOM:
            raise PermissionError_(f"cannot write {report}: {error.strerror}") from error
        raise UsageError(f"cannot write {report}: {error.strerror}", hint="--html names a file") from error
