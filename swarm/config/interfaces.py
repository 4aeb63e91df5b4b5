"""The addresses of this machine's interfaces: what a wildcard would listen on."""

from __future__ import annotations

from ipaddress import ip_address


def interface_addresses() -> tuple[str, ...]:
    """Every address of every interface, loopback included, without scope ids; sorted, each once."""
    import ifaddr  # noqa: PLC0415  # 6 ms that only a listening command pays

    found = {ip.ip if isinstance(ip.ip, str) else ip.ip[0] for adapter in ifaddr.get_adapters() for ip in adapter.ips}
    return tuple(sorted(found, key=lambda ip: (ip_address(ip).version, ip_address(ip))))
