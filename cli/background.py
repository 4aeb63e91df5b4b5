"""`swarm fetch --background`: once the data is in place, a process of its own does the lingering.

Forking a process that runs trio, threads and sockets is not to be had safely, so this starts a fresh `swarm serve DEST`
in a session of its own, with the same options and environment, its output in a log under `$SWARM_HOME`. Between the two
processes the machine gives nothing for about a second, and comes back to its neighbours as somebody new: under the
agent key that `serve` keeps in `$SWARM_HOME`, where a fetch has a fresh one for each run. A secret travels in the
environment, never on a command line that `ps` shows.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from cli.call import Call
from cli.processes import child_environment, start_detached, swarm_command
from swarm.config.configs import CommonConfig, FetchConfig
from swarm.errors import PermissionError_

LOG_DIRECTORY = "logs"


def linger_in_background(config: FetchConfig, call: Call) -> None:
    """Starts the process and says its number and where its log is."""
    log = config.common.home / LOG_DIRECTORY / f"serve-{os.getpid()}.log"
    words = swarm_command("serve", *serve_arguments(config))
    environment = serve_environment(config.common, call.environment)
    try:
        number = start_detached(words, environment, log)
    except OSError as error:
        raise PermissionError_(
            f"the data is at {config.dest}, but lingering could not start: {error.strerror}",
            hint=f"start it with: swarm serve {config.dest}",
        ) from error
    call.screen.say(f"lingering in the background: process {number}, log {log}")


def serve_arguments(config: FetchConfig) -> list[str]:
    """The words of `swarm serve` for what was fetched, taken from the checked configuration."""
    common = config.common
    words = [str(config.dest), "--linger", _linger(config.linger)]
    for option, values in (("--tracker", common.tracker), ("--listen", common.listen)):
        for value in values:
            words += [option, str(value)]
    single = (("--upload-limit", common.upload_limit), ("--site", common.site), ("--store", common.store))
    words += [word for option, one in single if one for word in (option, str(one))]
    return words + ["--open"] * common.open + ["--no-lan"] * (not common.lan)


def serve_environment(common: CommonConfig, environment: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with what the child must not find differently, and the secret."""
    secret = {"SWARM_SECRET": common.secret.decode()} if common.secret is not None else {}
    return child_environment(environment, SWARM_HOME=str(common.home), **secret)


def _linger(seconds: float | None) -> str:
    return "auto" if seconds is None else "forever" if math.isinf(seconds) else f"{seconds:g}s"
