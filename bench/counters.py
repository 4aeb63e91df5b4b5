"""The lab's link counters, read at the switch: what each host has sent and received, now and over time."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.namespaces import Lab

CLONE_NEWNET = 0x40000000
SAMPLE_S = 0.25


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of Ethernet frames, as the kernel hands them over: one header for each segment of up to 64 KiB."""

    sent: int
    received: int


@dataclass(slots=True)
class Series:
    """One reading per `SAMPLE_S`: (monotonic seconds, host -> Traffic); a site by `into(site)`."""

    samples: list[tuple[float, dict[str, Traffic]]] = field(default_factory=list)

    def last(self, host: str) -> Traffic:
        """What the host moved from the first sample to the last."""
        first, last = self.samples[0][1][host], self.samples[-1][1][host]
        return Traffic(last.sent - first.sent, last.received - first.received)


def into(site: str) -> str:
    """The border of a site among the hosts: what it has sent came into the site."""
    return f"into {site}"


@contextmanager
def sampling(lab: Lab) -> Iterator[Series]:
    """Reads the counters until the context ends, by a thread that lives in the switch's namespace."""
    series, ended, began = Series(), threading.Event(), threading.Event()
    thread = threading.Thread(target=_sample, args=(lab, series, began, ended))
    thread.start()
    began.wait()
    try:
        yield series
    finally:
        ended.set()
        thread.join()


def _sample(lab: Lab, series: Series, began: threading.Event, ended: threading.Event) -> None:
    _enter(lab.switch)
    ports = {lab.port(host.name): host.name for host in lab.hosts}
    ports |= {lab.border(border.site): into(border.site) for border in lab.borders}
    while True:
        is_last = ended.is_set()
        series.samples.append((time.monotonic(), _read(ports)))
        began.set()
        if is_last:
            return
        ended.wait(SAMPLE_S)


def _enter(namespace: str) -> None:
    """For this thread alone; Python has os.setns only from 3.12 on."""
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)


def _read(ports: dict[str, str]) -> dict[str, Traffic]:
    traffic = {}
    for line in Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]:
        device, _, counts = line.partition(":")
        if host := ports.get(device.strip()):
            columns = counts.split()
            traffic[host] = Traffic(sent=int(columns[0]), received=int(columns[8]))
    return traffic
