"""Listening sockets: bound so that a port in use is an error, and announced by addresses that others can dial.

py-libp2p's own listener sets SO_REUSEPORT (two programs share a port and each gets half of the connections) and does
not report a failed bind; hence this one.
"""

from __future__ import annotations

import errno
import socket

import trio

from swarm.errors import PermissionError_, UnreachableError, UsageError
from swarm.transport.addresses import concrete, multiaddr

BACKLOG = 1024
"""A fleet that boots at once connects within a second; the kernel cuts this to its own limit."""

SHARED_PORT_TRIES = 16
"""An ephemeral port that is free on one address may be taken on the next."""

Listen = tuple[tuple[str, int], ...]


def bind_all(listen: Listen) -> list[trio.SocketListener]:
    """One listener for each (address, port). Ports given as 0 become one and the same free port.

    Raises UsageError where a port is taken or an address is not this machine's, PermissionError_ where it is forbidden.
    """
    for attempt in range(SHARED_PORT_TRIES):
        try:
            return _bind_once(listen)
        except _PortTakenError as error:
            is_last = attempt == SHARED_PORT_TRIES - 1
            if is_last or not error.is_ephemeral:
                raise UsageError(
                    f"port {error.port} of {error.host} is in use by another program",
                    hint="choose another with --listen, or end that program",
                ) from error
    raise UnreachableError("no free port was found")


def addresses_of(listeners: list[trio.SocketListener]) -> tuple[str, ...]:
    """Multiaddrs of what is bound now; for wildcards, of the interfaces that exist now."""
    bound = [listener.socket.getsockname()[:2] for listener in listeners]
    return tuple(dict.fromkeys(multiaddr(address, port) for host, port in bound for address in concrete(host)))


class _PortTakenError(Exception):
    def __init__(self, host: str, port: int, *, is_ephemeral: bool) -> None:
        super().__init__(f"{host}:{port}")
        self.host, self.port, self.is_ephemeral = host, port, is_ephemeral


def _bind_once(listen: Listen) -> list[trio.SocketListener]:
    listeners: list[trio.SocketListener] = []
    shared_port = 0
    try:
        for host, port in listen:
            listener = _bind(host, port or shared_port, is_ephemeral=port == 0)
            listeners.append(listener)
            if port == 0:
                shared_port = listener.socket.getsockname()[1]
    except BaseException:
        for listener in listeners:
            listener.socket.close()
        raise
    return listeners


def _bind(host: str, port: int, *, is_ephemeral: bool) -> trio.SocketListener:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bare = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Only lets a port be taken again whose old connections are still fading; two listeners still exclude another.
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bare.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bare.bind((host, port))
        bare.listen(BACKLOG)
    except OSError as error:
        bare.close()
        raise _explained(error, host, port, is_ephemeral) from error
    return trio.SocketListener(trio.socket.from_stdlib_socket(bare))


def _explained(error: OSError, host: str, port: int, is_ephemeral: bool) -> Exception:
    if error.errno == errno.EADDRINUSE:
        return _PortTakenError(host, port, is_ephemeral=is_ephemeral)
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{host} is not an address of this machine", hint="`ip address` lists them")
    if error.errno == errno.EACCES:
        return PermissionError_(f"port {port} of {host} is reserved for the system", hint="choose one above 1023")
    return UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}")
