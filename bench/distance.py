"""Links with delay and loss, where the kernel has no netem: every frame of every host passes this program.

`python -m bench.distance DELAY_MS LOSS_PERCENT [NAMESPACE DEVICE SWITCH PORT] ...` makes a pair of TAP devices for each
host, one in its namespace and one in the switch's, prints `up`, and carries frames between them until its stdin ends.
What goes to a host waits and may be lost; what a host sends passes at once: so a path between two hosts has the delay
once each way, and the loss once each way. Order is kept. A frame costs some 25 us of CPU each way, so a core carries
40,000 a second, of all links together (200 Mbit/s from one host to another take half a core).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME_BYTES_MAX = 65536
FRAMES_AT_ONCE = 64
"""Read from one device before the others, and what is due, have their turn."""

QUEUE_FRAMES = 2000
"""What may wait for this program to be scheduled, behind the shaped queue: a third of a second at 50 Mbit/s."""

WORDS = 4
"""A link's: namespace, device, the switch's namespace, port."""


@contextmanager
def distant(links: Sequence[Sequence[str]], delay_ms: float, loss_percent: float) -> Iterator[None]:
    """The program, running: the devices are there, without addresses, as long as it is."""
    words = [word for link in links for word in link]
    command = [sys.executable, "-m", "bench.distance", str(delay_ms), str(loss_percent), *words]
    pipe = subprocess.PIPE
    # Its stdin is a pipe that nobody writes to: it ends when this process does, however that ends.
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline().strip() != "up":
                raise SystemExit("bench.distance could not make its devices (it needs /dev/net/tun)")
            yield
        finally:
            process.terminate()


def main() -> None:
    """Until stdin ends."""
    delay_ms, loss_percent, words = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    outward, homeward = {}, {}
    for start in range(0, len(words), WORDS):
        namespace, device, switch, port = words[start : start + WORDS]
        host, bridge = _tap(namespace, device), _tap(switch, port)
        outward[host], homeward[bridge] = bridge, host
    print("up", flush=True)
    _carry(outward, homeward, delay_ms / 1000, loss_percent / 100)


def _tap(namespace: str, name: str) -> int:
    """A new device in that namespace; its frames are read and written here, where this process stays."""
    libc, flags = ctypes.CDLL(None, use_errno=True), os.O_RDWR | os.O_NONBLOCK
    home, there = os.open("/proc/self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(there, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        descriptor = os.open("/dev/net/tun", flags)
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    finally:
        libc.setns(home, CLONE_NEWNET)
        os.close(home)
        os.close(there)
    command = ("ip", "-n", namespace, "link", "set", name, "txqueuelen", str(QUEUE_FRAMES))
    subprocess.run(command, check=True)
    return descriptor


class Loss:
    """Takes one of every 1 / `share` frames, at a random place among them: no two runs alike, and all equally hard.

    Tossing a coin for each would make one stream of a minute twice as fast as the next.
    """

    def __init__(self, share: float) -> None:
        self._period = round(1 / share) if share else 0
        self._number, self._taken = 0, self._place()

    def takes(self) -> bool:
        """Of the next frame."""
        if not self._period:
            return False
        if (number := self._number) + 1 == self._period:
            self._number, taken, self._taken = 0, self._taken, self._place()
            return number == taken
        self._number = number + 1
        return number == self._taken

    def _place(self) -> int:
        return random.randrange(self._period) if self._period else 0


def _carry(outward: dict[int, int], homeward: dict[int, int], delay_s: float, loss: float) -> None:
    waiting: deque[tuple[float, int, bytes]] = deque()
    losses = {host: Loss(loss) for host in outward}
    poller, now = select.epoll(), time.monotonic
    owner = sys.stdin.fileno()
    for descriptor in (owner, *outward, *homeward):
        poller.register(descriptor, select.EPOLLIN)
    while True:
        for descriptor, _ in poller.poll(max(0.0, waiting[0][0] - now()) if waiting else -1):
            if descriptor == owner:
                return
            for frame in _frames(descriptor):
                if (host := homeward.get(descriptor)) is None:
                    _give(outward[descriptor], frame)
                elif not losses[host].takes():
                    waiting.append((now() + delay_s, host, frame))
        # All wait equally long, so who came first is due first.
        while waiting and waiting[0][0] <= now():
            _, host, frame = waiting.popleft()
            _give(host, frame)


def _frames(descriptor: int) -> Iterator[bytes]:
    with suppress(BlockingIOError):
        for _ in range(FRAMES_AT_ONCE):
            yield os.read(descriptor, FRAME_BYTES_MAX)


def _give(descriptor: int, frame: bytes) -> None:
    with suppress(OSError):  # a full queue, or a device that is down: lost, as on any link
        os.write(descriptor, frame)


if __name__ == "__main__":
    main()
