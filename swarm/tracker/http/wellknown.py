"""`/.well-known/swarm`: where a tracker's own protocol is to be reached, as JSON.

`{v, realm, trackers, addresses, required}`: `realm` in hex or null, `addresses` full multiaddrs with one `/p2p/` id,
`trackers` other trackers' URLs. A reader refuses another `v`, and a `required` that names what it does not know.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from swarm.errors import DecodeError
from swarm.protocol.bounds import ADDRESS_BYTES_MAX, ADDRESSES_MAX, TRACKERS_MAX
from swarm.protocol.ids import PeerId, Realm
from swarm.tracker.agents.uses import USES_MAX, VersionUse

PATH = "/.well-known/swarm"
VERSIONS_PATH = "/versions"
V = 1
BYTES_MAX = 64 * 1024
"""Sixteen addresses and sixteen trackers take a tenth of it."""

_ADDRESS = re.compile(r"(/(?:ip4|ip6|dns|dns4|dns6)/[^/\s]+/tcp/\d{1,5})/p2p/([1-9A-HJ-NP-Za-km-z]{1,64})")


@dataclass(frozen=True, slots=True)
class WellKnown:
    """`addresses` are multiaddrs without `/p2p/`, all of `peer_id`."""

    realm: Realm | None
    peer_id: PeerId
    addresses: tuple[str, ...]
    trackers: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        document = {
            "v": V,
            "realm": self.realm.hex() if self.realm is not None else None,
            "trackers": list(self.trackers),
            "addresses": [f"{address}/p2p/{self.peer_id}" for address in self.addresses],
            "required": [],
        }
        return json.dumps(document, indent=2).encode() + b"\n"


def parse_full_address(address: str) -> tuple[str, PeerId]:
    """The address without `/p2p/…`, and its peer id. Raises DecodeError."""
    match = _ADDRESS.fullmatch(address) if len(address) <= ADDRESS_BYTES_MAX else None
    if match is None:
        raise DecodeError(f"'{address[:200]}' is no full address", hint="like /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo…")
    return match[1], PeerId(match[2])


def parse_well_known(data: bytes) -> WellKnown:
    """Raises DecodeError for everything that is not a document of a version that is known here."""
    document = _object(data)
    if document.get("v") != V or document.get("required", []) != []:
        raise DecodeError("the tracker needs a newer swarm", hint="upgrade swarm on this machine")
    addresses = [parse_full_address(address) for address in _texts(document, "addresses", ADDRESSES_MAX)]
    peer_ids = {peer_id for _, peer_id in addresses}
    if len(peer_ids) != 1:
        raise DecodeError(f"the tracker's document names {len(peer_ids)} peers")
    realm = document.get("realm")
    if realm is not None and (not isinstance(realm, str) or not re.fullmatch("[0-9a-f]{32}", realm)):
        raise DecodeError("the tracker's document has a realm that is none")
    return WellKnown(
        Realm(bytes.fromhex(realm)) if realm is not None else None,
        peer_ids.pop(),
        tuple(address for address, _ in addresses),
        tuple(_texts(document, "trackers", TRACKERS_MAX)),
    )


def parse_uses(data: bytes) -> tuple[VersionUse, ...]:
    """The document of `/versions`. Raises DecodeError."""
    rows = _object(data).get("versions")
    if not isinstance(rows, list):
        raise DecodeError("the tracker's document has no list at 'versions'")
    return tuple(_use(row) for row in rows[:USES_MAX])


def _use(row: object) -> VersionUse:
    fields = row if isinstance(row, dict) else {}
    version = fields.get("version")
    counts = [fields.get(name) for name in ("seeders", "complete", "fetching", "sites")]
    numbers = [count for count in counts if type(count) is int and count >= 0]
    if not isinstance(version, str) or not re.fullmatch("[0-9a-f]{64}", version) or len(numbers) != len(counts):
        raise DecodeError("the tracker's document has a version that is none")
    return VersionUse(version, *numbers)


def _object(data: bytes) -> dict[str, object]:
    try:
        document = json.loads(data) if len(data) <= BYTES_MAX else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise DecodeError("what answers there is not a tracker: its /.well-known/swarm is no JSON object")
    return document


def _texts(document: dict[str, object], key: str, count_max: int) -> list[str]:
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise DecodeError(f"the tracker's document has no list of texts at '{key}'")
    return found[:count_max]
