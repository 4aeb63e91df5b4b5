"""The tracker's table of networks and sites: which site an agent is of, whatever it says itself."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


class SiteTable:
    """Longest prefixes first. An agent in none of the networks is of the site that it says."""

    def __init__(self, networks: Iterable[tuple[Network, str]]) -> None:
        self._networks = sorted(networks, key=lambda entry: -entry[0].prefixlen)

    def site_of(self, said: str, addresses: tuple[str, ...]) -> str:
        """By the first address that is in a network. Addresses are multiaddrs that the agent announces."""
        for address in filter(None, map(_ip_of, addresses)):
            for network, site in self._networks:
                if address.version == network.version and address in network:
                    return site
        return said


def _ip_of(address: str) -> IPv4Address | IPv6Address | None:
    parts = address.split("/")
    if len(parts) < 3 or parts[1] not in ("ip4", "ip6"):
        return None
    try:
        return ip_address(parts[2])
    except ValueError:
        return None
