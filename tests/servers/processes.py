"""Child processes of tests. Each holds the write end of the child's stdin, so that a child ends with its test run."""

from __future__ import annotations

import random
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

END_TIMEOUT_S = 10
FIRST_PORT, LAST_PORT = 12_000, 32_000


class NotReadyError(Exception):
    """A child ended before it could be used."""


@contextmanager
def running(command: Sequence[str], *, env: dict[str, str] | None = None) -> Iterator[str]:
    """Yields the first line that the child prints: it must print one when it is ready. Ends it by ending its stdin."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise NotReadyError(f"{command[0]} ended with {process.wait(END_TIMEOUT_S)} before it was ready")
        yield line.strip()
    finally:
        process.stdin.close()
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def free_port(count: int = 1) -> int:
    """The first of `count` neighbouring ports of loopback that nobody has now.

    For programs that cannot be given port 0. Below the range from which the kernel takes the ports of outgoing
    connections, of which a test run makes thousands: one of those could come first.
    """
    while True:
        port = random.SystemRandom().randrange(FIRST_PORT, LAST_PORT - count)
        if all(_is_free(port + more) for more in range(count)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
