"""`swarm doctor`: looks at everything that a fetch or a seed needs, and says what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from cli.call import Call
from cli.checks.check import Check, Checks, Status, guarded
from cli.exit_codes import READING, ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from swarm.config.configs import CommonConfig

STORE_TIMEOUT_S = 30.0
"""A store that needs longer to say what it has is down, whatever it says later."""


def register() -> CommandParser:
    """The parser of `swarm doctor`."""
    parser = make_parser(
        "swarm doctor",
        "Checks this machine: Python and libraries, $SWARM_HOME, file systems and room, the store with its rights and\n"
        "clock, trackers, ports, multicast. Each line says ok, warn or fail, and what to do. It writes nothing but a\n"
        "marker that it takes back from the store.",
        examples=(
            "swarm doctor",
            "swarm doctor --store s3://datasets/prod --tracker http://10.0.0.7:4180",
            "swarm doctor --json",
        ),
        codes=READING,
        note="The exit code is that of the first check that failed; warnings end with 0.",
    )
    add_settings(parser, "doctor", shows=("store", "tracker", "secret", "open", "lan"))
    return parser


def run(call: Call) -> int:
    """Looks at everything at once, prints in a fixed order."""
    found = call.run(partial(_look, call, call.common()))
    width = max(len(check.name) for check in found)
    for check in found:
        text = f"{check.status:<4}  {check.name:<{width}}  {check.text}"
        text += f"\n{'':{width + 8}}{check.hint}" if check.hint else ""
        fields = {"name": check.name, "status": check.status, "text": check.text, "hint": check.hint}
        call.screen.result("check", fields, text)
    counts = {status.value: sum(check.status is status for check in found) for status in Status}
    call.screen.result("checked", counts, "")
    return next((check.exit_code for check in found if check.status is Status.FAIL), ExitCode.DONE)


async def _look(call: Call, config: CommonConfig) -> list[Check]:
    import trio  # noqa: PLC0415

    looks = _looks(call, config)
    results: list[Checks] = [[] for _ in looks]

    async def take(place: int, name: str, look: Callable[[], Awaitable[Checks]]) -> None:
        results[place] = await guarded(name, look)

    async with trio.open_nursery() as nursery:
        for place, (name, look) in enumerate(looks):
            nursery.start_soon(take, place, name, look)
    return [check for checks in results for check in checks]


def _looks(call: Call, config: CommonConfig) -> list[tuple[str, Callable[[], Awaitable[Checks]]]]:
    from cli.checks import machine, network  # noqa: PLC0415

    blocking: list[tuple[str, Callable[[], Checks]]] = [
        ("python", machine.check_python),
        ("libraries", machine.check_libraries),
        ("home", partial(machine.check_home, config)),
        ("here", partial(machine.check_directory, call.directory)),
        ("open files", machine.check_limits),
        ("publisher key", partial(machine.check_key, config)),
        ("interfaces", partial(network.check_interfaces, config)),
        ("ports", network.check_ports),
        ("multicast", partial(network.check_multicast, config)),
        *(("tracker", partial(network.check_tracker, address)) for address in config.tracker or ("",)),
    ]
    return [*((name, partial(_in_thread, look)) for name, look in blocking), ("store", partial(_store, config))]


async def _in_thread(look: Callable[[], Checks]) -> Checks:
    import trio  # noqa: PLC0415

    return await trio.to_thread.run_sync(look, abandon_on_cancel=True)  # type: ignore[call-arg]


async def _store(config: CommonConfig) -> Checks:
    import trio  # noqa: PLC0415

    from cli.checks.storage import check_store  # noqa: PLC0415  # boto3 behind it
    from swarm.errors import UnreachableError  # noqa: PLC0415

    with trio.move_on_after(STORE_TIMEOUT_S):
        return await check_store(config)
    raise UnreachableError(
        f"{config.store} did not answer within {STORE_TIMEOUT_S:.0f} s", hint="look at the endpoint and the network"
    )
