"""Where to listen and where a tracker is: parsing, and what counts as private.

Private: loopback, RFC 1918 (10/8, 172.16/12, 192.168/16), link-local (169.254/16, fe80::/10), unique local (fc00::/7).
Everything else is public, the shared space of carriers (100.64/10) included: strangers share it. An unspecified
address (`0.0.0.0`, `::`) is as public as the most public address of the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from swarm.errors import UsageError

TRACKER_HTTP_PORT = 4180
TRACKER_PORT = 4001

_PRIVATE = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fe80::/10",
        "fc00::/7",
    )
)
_HINTS = {"localhost": "127.0.0.1", "": "0.0.0.0 for every interface", "*": "0.0.0.0 for every interface"}
_MULTIADDR = re.compile(r"^/(ip4|ip6|dns|dns4|dns6)/[^/]+/tcp/\d+/p2p/[1-9A-HJ-NP-Za-km-z]+$")
_HOST_PORT = re.compile(r"^(\[[0-9a-fA-F:.%\w]+\]|[A-Za-z0-9._-]+)(:\d+)?$")


@dataclass(frozen=True, slots=True)
class Listen:
    """An address of this machine and a port; port 0 lets the system choose one."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


def parse_listen(text: str) -> Listen:
    """`10.0.0.5:4001`, `0.0.0.0:0`, `[::1]:0`. Raises UsageError."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or (":" in host and not host.startswith("[")):
        raise _not_a_listen_address(text, _port_hint(text))
    if int(port) > 65535:
        raise _not_a_listen_address(text, "a port is at most 65535")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return Listen(str(ip_address(bare)), int(port))
    except ValueError:
        hint = _HINTS.get(bare, "the address of an interface in place of the name")
        raise _not_a_listen_address(text, f"use {hint}") from None


def parse_tracker(text: str) -> str:
    """A tracker's address in one of its two full forms: `http(s)://host:port` or a multiaddr with `/p2p/…`.

    `host` and `host:port` are short for `http://host:4180`. Raises UsageError.
    """
    text = text.strip()
    if text.startswith("/"):
        if not _MULTIADDR.match(text):
            raise _not_a_tracker(text)
        return text
    if "://" not in text:
        if not _HOST_PORT.match(text):
            raise _not_a_tracker(text)
        has_port = text.rpartition(":")[2].isdigit() and not text.endswith("]")
        text = f"http://{text}" if has_port else f"http://{text}:{TRACKER_HTTP_PORT}"
    return _checked_url(text)


def is_private(ip: str) -> bool:
    """Whether only machines of the same house can reach this address. An unspecified one is not."""
    address: IPv4Address | IPv6Address = ip_address(ip)
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return any(address in network for network in _PRIVATE if network.version == address.version)


def public_addresses(listen: Listen, interfaces: Iterable[str]) -> tuple[str, ...]:
    """The public addresses on which `listen` could be reached; `interfaces` are the machine's own."""
    address = ip_address(listen.ip)
    if not address.is_unspecified:
        return () if is_private(listen.ip) else (listen.ip,)
    # A dual-stack socket on :: takes IPv4 too, so every address counts there.
    ours = [ip for ip in interfaces if address.version == 6 or ip_address(ip).version == 4]
    return tuple(ip for ip in ours if not is_private(ip))


def refuse_exposure(listens: Sequence[Listen], interfaces: Sequence[str], option: str) -> None:
    """Raises UsageError if one of them is public: called where there is neither a secret nor `--open`."""
    for listen in listens:
        found = public_addresses(listen, interfaces)
        if found:
            through = "" if listen.ip in found else f" (it includes {found[0]})"
            raise UsageError(
                f"{option} {listen} is a public address{through}, and there is no secret: anybody could take the data",
                hint="set --secret (or SWARM_SECRET) on all machines, or say --open to let anybody in",
            )


def default_listen(port: int, interfaces: Sequence[str], *, may_be_public: bool) -> tuple[Listen, ...]:
    """Where to listen when nobody said: everywhere if that is allowed or harmless, else on the private addresses.

    IPv6 only where the machine has no IPv4 beyond loopback: one family is enough for finding each other, and two
    wildcard sockets on one port are not to be had on every system.
    """
    wildcard = Listen("0.0.0.0", port)  # noqa: S104  # that is the question here
    if all(ip_address(ip).version == 6 or ip_address(ip).is_loopback for ip in interfaces) and any(
        ip_address(ip).version == 6 and not ip_address(ip).is_loopback and not ip_address(ip).is_link_local
        for ip in interfaces
    ):
        wildcard = Listen("::", port)
    if may_be_public or not public_addresses(wildcard, interfaces):
        return (wildcard,)
    version = ip_address(wildcard.ip).version
    private = (ip for ip in interfaces if ip_address(ip).version == version and is_private(ip))
    return tuple(Listen(ip, port) for ip in sorted(set(private)))


def _checked_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _not_a_tracker(text) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or port == 0:
        raise _not_a_tracker(text)
    return text.rstrip("/")


def _port_hint(text: str) -> str:
    if text.count(":") > 1 and not text.startswith("["):
        return f"write an IPv6 address in brackets: [{text.rpartition(':')[0]}]:{text.rpartition(':')[2]}"
    return "add a port, 0 for any free one: 10.0.0.5:0"


def _not_a_listen_address(text: str, hint: str) -> UsageError:
    return UsageError(f"{text!r} is not an address to listen on", hint=f"it is IP:PORT or [IPV6]:PORT; {hint}")


def _not_a_tracker(text: str) -> UsageError:
    return UsageError(
        f"{text!r} is not a tracker's address",
        hint="it is http://HOST:PORT (swarm tracker prints it) or /ip4/IP/tcp/PORT/p2p/PEER-ID",
    )
