"""Options, environment, file and defaults -> values, each with where it came from.

The first that speaks wins: option, environment, `[command]` table of the file, top of the file, default. Lists are
not merged: who names a tracker on the command line means that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarm.config.file import ConfigFile, read_config_file
from swarm.config.settings import Setting, known_to
from swarm.errors import UsageError

HOME_VARIABLE = "SWARM_HOME"
DEFAULT_SOURCE = "default"

Given = Mapping[str, str | Sequence[str] | bool | None]
"""Options by setting name, as they were typed; None or absent: not given."""


@dataclass(frozen=True, slots=True)
class Value:
    """A parsed value, the texts that it was parsed from, and where they stood."""

    value: Any
    source: str
    texts: tuple[str, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether somebody said it."""
        return self.source != DEFAULT_SOURCE


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that one command goes by."""

    command: str
    home: Path
    home_source: str
    file: ConfigFile
    values: dict[str, Value]

    def __getitem__(self, name: str) -> Any:
        return self.values[name].value

    def is_given(self, name: str) -> bool:
        """Whether the setting comes from anywhere but its default."""
        return self.values[name].is_given


def load(command: str, given: Given, environment: Mapping[str, str], directory: Path) -> Loaded:
    """Reads the file and parses what holds for `command`. `directory` is where relative paths start.

    Raises UsageError that names the option, variable or line that is wrong.
    """
    home, home_source = find_home(environment, directory)
    file = read_config_file(home)
    sources = _Sources(command, given, environment, directory, file)
    return Loaded(command, home, home_source, file, {one.name: sources.find(one) for one in known_to(command)})


def find_home(environment: Mapping[str, str], directory: Path) -> tuple[Path, str]:
    """SWARM_HOME, else `~/.swarm`; absolute. Raises UsageError where there is no home at all."""
    named = environment.get(HOME_VARIABLE)
    try:
        if named:
            return directory / Path(named).expanduser(), HOME_VARIABLE
        return Path("~/.swarm").expanduser().absolute(), DEFAULT_SOURCE
    except RuntimeError:
        raise UsageError("this user has no home directory", hint=f"set {HOME_VARIABLE} to a directory") from None


@dataclass(frozen=True, slots=True)
class _Sources:
    """Everywhere that a setting may stand, the strongest first."""

    command: str
    given: Given
    environment: Mapping[str, str]
    directory: Path
    file: ConfigFile

    def find(self, setting: Setting) -> Value:
        option = self.given.get(setting.name)
        if option is not None:
            return _parsed(setting, _as_texts(option), setting.option, self.directory)
        if setting.environment and self.environment.get(setting.environment):
            return _parsed(setting, _from_variable(setting, self.environment), setting.environment, self.directory)
        return self._in_file(setting) or Value(setting.default, DEFAULT_SOURCE)

    def _in_file(self, setting: Setting) -> Value | None:
        for section in (self.command, "") if setting.in_file else ():
            found = self.file.find(section, setting.name)
            if found is not None:
                source = f"{self.file.path} [{section}]" if section else str(self.file.path)
                return _parsed(setting, found, source, self.file.path.parent)
        return None


def _parsed(setting: Setting, texts: tuple[str, ...] | bool, source: str, base: Path) -> Value:
    if isinstance(texts, bool) or setting.parse is None:
        return Value(texts, source, (str(texts).lower(),))
    try:
        parsed = tuple(setting.parse(text, base) for text in texts)
    except UsageError as error:
        place = source if source.startswith("--") else f"{setting.name} (from {source})"
        # The message of a secret never holds its text: see parse_secret.
        raise UsageError(f"{place}: {error.message}", hint=error.hint) from None
    return Value(parsed if setting.is_list else parsed[-1], source, texts)


def _as_texts(option: str | Sequence[str] | bool) -> tuple[str, ...] | bool:
    if isinstance(option, bool):
        return option
    return (option,) if isinstance(option, str) else tuple(option)


def _from_variable(setting: Setting, environment: Mapping[str, str]) -> tuple[str, ...]:
    text = environment[setting.environment or ""]
    return tuple(text.replace(",", " ").split()) if setting.is_list else (text,)
