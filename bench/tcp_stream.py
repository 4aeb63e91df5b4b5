"""The payload rate of one plain TCP stream between two hosts of the lab; `python bench/tcp_stream.py` is either end.

send IP                 listens on a free port, prints it, sends until the other side hangs up
receive IP PORT SECONDS prints bytes per second
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from bench.namespaces import Lab

SECONDS = 3.0
SETTLE_S = 2.0
"""Not measured: the token bucket's first burst, and TCP's own start, whose first loss keeps what follows from a reader
(at 10 Mbit/s and after 0.5 s that was half a megabyte, which looked like 10.9 Mbit/s)."""


def measure(lab: Lab, sender: str, receiver: str, seconds: float = SECONDS) -> float:
    """Bytes of payload per second from one host to another, nothing else going on."""
    address = lab.address(sender)
    with subprocess.Popen(
        lab.command(sender, [*_script(), "send", address]), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        words = [*_script(), "receive", address, port, str(seconds)]
        done = subprocess.run(lab.command(receiver, words), check=True, capture_output=True, text=True)
    return float(done.stdout)


def _script() -> list[str]:
    return [sys.executable, "-m", f"bench.{Path(__file__).stem}"]


def _send(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        print(server.getsockname()[1], flush=True)
        connection, _ = server.accept()
        piece = bytes(256 * 1024)
        with connection, suppress(ConnectionError):
            while True:
                connection.sendall(piece)


def _receive(address: str, port: int, seconds: float) -> None:
    with socket.create_connection((address, port)) as connection:
        _count(connection, SETTLE_S)
        began_at = time.monotonic()
        count = _count(connection, seconds)
        print(count / (time.monotonic() - began_at), flush=True)


def _count(connection: socket.socket, seconds: float) -> int:
    total, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        total += len(connection.recv(256 * 1024))
    return total


def main() -> None:
    """One end."""
    if sys.argv[1] == "send":
        _send(sys.argv[2])
    else:
        _receive(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))


if __name__ == "__main__":
    main()
