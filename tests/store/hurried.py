"""`python -m tests.store.hurried HOW WORD…`: `swarm` in a process in which an hour takes a fraction of a second.

So that a test can suspend it for longer than its marker lives. HOW is JSON:

    {"hour_s": 0.3}                    how long an hour takes
    {"stop": ["create", "history/"]}   suspends itself before the first such request, until somebody continues it
    {"every_s": 0.5}                   runs again and again, and prints each exit code in a line of its own
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

AGES = "swarm.store.ages"
MARGIN_S = 2.0
"""S3 tells whole seconds however short an hour is."""


def hurry(hour_s: float) -> None:
    """Before the package's other modules are there, who take these ages to themselves."""
    spec = importlib.util.find_spec("swarm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    assert AGES not in sys.modules
    path = Path(spec.submodule_search_locations[0], "store", "ages.py")
    found = importlib.util.spec_from_file_location(AGES, path)
    assert found is not None
    assert found.loader is not None
    ages = importlib.util.module_from_spec(found)
    found.loader.exec_module(ages)
    for name in [name for name in vars(ages) if name.endswith("_S")]:
        setattr(ages, name, getattr(ages, name) * hour_s / 3600.0)
    ages.__dict__["CLOCK_MARGIN_S"] = MARGIN_S
    sys.modules[AGES] = ages


def stop_before(operation: str, prefix: str) -> None:
    """Every store that is opened from now on suspends this process once."""
    from swarm.store import store  # noqa: PLC0415  # after `hurry`
    from tests.store.faults import Faulty  # noqa: PLC0415

    adapter, has_stopped = store._adapter, False

    def fault(asked: str, key: str, is_done: bool) -> None:
        nonlocal has_stopped
        if not (has_stopped or is_done) and asked == operation and key.startswith(prefix):
            has_stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)

    async def stopping(*of: Any) -> Any:
        return Faulty(await adapter(*of), fault)

    store._adapter = stopping


def run(how: dict[str, Any], words: list[str]) -> int:
    hurry(how["hour_s"])
    if "stop" in how:
        stop_before(*how["stop"])
    from cli.main import main  # noqa: PLC0415

    if "every_s" not in how:
        return main(words)
    while True:
        print(f"exit {main(words)}", flush=True)  # noqa: T201
        time.sleep(how["every_s"])


if __name__ == "__main__":
    sys.exit(run(json.loads(sys.argv[1]), sys.argv[2:]))
