"""`swarm wait`: waits until a follower has a version."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cli.call import Call
from cli.exit_codes import LOOKING_UP, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from cli.ui.wording import printable
from swarm.config.configs import CommonConfig
from swarm.config.quantities import parse_duration
from swarm.config.references import parse_dataset

if TYPE_CHECKING:
    from swarm.agent.following.waiting import Sight, Wanted


def register() -> CommandParser:
    """The parser of `swarm wait`."""
    parser = make_parser(
        "swarm wait",
        "Waits until the swarm follow that keeps DEST has a version: it is current there, and its hook has ended\n"
        "well. A tag is looked up once, and a later step of it counts too. Without one: until there is any version.\n"
        "With --timeout 0 it says at once how things are.",
        examples=(
            "swarm wait /srv/places",
            "swarm wait /srv/places @maps/places:stable --timeout 5min --store s3://datasets/prod",
            "swarm wait /srv/places @maps/places@8f14e45f --timeout 0 --json",
        ),
        codes=(*LOOKING_UP, ExitCode.HOOK_FAILED),
        note="Not in time is exit 3; a version whose hook has failed is exit 10 at once.",
    )
    parser.add_argument("dest", metavar="DEST", help="the directory that swarm follow keeps")
    parser.add_argument("name", nargs="?", metavar="NAME[:TAG]|NAME@DIGEST", help="what is waited for")
    parser.add_argument("--timeout", metavar="SECONDS", help="no longer than this; for ever if left out")
    add_settings(parser, "wait", shows=("store", "tracker", "lan", "secret"))
    return parser


def run(call: Call) -> int:
    """Says what is there."""
    timeout_s = math.inf if call.options.timeout is None else parse_duration(call.options.timeout)
    dest = call.path(call.options.dest)
    sight = call.run(partial(_wait, call, call.common(), dest, timeout_s))
    call.screen.result("waited", _fields(sight, dest), _line(sight, dest))
    return ExitCode.DONE


async def _wait(call: Call, config: CommonConfig, dest: Path, timeout_s: float) -> Sight:
    from swarm.agent.following.waiting import wait  # noqa: PLC0415

    return await wait(config.home, dest, await _wanted(call, config), timeout_s)


async def _wanted(call: Call, config: CommonConfig) -> Wanted:
    from cli.lookup import decide_tag  # noqa: PLC0415
    from cli.sources import open_sources  # noqa: PLC0415
    from swarm.agent.following.waiting import Wanted  # noqa: PLC0415
    from swarm.errors import NotFoundError  # noqa: PLC0415

    if call.options.name is None:
        return Wanted()
    reference = parse_dataset(call.options.name)
    if reference.version is not None or reference.digest_prefix is not None:
        return Wanted(reference.digest_prefix or (reference.version or b"").hex())
    async with open_sources(config) as sources:
        answers = await sources.resolver.ask(reference.name, reference.tag)
        record = decide_tag(config, sources, reference.name, reference.tag, answers).record
        sources.warn_of_silence(call.screen)
    if record.root is None:
        raise NotFoundError(f"{reference} was removed by its producer", hint="swarm tags NAME lists what remains")
    call.screen.say(f"waiting for {record.name}:{record.tag}, which is {record.root.hex()[:16]}")
    return Wanted(record.root.hex(), record)


def _fields(sight: Sight, dest: Path) -> dict[str, object]:
    step = sight.step
    return {
        "dataset": sight.dataset,
        "digest": sight.current.hex() if sight.current is not None else None,
        "tag": step.tag if step is not None else None,
        "seq": step.seq if step is not None else None,
        "dest": str(dest),
    }


def _line(sight: Sight, dest: Path) -> str:
    assert sight.current is not None
    step = f" ({printable(sight.step.tag)} #{sight.step.seq})" if sight.step is not None else ""
    return f"{printable(str(dest / 'current'))} is {sight.current.hex()[:16]}{step}"
