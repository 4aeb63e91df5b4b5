"""`swarm tag`: makes a tag mean what another tag, or a version, means; and what the commands that move tags share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import printable, when

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from swarm.protocol.records import TagRecord
    from swarm.service.moving import MoveOptions, TagMove

CODES = (
    ExitCode.NOT_FOUND,
    ExitCode.UNREACHABLE,
    ExitCode.REFUSED,
    ExitCode.NO_ROOM,
    ExitCode.NOT_VERIFIED,
    ExitCode.CONFLICT,
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
)
"""How a move of a tag can end."""

SHOWN = ("store", "tracker", "secret", "key")


def register() -> CommandParser:
    """The parser of `swarm tag`."""
    parser = make_parser(
        "swarm tag",
        "Makes NAME:NEW mean what the first word does: a tag, a range of releases, or a version. Nothing is uploaded;\n"
        "the tag's next record is signed, and the tracker is told. A release never moves, a channel always may.\n"
        "Two producers at once: one wins, the other ends with exit 8 and both records.",
        examples=(
            "swarm tag @maps/places:1.5.0 @maps/places:stable --store s3://datasets/prod",
            "swarm tag @maps/places:~1.5 @maps/places:stable --note 'after a week of canaries'",
            "swarm tag @maps/places@8f14e45fceea167a @maps/places:1.5.1 --label schema=3",
        ),
        codes=CODES,
        note="Labels go with the version; a note is about this step. A new release moves latest as publishing does.",
    )
    parser.add_argument("source", metavar="NAME:OLD|NAME@DIGEST", help="what is meant")
    parser.add_argument("target", metavar="NAME:NEW", help="the tag that is to mean it")
    add_settings(parser, "tag", shows=SHOWN)
    return parser


def run(call: Call) -> int:
    """One result for each tag that was looked at."""
    from swarm.config.references import parse_dataset  # noqa: PLC0415
    from swarm.protocol.names import parse_reference  # noqa: PLC0415

    source, target = parse_dataset(call.options.source), parse_reference(call.options.target)
    options = move_options(call)
    config = call.common()

    def move() -> Awaitable[tuple[TagMove, ...]]:
        from cli.running import service  # noqa: PLC0415  # trio, libp2p

        return service().move_tag(config, source, target, options, call.screen)

    call.run(partial(tell_moves, call, move))
    return ExitCode.DONE


def move_options(call: Call) -> MoveOptions:
    """From `--note`, `--label`, `--force`, `--no-latest`, as far as the command has them. Raises UsageError."""
    from swarm.seeder.marks import parse_marks  # noqa: PLC0415
    from swarm.service.moving import MoveOptions  # noqa: PLC0415

    loaded = call.load()
    marks = parse_marks(loaded["note"], loaded["label"] if "label" in loaded.values else ())
    return MoveOptions(marks, loaded["force"], loaded["latest"] if "latest" in loaded.values else False)


async def tell_moves(call: Call, move: Callable[[], Awaitable[tuple[TagMove, ...]]]) -> bool:
    """Performs the move and says what became of each tag."""
    for one in await move():
        call.screen.result("tagged", _fields(one), _text(one))
        if one.is_moved and _is_forced(one):
            call.screen.warn(
                f"{one.record.name}:{one.record.tag} is a release: machines that have seen it before refuse the new "
                f"record, and say so, until somebody tells them: swarm trust {one.record.name} --moved {one.record.tag}"
            )
    return True


def record_fields(record: TagRecord) -> dict[str, Any]:
    """What a tag record says, for JSON."""
    from swarm.protocol.keys import fingerprint  # noqa: PLC0415

    return {
        "name": record.name,
        "tag": record.tag,
        "digest": record.root.hex() if record.root else None,
        "epoch": record.epoch,
        "seq": record.seq,
        "time": record.time,
        "immutable": record.immutable,
        "notes": record.notes,
        "labels": dict(record.labels),
        "publisher": fingerprint(record.key),
    }


def mark_lines(record: TagRecord) -> list[str]:
    """Labels and note, for people."""
    lines = [f"  label    {printable(key)}={printable(value)}" for key, value in record.labels]
    return lines + [f"  note     {printable(line)}" for line in record.notes.splitlines()]


def _fields(move: TagMove) -> dict[str, Any]:
    before = move.before.root if move.before is not None else None
    previous = before.hex() if before is not None else None
    return {**record_fields(move.record), "previous": previous, "is_moved": move.is_moved}


def _text(move: TagMove) -> str:
    record = move.record
    to = record.root.hex()[:16] if record.root is not None else "nothing"
    if not move.is_moved:
        return f"{record.name}:{record.tag}  {to} already, #{record.seq} of {when(record.time)}"
    before = move.before.root if move.before is not None else None
    was = "" if before is None else f", was {before.hex()[:16]}"
    return "\n".join([f"{record.name}:{record.tag}  {to}{was}  #{record.seq}", *mark_lines(record)])


def _is_forced(move: TagMove) -> bool:
    from swarm.protocol.records import moves_immutable  # noqa: PLC0415

    return move.before is not None and moves_immutable(move.before, move.record)
