"""What is said of a peer on the local network: its peer id, port and version, and the addresses of its interfaces.

Never what it holds: names of datasets are nobody's business on a shared network. Pure; `discovery` does the talking.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swarm.errors import DecodeError
from swarm.protocol.bounds import ADDRESSES_MAX
from swarm.protocol.ids import PeerId
from swarm.protocol.keys import public_key_of
from swarm.transport.addresses import multiaddr, parse

SERVICE_TYPE = "_swarm._tcp.local."
VERSION = b"1"


@dataclass(frozen=True, slots=True)
class Announcement:
    """`ips` share the port. The instance's name is the peer id, so names never collide."""

    peer_id: PeerId
    ips: tuple[str, ...]
    port: int

    @property
    def instance(self) -> str:
        return f"{self.peer_id}.{SERVICE_TYPE}"

    @property
    def server(self) -> str:
        return f"{self.peer_id}.local."

    @property
    def text(self) -> dict[str, bytes]:
        return {"id": self.peer_id.encode(), "v": VERSION}

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(multiaddr(ip, self.port) for ip in self.ips)


def announcement(peer_id: PeerId, addresses: Iterable[str], *, has_loopback: bool) -> Announcement | None:
    """What to say of a transport's multiaddrs: those of the first port. None where nobody could reach any of them."""
    endpoints = [parse(address) for address in addresses]
    usable = [e for e in endpoints if has_loopback or not ipaddress.ip_address(e.host).is_loopback]
    if not usable:
        return None
    port = usable[0].port
    ips = tuple(endpoint.host for endpoint in usable if endpoint.port == port)
    return Announcement(peer_id, ips[:ADDRESSES_MAX], port)


def read_announcement(
    instance: str, text: Mapping[bytes, bytes | None], ips: Iterable[str], port: int | None
) -> Announcement:
    """What somebody said, checked. Raises DecodeError: anybody on the network may say anything."""
    peer_id = PeerId(instance.removesuffix(f".{SERVICE_TYPE}"))
    public_key_of(peer_id)
    if text.get(b"id") != peer_id.encode() or text.get(b"v") != VERSION:
        raise DecodeError("an announcement of another version, or of another peer than its name says")
    if port is None or not 0 < port < 65_536:
        raise DecodeError(f"an announcement of port {port}")
    # Records come in no order; sorted, what has not changed compares equal.
    reachable = sorted({ipaddress.ip_address(ip) for ip in ips if _is_reachable(ip)}, key=lambda ip: (ip.version, ip))
    if not reachable:
        raise DecodeError("an announcement without an address")
    return Announcement(peer_id, tuple(map(str, reachable[:ADDRESSES_MAX])), port)


def _is_reachable(ip: str) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    is_nowhere = address.is_unspecified or address.is_multicast
    # Link-local IPv6 needs a zone, which a multiaddr does not carry.
    return not is_nowhere and not (address.version == 6 and address.is_link_local)
