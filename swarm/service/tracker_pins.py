"""`$SWARM_HOME/trackers.json`: which peer id each tracker URL had when it was first used.

A tracker is believed about nothing but whom to introduce, yet one that was swapped could starve a fleet: so it is told.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from swarm.errors import RefusedError
from swarm.holdings.oserror import translated
from swarm.protocol.ids import PeerId

FILE_NAME = "trackers.json"


class TrackerPins:
    """Peer ids by URL; written whole and renamed."""

    def __init__(self, home: os.PathLike[str]) -> None:
        self._path = Path(home) / FILE_NAME

    def check(self, url: str, peer_id: PeerId | None) -> None:
        """Pins on first use. Raises RefusedError where the URL has another peer id now, PermissionError_."""
        if peer_id is None or url.startswith("/"):
            return
        pins = self._read()
        known = pins.get(url)
        if known is not None and known != peer_id:
            raise RefusedError(
                f"the tracker at {url} is {peer_id}, and it was {known}",
                hint=f"if it was set up anew, remove its line from {self._path}; give trackers an --identity to keep",
            )
        if known is None:
            self._write({**pins, url: peer_id})

    def _read(self) -> dict[str, str]:
        try:
            with translated(f"read {self._path}"):
                text = self._path.read_text() if self._path.exists() else "{}"
            found = json.loads(text)
        except ValueError as error:
            raise RefusedError(f"{self._path} cannot be read: {error}", hint="remove it; it is made anew") from error
        return {str(url): str(peer) for url, peer in found.items()} if isinstance(found, dict) else {}

    def _write(self, pins: dict[str, str]) -> None:
        with translated(f"write {self._path}"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.{threading.get_ident()}")
            temporary.write_text(json.dumps(pins, indent=2, sort_keys=True) + "\n")
            temporary.replace(self._path)
