"""Networks and disks of a test's own, in namespaces: nothing of the machine's is touched. Needs root.

A `Network` is a switch with cables to any number of hosts; a `Mounts` is a process that holds a mount namespace open.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

import pytest

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not all(shutil.which(each) for each in ("ip", "unshare", "nsenter", "mount")),
    reason="needs root, iproute2 and util-linux",
)

_numbers = itertools.count()


class Network(AbstractContextManager["Network"]):
    """Hosts on one switch, 10.77.0.0/24, without any way out."""

    def __init__(self) -> None:
        self._name = f"swarm{os.getpid()}n{next(_numbers)}"
        self._hosts: list[str] = []

    def __enter__(self) -> Self:
        self._switch = self._add_namespace("switch")
        _ip("-n", self._switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "br0", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts:
            _ip("netns", "del", host)

    def host(self) -> Host:
        """One more host, with an address, cabled to the switch."""
        number = len(self._hosts)
        name = self._add_namespace(f"h{number}")
        port = f"port{number}"
        _ip("-n", self._switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("-n", self._switch, "link", "set", port, "master", "br0", "up")
        address = f"10.77.0.{number}"
        _ip("-n", name, "address", "add", f"{address}/24", "broadcast", "+", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        return Host(name, address, self._switch, port)

    def _add_namespace(self, name: str) -> str:
        full = f"{self._name}{name}"
        _ip("netns", "add", full)
        self._hosts.append(full)
        _ip("-n", full, "link", "set", "lo", "up")
        return full


class Host:
    """A network namespace; `prefix` runs a command in it."""

    def __init__(self, name: str, address: str, switch: str, port: str) -> None:
        self.address = address
        self.prefix = ("ip", "netns", "exec", name)
        self._switch = switch
        self._port = port

    def pull_cable(self) -> None:
        """Nothing comes and nothing goes, and nobody is told."""
        _ip("-n", self._switch, "link", "set", self._port, "nomaster")
        _ip("-n", self._switch, "link", "set", self._port, "down")


class Mounts(AbstractContextManager["Mounts"]):
    """A mount namespace; `prefix` runs a command in it, `seen` is a path of it as it is seen from outside."""

    def __enter__(self) -> Self:
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep 1000"],
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt")

    def seen(self, path: Path) -> Path:
        return Path(f"/proc/{self._holder.pid}/root{path}")

    def mount(self, *words: str) -> None:
        subprocess.run([*self.prefix, "mount", *words], check=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
