"""Changes the rate limits of a running service when `config.toml` changes: no signal, no process number to look up.

A signal was rejected: SIGHUP also says that a terminal was closed, and must then end what runs on it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

import trio

from swarm.agent.pacing import Limits
from swarm.config.configs import LiveLimits
from swarm.config.live_limits import read_limits, stamp_of
from swarm.errors import UsageError

LOOK_S = 2.0
"""How often the file's times are looked at: soon enough for a person, and nothing for a disk."""

log = logging.getLogger(__name__)


class Limited(Protocol):
    """What is limited; `swarm.agent.driver.Driver` is one."""

    limits: Limits

    def set_limits(self, *, upload: float | None, download: float | None, origin: float | None) -> None: ...


async def follow_limits(home: Path, live: LiveLimits | None, limited: Limited) -> None:
    """For as long as the service, where anything is to be followed. A file that cannot be read changes nothing."""
    if live is None or not live.names:
        return
    stamp = None
    while True:
        # One look, and now and then one small file, of a local disk: a thread would cost more.
        found = stamp_of(home)
        if found != stamp:
            stamp = found
            _take_over(home, live, limited)
        await trio.sleep(LOOK_S)


def _take_over(home: Path, live: LiveLimits, limited: Limited) -> None:
    try:
        said = read_limits(home, live)
    except UsageError as error:
        log.warning("the limits stay as they are: %s", error.message)
        return
    limits = limited.limits
    now = {
        "upload": said.get("upload-limit", limits.upload.rate),
        "download": said.get("download-limit", limits.download.rate),
        "origin": said.get("origin-limit", limits.origin.rate),
    }
    if now != {"upload": limits.upload.rate, "download": limits.download.rate, "origin": limits.origin.rate}:
        limited.set_limits(upload=now["upload"], download=now["download"], origin=now["origin"])
        shown = ", ".join(f"{name} {rate or 'none'}" for name, rate in now.items())
        log.info("rate limits in bytes a second: %s", shown)
