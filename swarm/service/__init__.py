"""Builds agent, seeder and tracker from frozen configurations: what commands, tests and programs call.

receipt = await fetch(config, observer)          makes a version present and returns the account of it
published = await seed(config, observer)         publishes, then serves until cancelled (`once`: returns)
await run_tracker(config, observer)              until cancelled
await follow(config, observer)                   keeps a channel's newest version present, until cancelled
await serve(config, observer)                    gives what is held, until cancelled
moves = await move_tag(config, source, target, options, observer)    and roll_back, remove_tag: moves a tag
async with open_resolver(config) as resolver:    asks tracker, store and neighbours what exists
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.service.fetching import fetch
    from swarm.service.following import follow
    from swarm.service.moving import move_tag, remove_tag, roll_back
    from swarm.service.resolving import open_resolver
    from swarm.service.seeding import seed
    from swarm.service.serving import serve
    from swarm.service.tracking import run_tracker

__all__ = ["fetch", "follow", "move_tag", "open_resolver", "remove_tag", "roll_back", "run_tracker", "seed", "serve"]

_HOMES = {
    "fetch": "fetching",
    "follow": "following",
    "move_tag": "moving",
    "open_resolver": "resolving",
    "remove_tag": "moving",
    "roll_back": "moving",
    "run_tracker": "tracking",
    "seed": "seeding",
    "serve": "serving",
}


def __getattr__(name: str) -> object:
    # Each is imported when it is first asked for: a fetch needs no tracker, no HTTP server and no publisher.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
