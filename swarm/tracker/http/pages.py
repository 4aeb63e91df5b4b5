"""What a tracker shows over HTTP: `/healthz`, `/.well-known/swarm`, `/status`, `/versions`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Protocol

from swarm.protocol.ids import Realm
from swarm.tracker.agents.uses import VersionUse
from swarm.tracker.http.server import Document, Pages
from swarm.tracker.http.wellknown import PATH, VERSIONS_PATH, WellKnown
from swarm.tracker.origin.link import StoreLink
from swarm.tracker.settings import TrackerSettings
from swarm.tracker.statistics import TrackerStatistics
from swarm.transport.transport import Transport

JSON = "application/json"


class Shown(Protocol):
    """A running tracker."""

    settings: TrackerSettings
    transport: Transport
    store: StoreLink | None

    @property
    def realm(self) -> Realm | None: ...
    @property
    def tag_count(self) -> int: ...
    def statistics(self) -> TrackerStatistics: ...
    def uses(self) -> tuple[VersionUse, ...]: ...


def pages_of(tracker: Shown) -> Pages:
    """By path."""
    return {
        "/healthz": lambda: _health(tracker),
        "/status": lambda: _json(_status(tracker)),
        VERSIONS_PATH: lambda: _versions(tracker),
        PATH: lambda: Document(_well_known(tracker).to_json(), JSON),
    }


def _health(tracker: Shown) -> Document:
    """200 once the service can be used: somebody can connect, and the store, if there is one, has been opened."""
    reason = _hindrance(tracker)
    if reason:
        if tracker.store is not None:
            tracker.store.poke()  # nobody else asks a tracker that is not ready
        return Document(f"not ready: {reason}\n".encode(), status=HTTPStatus.SERVICE_UNAVAILABLE)
    return Document(b"ok\n")


def _hindrance(tracker: Shown) -> str:
    if not tracker.transport.addresses:
        return "it listens nowhere"
    return tracker.store.hindrance if tracker.store is not None else ""


def _well_known(tracker: Shown) -> WellKnown:
    transport = tracker.transport
    return WellKnown(tracker.realm, transport.peer_id, transport.addresses, tracker.settings.trackers)


def _status(tracker: Shown) -> Mapping[str, object]:
    return {
        "v": 1,
        "peer_id": tracker.transport.peer_id,
        "realm": tracker.realm.hex() if tracker.realm is not None else None,
        "has_store": tracker.store is not None,
        "is_ready": not _hindrance(tracker),
        "tags": tracker.tag_count,
        **asdict(tracker.statistics()),
    }


def _versions(tracker: Shown) -> Document:
    if not tracker.settings.shows_versions:
        text = b"not shown: a secret keeps strangers out, and HTTP does not ask for it\n"
        return Document(text, status=HTTPStatus.FORBIDDEN)
    return _json({"v": 1, "versions": [asdict(use) for use in tracker.uses()]})


def _json(value: Mapping[str, object]) -> Document:
    return Document(json.dumps(value, indent=2, default=str).encode() + b"\n", JSON)
