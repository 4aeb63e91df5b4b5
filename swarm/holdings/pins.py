"""Pins: holdings that `swarm prune` leaves alone. Small files under `$SWARM_HOME/kept`, one a pin.

A pin is a directory, or what people call a holding: `name:tag`, `name@digest`, or a name for all of its versions. (What
pins a publisher's key to a name is another thing: `swarm trust`.) Synchronous, safe with several processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from swarm.holdings.oserror import translated
from swarm.holdings.record import HoldingRecord
from swarm.protocol.ids import digest


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """`directory` (absolute, links resolved), or else `label`."""

    label: str = ""
    directory: bytes = b""

    def covers(self, record: HoldingRecord) -> bool:
        if self.directory:
            return record.directory == self.directory
        return self.label in {record.label, name_of(record.label)}

    def to_bytes(self) -> bytes:
        return b"directory " + self.directory if self.directory else b"label " + self.label.encode()


class Pins:
    """The pins of one `$SWARM_HOME`. Methods raise PermissionError_, NoSpaceError."""

    def __init__(self, home: Path) -> None:
        self._directory = home / "kept"

    def all(self) -> list[Pin]:
        """Sorted; a file that is no pin is passed over."""
        with translated(f"read {self._directory}"):
            if not self._directory.is_dir():
                return []
            found = [_read(path.read_bytes()) for path in self._directory.iterdir() if not path.name.startswith(".")]
        return sorted(pin for pin in found if pin is not None)

    def add(self, pin: Pin) -> bool:
        """False if it was there."""
        path = self._path(pin)
        with translated(f"write {path}"):
            if path.exists():
                return False
            self._directory.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}")
            temporary.write_bytes(pin.to_bytes())
            temporary.replace(path)
        return True

    def remove(self, pin: Pin) -> bool:
        """False if there was none."""
        path = self._path(pin)
        with translated(f"remove {path}"):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    def _path(self, pin: Pin) -> Path:
        return self._directory / digest(pin.to_bytes())[:16].hex()


def name_of(label: str) -> str:
    """The dataset's name in a label: `@scope/part` of `@scope/part:tag` and of `@scope/part@digest`."""
    head, colon, _ = label.rpartition(":")
    if colon:
        return head
    at = label.find("@", 1)
    return label[:at] if at > 0 else label


def pinned_by(pins: Iterable[Pin], record: HoldingRecord) -> Pin | None:
    """The pin that keeps a holding."""
    return next((pin for pin in pins if pin.covers(record)), None)


def _read(data: bytes) -> Pin | None:
    kind, _, rest = data.partition(b" ")
    if kind == b"directory" and rest.startswith(b"/"):
        return Pin(directory=rest)
    try:
        return Pin(label=rest.decode()) if kind == b"label" and rest else None
    except UnicodeDecodeError:
        return None
