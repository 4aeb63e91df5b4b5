from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.distance import Loss
from bench.namespaces import Distance, Host, open_lab

DELAY_MS = 40
CONNECTS = """
import socket, sys, time
began_at = time.monotonic()
socket.create_connection((sys.argv[1], int(sys.argv[2]))).close()
print(time.monotonic() - began_at)
"""
ACCEPTS = """
import socket, sys
server = socket.create_server((sys.argv[1], 0))
print(server.getsockname()[1], flush=True)
while True:
    server.accept()[0].close()
"""


def test_of_each_thousand_frames_one_is_lost() -> None:
    loss = Loss(0.001)
    assert [sum(loss.takes() for _ in range(1000)) for _ in range(20)] == [1] * 20


def test_without_loss_none_is() -> None:
    loss = Loss(0.0)
    assert not any(loss.takes() for _ in range(1000))


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_a_path_has_the_delay_each_way() -> None:
    with open_lab([Host("a"), Host("b")], distance=Distance(DELAY_MS)) as lab:
        accepts = lab.command("a", [sys.executable, "-c", ACCEPTS, lab.address("a")])
        with subprocess.Popen(accepts, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            connects = lab.command("b", [sys.executable, "-c", CONNECTS, lab.address("a"), port])
            took = [float(subprocess.run(connects, capture_output=True, check=True).stdout) for _ in range(3)]
            server.kill()
    # A handshake is one round trip. Frames may be late on a busy machine, never early.
    assert min(took) >= 2 * DELAY_MS / 1000
