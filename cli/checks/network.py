"""The network: addresses of this machine, ports that can be had, multicast, and the trackers' answers.

Everything is bounded by `TIMEOUT_S` and blocks: it runs in threads.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any

from cli.checks.check import Check, Checks, Status, fail, ok, warn
from cli.exit_codes import ExitCode
from swarm.config.addresses import TRACKER_HTTP_PORT, TRACKER_PORT, is_private
from swarm.config.configs import CommonConfig
from swarm.config.interfaces import interface_addresses

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 64 * 1024

MDNS_GROUP = "224.0.0.251"
PROBE_BYTES = b"swarm doctor"

SKEW_WARN_S = 60.0
"""Records with `not_before` and `expires`, and S3's signatures (15 min), go by the clock."""

_MULTIADDR = re.compile(r"^/(?:ip[46]|dns[46]?)/([^/]+)/tcp/(\d+)")


def check_interfaces(config: CommonConfig) -> Checks:
    """Which addresses there are, and which of them are public."""
    found = interface_addresses()
    outward = [ip for ip in found if not ip_address(ip).is_loopback]
    if not outward:
        return [warn("interfaces", "loopback only", "no other machine can be reached; connect this one to a network")]
    public = [ip for ip in outward if not is_private(ip)]
    if public and config.secret is None and not config.open:
        hint = "set SWARM_SECRET on all machines to use it; without one swarm listens on private addresses only"
        return [warn("interfaces", f"{', '.join(outward)}; public: {', '.join(public)}", hint)]
    return [ok("interfaces", ", ".join(outward))]


def check_ports() -> Checks:
    """Whether a tracker could listen here. A taken port is no fault: it may be our own tracker's."""
    ports = ((TRACKER_PORT, "tracker"), (TRACKER_HTTP_PORT, "tracker's HTTP"))
    found = [_port(port, noun) for port, noun in ports]
    if all(check.status is Status.OK for check in found) or _said(f"http://127.0.0.1:{TRACKER_HTTP_PORT}") is None:
        return found
    return [
        check if check.status is Status.OK else ok(check.name, "a swarm tracker runs here and has it")
        for check in found
    ]


def check_multicast(config: CommonConfig) -> Checks:
    """Whether a multicast packet sent on each interface comes back: what zeroconf needs."""
    if not config.lan:
        return [ok("multicast", "not used (--no-lan)")]
    addresses = [ip for ip in interface_addresses() if ip_address(ip).version == 4]
    outward = [ip for ip in addresses if not ip_address(ip).is_loopback]
    silent = [ip for ip in outward if not _hears_itself(ip)]
    if not outward:
        return [warn("multicast", "no interface for it", "neighbours on the LAN will not be found")]
    if silent:
        hint = "allow UDP 5353 to 224.0.0.251 in the firewall, or name a --tracker"
        return [warn("multicast", f"not heard on {', '.join(silent)}", hint)]
    return [ok("multicast", f"heard on {', '.join(outward)}")]


def check_tracker(address: str) -> Checks:
    """Whether a tracker answers, and whether its clock agrees with ours; "" is none."""
    if not address:
        return [ok("tracker", "none configured: neighbours on the LAN and the store are asked")]
    if address.startswith("/"):
        found = _MULTIADDR.match(address)
        assert found is not None  # parse_tracker has looked
        return [_connects("tracker", address, found.group(1), int(found.group(2)))]
    return _asks(address)


def _asks(url: str) -> Checks:
    started = time.monotonic()
    try:
        said, date = _read(url)
    except (OSError, ValueError, urllib.error.URLError) as error:
        return [_unreachable(url, error)]
    taken = (time.monotonic() - started) * 1000
    if said is None:
        hint = "something else listens there: look at the port"
        return [fail("tracker", f"{url} answers, and is no swarm tracker", hint, ExitCode.UNREACHABLE)]
    addresses = said.get("addresses") or []
    found = [ok("tracker", f"{url} answers in {taken:.0f} ms")]
    found += [_peer_port(url, str(one)) for one in addresses[:1]]
    return found + ([clock_check("tracker's clock", _date(date))] if date else [])


def _read(url: str) -> tuple[dict[str, Any] | None, str | None]:
    """What a tracker says of itself (None: it is none), and the date by its clock. Raises OSError, ValueError."""
    request = urllib.request.Request(f"{url}/.well-known/swarm")  # noqa: S310  # http(s), parse_tracker has looked
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        said = json.loads(answer.read(ANSWER_BYTES_MAX))
        return said if isinstance(said, dict) and "v" in said else None, answer.headers.get("Date")


def _said(url: str) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):
        return _read(url)[0]
    return None


def clock_check(name: str, theirs: float | None) -> Check:
    """How far our clock is from another's (Unix seconds; HTTP says whole ones)."""
    if theirs is None:
        return warn(name, "it does not say", "compare the clocks by hand")
    skew = time.time() - theirs
    if abs(skew) > SKEW_WARN_S:
        side = "ahead of" if skew > 0 else "behind"
        return warn(name, f"this machine is {abs(skew):.0f} s {side} it", "set the clock (NTP)")
    return ok(name, f"within {max(2, abs(skew)):.0f} s of ours")


def _peer_port(url: str, address: str) -> Check:
    found = _MULTIADDR.match(address)
    if not found:
        return warn("tracker's port", f"{url} says nothing of where peers connect", "is it a newer version?")
    return _connects("tracker's port", address, found.group(1), int(found.group(2)))


def _connects(name: str, shown: str, host: str, port: int) -> Check:
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S):
            return ok(name, f"{shown} takes connections")
    except OSError as error:
        hint = f"open TCP port {port} on the way to {host}"
        return fail(name, f"{shown}: {error.strerror or error}", hint, ExitCode.UNREACHABLE)


def _unreachable(url: str, error: Exception) -> Check:
    reason = getattr(error, "reason", error)
    text = getattr(reason, "strerror", None) or str(reason)
    hint = "is `swarm tracker` running there, and its port open? (it prints its address)"
    return fail("tracker", f"{url} does not answer: {text}", hint, ExitCode.UNREACHABLE)


def _port(port: int, noun: str) -> Check:
    name = f"port {port}"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As a server sets it: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return warn(
                name, f"cannot be had: {error.strerror}", f"fine if a {noun} runs here; else give it another port"
            )
    return ok(name, f"free for a {noun}")


def _hears_itself(ip: str) -> bool:
    """Sends one packet to the group of mDNS, on a port of our own, and waits for it."""
    with contextlib.ExitStack() as stack:
        try:
            receiver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            receiver.bind(("", 0))
            membership = struct.pack("4s4s", socket.inet_aton(MDNS_GROUP), socket.inet_aton(ip))
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            receiver.settimeout(1.0)
            sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ip))
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            sender.sendto(PROBE_BYTES, (MDNS_GROUP, receiver.getsockname()[1]))
            return receiver.recv(64) == PROBE_BYTES
        except OSError:
            return False


def _date(text: str) -> float | None:
    with contextlib.suppress(ValueError, TypeError):
        return parsedate_to_datetime(text).timestamp()
    return None
