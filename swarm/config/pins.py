"""`$SWARM_HOME/trust.toml`: whom this machine believes about which name.

    [trust]
    "@maps/planet" = { publisher = "ed25519:…", realm = "0123…" }
    places = "ed25519:…"

The table has the same form in `config.toml`, which goes before this file: an administrator's word beats what was
pinned on first use. Written whole and renamed, under a lock file, so that two fetches may pin at once.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swarm.config.configs import CommonConfig, Pin
from swarm.config.values import parse_realm
from swarm.errors import PermissionError_, UsageError
from swarm.protocol.names import is_name

FILE_NAME = "trust.toml"
FILE_BYTES_MAX = 16 * 1024 * 1024
"""Some hundred thousand names; more is not a list of pins."""

_FINGERPRINT = re.compile(r"ed25519:[a-z2-7]{52}")
"""Its form only: taking it apart needs the library for keys, which reading a configuration should not load."""

_HEADER = "# Whom this machine believes: written by `swarm trust` and on first use of a name (docs/configuration.md).\n"


class Pins:
    """The pins of the configuration file and of `trust.toml` together."""

    def __init__(self, home: Path, configured: Mapping[str, Pin]) -> None:
        self.path = home / FILE_NAME
        self.configured = configured

    @classmethod
    def of(cls, config: CommonConfig) -> Pins:
        """The pins that a command with this configuration goes by."""
        return cls(config.home, config.trust)

    def find(self, name: str) -> Pin | None:
        """The pin of a name; the configuration's first."""
        return self.configured.get(name) or self.written().get(name)

    def all(self) -> dict[str, Pin]:
        """Every pin, by name."""
        return dict(sorted({**self.written(), **self.configured}.items()))

    def written(self) -> dict[str, Pin]:
        """The pins of `trust.toml`. Raises UsageError where it is not what it should be."""
        return read_pins(self.path)

    def add(self, name: str, pin: Pin) -> Pin | None:
        """Writes a pin and returns the one that it replaces. Raises UsageError where config.toml pins the name."""
        if name in self.configured and self.configured[name] != pin:
            raise UsageError(
                f"config.toml pins {name} to {self.configured[name].publisher}", hint="change it there: it goes first"
            )
        with self._changing() as pins:
            before = pins.get(name)
            pins[name] = pin
        return before

    def remove(self, name: str) -> Pin | None:
        """Forgets a written pin and returns it; None where there was none."""
        with self._changing() as pins:
            return pins.pop(name, None)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Pin]]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self.path.with_suffix(".lock")):
                pins = read_pins(self.path)
                yield pins
                _write(self.path, render_pins(pins))
        except OSError as error:
            raise PermissionError_(
                f"{self.path} cannot be written: {error.strerror}", hint="check the rights of SWARM_HOME"
            ) from error


def read_pins(path: Path) -> dict[str, Pin]:
    """The `[trust]` table of a file; empty where there is no file."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return {}
    if len(text) > FILE_BYTES_MAX:
        raise UsageError(f"{path} is larger than any list of pins", hint="look at what is in it")
    try:
        found = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}", hint="repair the file, or remove it and pin again") from None
    return pins_of(found.get("trust", {}), str(path))


def pins_of(table: Any, place: str) -> dict[str, Pin]:
    """A `[trust]` table as pins: a value is a fingerprint, or `{publisher, realm}`."""
    if not isinstance(table, dict):
        raise UsageError(f"{place}: trust is not a table", hint='write [trust] and below it: name = "ed25519:…"')
    return {name: _pin(name, value, place) for name, value in table.items()}


def render_pins(pins: Mapping[str, Pin]) -> str:
    """The text of `trust.toml`, sorted by name."""
    return _HEADER + "\n[trust]\n" + "".join(_line(name, pin) for name, pin in sorted(pins.items()))


def _pin(name: str, value: object, place: str) -> Pin:
    fields = {"publisher": value} if isinstance(value, str) else value
    if (
        not isinstance(fields, dict)
        or not isinstance(fields.get("publisher"), str)
        or not set(fields) <= {"publisher", "realm"}
        or not isinstance(fields.get("realm", ""), str)
    ):
        raise UsageError(
            f"{place}: the pin of {name!r} is not one",
            hint=f'write "{name}" = "ed25519:…" or {{ publisher = "ed25519:…", realm = "HEX" }}',
        )
    if not _FINGERPRINT.fullmatch(fields["publisher"]):
        raise UsageError(f"{place}: the pin of {name!r} is no fingerprint", hint="`swarm key show` prints it")
    if not is_name(name):
        raise UsageError(f"{place}: {name!r} is pinned and is no name", hint='write it in quotes: "@scope/part"')
    realm = fields.get("realm")
    return Pin(fields["publisher"], parse_realm(realm) if realm else None)


def _line(name: str, pin: Pin) -> str:
    # Names and fingerprints hold no quotes and no backslashes: their alphabets are checked before they are pinned.
    if pin.realm is None:
        return f'"{name}" = "{pin.publisher}"\n'
    return f'"{name}" = {{ publisher = "{pin.publisher}", realm = "{pin.realm.hex()}" }}\n'


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl  # noqa: PLC0415  # only where something is written

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
