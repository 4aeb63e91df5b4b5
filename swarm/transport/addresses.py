"""Multiaddrs as text, and this machine's own addresses. Nothing here connects or resolves.

Only `/ip4|ip6|dns|dns4|dns6/…/tcp/…[/p2p/…]` is understood: what else a peer announces is not dialled.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import ifaddr

from swarm.errors import UsageError
from swarm.protocol.ids import PeerId

_HOST_KINDS = {"ip4", "ip6", "dns", "dns4", "dns6"}

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised here so that they are never announced


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, and to whom if the address says."""

    host: str
    port: int
    peer_id: PeerId | None = None


def multiaddr(host: str, port: int) -> str:
    """`/ip4/192.0.2.1/tcp/4001`; a host that is no address becomes `/dns/…`."""
    try:
        kind = f"ip{ipaddress.ip_address(host).version}"
    except ValueError:
        kind = "dns"
    return f"/{kind}/{host}/tcp/{port}"


def parse(address: str) -> Endpoint:
    """The endpoint of a multiaddr. Raises UsageError with an example."""
    parts = address.strip().split("/")
    wrong = UsageError(f"'{address[:200]}' is no address", hint="like /ip4/192.0.2.1/tcp/4001 or …/p2p/12D3Koo…")
    if len(parts) not in (5, 7) or parts[0] or parts[1] not in _HOST_KINDS or parts[3] != "tcp" or not parts[2]:
        raise wrong
    if len(parts) == 7 and (parts[5] != "p2p" or not parts[6]):
        raise wrong
    if not parts[4].isascii() or not parts[4].isdecimal() or not 0 < int(parts[4][:6]) < 65_536:
        raise wrong
    _check_ip(parts[1], parts[2], wrong)
    return Endpoint(parts[2], int(parts[4]), PeerId(parts[6]) if len(parts) == 7 else None)


def _check_ip(kind: str, host: str, wrong: UsageError) -> None:
    if not kind.startswith("ip"):
        return
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        raise wrong from None
    if kind != f"ip{version}":
        raise wrong


def interface_addresses() -> tuple[str, ...]:
    """This machine's addresses, those that others may reach first and loopback only where there is nothing else.

    Link-local IPv6 is left out: it means nothing without a zone, which multiaddrs of others do not carry.
    """
    found = [ipaddress.ip_address(address) for address in _adapter_addresses()]
    usable = [address for address in found if not (address.is_link_local and address.version == 6)]
    outward = [address for address in usable if not address.is_loopback]
    return tuple(str(address) for address in sorted(outward or usable, key=lambda address: (address.version, address)))


def concrete(host: str) -> tuple[str, ...]:
    """What a listener on `host` can be reached at: itself, or for a wildcard each interface's address of its kind."""
    if host not in WILDCARDS:
        return (host,)
    version = ipaddress.ip_address(host).version
    # A socket on `::` is made for IPv6 alone.
    return tuple(a for a in interface_addresses() if ipaddress.ip_address(a).version == version)


def _adapter_addresses() -> list[str]:
    entries = [entry for adapter in ifaddr.get_adapters() for entry in adapter.ips]
    return [entry.ip if isinstance(entry.ip, str) else entry.ip[0] for entry in entries]
