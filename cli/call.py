"""One call of one command: what was typed, where, and the screen to answer on."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cli.interruption import Interruption
from cli.parser import given_settings
from cli.ui.screen import Look, Screen
from swarm.config.building import common_config
from swarm.config.configs import CommonConfig
from swarm.config.loading import Loaded, load
from swarm.config.settings import BY_NAME

T = TypeVar("T")

MASK = "…"
"""In place of a secret in a line that is shown."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a command's `run` gets. `arguments` are the words after the command's name."""

    command: str
    arguments: tuple[str, ...]
    options: argparse.Namespace
    environment: Mapping[str, str]
    directory: Path
    look: Look
    screen: Screen
    interruption: Interruption

    def load(self) -> Loaded:
        """The settings that hold for this call. Raises UsageError."""
        return load(self.command, given_settings(self.options), self.environment, self.directory)

    def path(self, text: str) -> Path:
        """A path that was typed, absolute."""
        return self.directory / Path(text).expanduser()

    def common(self) -> CommonConfig:
        """The common configuration, for a command that has no more."""
        return common_config(self.load())

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        """Runs `main` under trio; the first Ctrl-C or SIGTERM cancels it."""
        from cli.running import run_service  # noqa: PLC0415  # trio, only where something runs
        from cli.ui.logs import logs_shown  # noqa: PLC0415

        with logs_shown(self.screen, self.look):
            return run_service(main, self.interruption)

    def again(self) -> str:
        """The command line that does the same again, secrets masked."""
        # Unquoted, so that it stands out as what must be filled in.
        return " ".join(word if word.endswith(MASK) else shlex.quote(word) for word in self._words())

    def _words(self) -> list[str]:
        return ["swarm", self.command, *masked(self.arguments)]


def masked(arguments: tuple[str, ...]) -> list[str]:
    """The arguments with the value of every secret option replaced; `@FILE` is no secret."""
    secret = {setting.option for setting in BY_NAME.values() if setting.is_secret}
    shown: list[str] = []
    for word in arguments:
        option, is_joined, value = word.partition("=")
        if is_joined and option in secret and not value.startswith("@"):
            shown.append(f"{option}={MASK}")
        elif shown and shown[-1] in secret and not word.startswith("@"):
            shown.append(MASK)
        else:
            shown.append(word)
    return shown
