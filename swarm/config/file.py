"""`$SWARM_HOME/config.toml`: read, checked key by key, and turned into texts that `loading` parses like any option.

Top-level keys hold for every command; a table `[seed]`, `[fetch]`, `[tracker]` or `[serve]` for that one. `[trust]`
holds pins, `[store-options]` goes to the store as it is. An unknown key is an error: a misspelt limit must not be
no limit.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarm.config.configs import Pin
from swarm.config.nearest import did_you_mean
from swarm.config.pins import pins_of
from swarm.config.settings import ALL, SECTIONS, Setting, known_to
from swarm.errors import UsageError

FILE_NAME = "config.toml"
FILE_BYTES_MAX = 1024 * 1024
TRUST, STORE_OPTIONS = "trust", "store-options"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What the file says: texts by (section, name), section "" for the top; and the two tables that are no settings."""

    path: Path
    texts: dict[tuple[str, str], tuple[str, ...] | bool] = field(default_factory=dict)
    trust: dict[str, Pin] = field(default_factory=dict)
    store_options: dict[str, str | bool | int] = field(default_factory=dict)

    def find(self, section: str, name: str) -> tuple[str, ...] | bool | None:
        """The texts of a setting (a bool for a switch), or None."""
        return self.texts.get((section, name))


def read_config_file(home: Path) -> ConfigFile:
    """Reads `config.toml` of this home; an absent one says nothing. Raises UsageError naming file and key."""
    path = home / FILE_NAME
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return ConfigFile(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="check its rights, or SWARM_HOME") from None
    if len(text) > FILE_BYTES_MAX:
        raise UsageError(f"{path} is larger than 1 MiB", hint="this is not a configuration")
    try:
        return _checked(path, tomllib.loads(text.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}", hint="it is TOML: key = value, texts in quotes") from None


def _checked(path: Path, found: dict[str, Any]) -> ConfigFile:
    texts: dict[tuple[str, str], tuple[str, ...] | bool] = {}
    top = {setting.name: setting for setting in ALL if setting.in_file}
    for key, value in found.items():
        if key in (TRUST, STORE_OPTIONS):
            continue
        if key in SECTIONS and isinstance(value, dict):
            inside = {setting.name: setting for setting in known_to(key) if setting.in_file}
            texts.update({(key, name): _texts(path, inside, f"{key}.{name}", name, one) for name, one in value.items()})
        else:
            texts["", key] = _texts(path, top, key, key, value)
    return ConfigFile(path, texts, pins_of(found.get(TRUST, {}), str(path)), _store_options(path, found))


def _texts(path: Path, known: dict[str, Setting], shown: str, name: str, value: object) -> tuple[str, ...] | bool:
    setting = known.get(name)
    if setting is None:
        raise _unknown(path, shown, name, known)
    if setting.parse is None:
        if not isinstance(value, bool):
            raise UsageError(f"{path}: {shown} is a switch", hint=f"write {name} = true or {name} = false")
        return value
    values = value if isinstance(value, list) and setting.is_list else [value]
    kinds = str | int | float if setting.is_number else str | int
    if not all(isinstance(one, kinds) and not isinstance(one, bool) for one in values):
        example = '["…", "…"]' if setting.is_list else '"…"'
        raise UsageError(f"{path}: {shown} has a value of the wrong kind", hint=f"write {name} = {example}")
    return tuple(str(one) for one in values)


def _unknown(path: Path, shown: str, name: str, known: dict[str, Setting]) -> UsageError:
    hint = did_you_mean(name, [*known, *SECTIONS, TRUST, STORE_OPTIONS])
    if not hint and any(setting.name == name for setting in ALL):
        hint = "that is an option of another command, or of the command line only"
    return UsageError(f"{path}: there is no setting {shown!r}", hint=hint or "docs/configuration.md lists them all")


def _store_options(path: Path, found: dict[str, Any]) -> dict[str, str | bool | int]:
    table = found.get(STORE_OPTIONS, {})
    if not isinstance(table, dict) or not all(isinstance(value, str | bool | int) for value in table.values()):
        raise UsageError(f"{path}: {STORE_OPTIONS} is not a table of plain values", hint='write region = "eu-west-1"')
    return dict(table)
