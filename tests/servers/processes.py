"""Child processes of tests. Each holds the write end of the child's stdin, so that a child ends with its test run."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

READY_TIMEOUT_S = 60
END_TIMEOUT_S = 10


@contextmanager
def running(command: Sequence[str], *, env: dict[str, str] | None = None) -> Iterator[str]:
    """Yields the first line that the child prints: it must print one when it is ready. Ends it by ending its stdin."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{command[0]} ended with {process.wait(READY_TIMEOUT_S)} before it was ready")
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
    """The first of `count` neighbouring ports of loopback that nobody listens on now."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            if all(_is_free(port + more) for more in range(1, count)):
                return port


def _is_free(port: int) -> bool:
    if port > 65535:
        return False
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
