"""A fleet of hosts in network namespaces: one namespace a host, one for the bridges between them, tbf on both ends.

Everything happens inside namespaces that this makes, named by this process; the machine's own network is not touched.
They are removed on every exit; what a killed run left behind is removed by the next. Needs root.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench.distance import distant

PREFIX = "swarmlab"
BURST_BYTES = 64 * 1024
"""What a shaped link lets through at once: one segment as the kernel hands it over (64 KiB), so that none is split."""

QUEUE_MS = 50
"""What may wait before a shaped link: a small switch's buffer. Without a bound a queue would hide every loss."""

CONGESTION = "cubic"
"""How every TCP stream in the lab finds its rate: Linux's default, whatever this machine's is set to."""

DEVICE = "eth0"
SWITCH = "switch"
CORE = "core"
END_WAIT_S = 5.0


class LabError(SystemExit):
    """The lab cannot be made here; printed as it is."""


@dataclass(frozen=True, slots=True)
class Host:
    """Rates in Mbit/s on the wire, None for an unshaped link. Hosts of one `site` share a bridge."""

    name: str
    up_mbit: float | None = None
    down_mbit: float | None = None
    site: str = ""


@dataclass(frozen=True, slots=True)
class Border:
    """The line between a site's bridge and the others'."""

    site: str
    up_mbit: float | None
    down_mbit: float | None


@dataclass(frozen=True, slots=True)
class Distance:
    """What every path between two hosts has, each way."""

    delay_ms: float = 0.0
    loss_percent: float = 0.0


class Lab:
    """Made by `open_lab`. Host n has the address 10.91.x.y, device `eth0`; its switch port is `p<n>`."""

    def __init__(self, hosts: Sequence[Host], label: str, borders: Sequence[Border] = ()) -> None:
        self.hosts = tuple(hosts)
        self.borders = tuple(borders)
        self._label = label
        self._numbers = {host.name: number for number, host in enumerate(hosts, 1)}

    @property
    def switch(self) -> str:
        """The namespace of the bridges."""
        return self.namespace(SWITCH)

    def namespace(self, name: str) -> str:
        """Of a host."""
        return f"{self._label}-{name}"

    def address(self, name: str) -> str:
        """IPv4, the same for every run."""
        number = self._numbers[name]
        return f"10.91.{number // 250}.{number % 250 + 1}"

    def site(self, name: str) -> str:
        """Empty where there is only one."""
        return next(host.site for host in self.hosts if host.name == name)

    def port(self, name: str) -> str:
        """The host's port of the switch: what it receives, the host has sent."""
        return f"p{self._numbers[name]}"

    def border(self, site: str) -> str:
        """The site's end of its border, in the switch: what it receives comes into the site."""
        return f"in{[border.site for border in self.borders].index(site)}"

    def command(self, name: str, command: Sequence[str]) -> list[str]:
        """The same command, run inside a host's namespace and by the same process id."""
        return ["nsenter", f"--net=/run/netns/{self.namespace(name)}", *command]


@contextmanager
def open_lab(
    hosts: Sequence[Host],
    borders: Sequence[Border] = (),
    congestion: str = CONGESTION,
    distance: Distance | None = None,
) -> Iterator[Lab]:
    """Makes it, and removes it whatever happens. Raises LabError where it cannot be made."""
    _require_root()
    _remove_leftovers()
    label = f"{PREFIX}-{os.getpid()}"
    lab = Lab(hosts, label, borders)
    try:
        _make_switch(lab, {host.site for host in hosts}, borders)
        for host in hosts:
            _run("ip", "netns", "add", lab.namespace(host.name))
        with _cables(lab, distance):
            for host in hosts:
                _make_host(lab, host)
                _set_congestion(lab, host, congestion)
            yield lab
    finally:
        _remove(label)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and needs root: run it as root (sudo), or in a container")
    for program in ("ip", "tc", "nsenter"):
        if not any((Path(place) / program).exists() for place in os.environ.get("PATH", "").split(":")):
            raise LabError(f"the lab needs {program}: apt-get install iproute2 util-linux")


# --- making -------------------------------------------------------------------------------------


def _make_switch(lab: Lab, sites: set[str], borders: Sequence[Border]) -> None:
    switch = lab.switch
    _run("ip", "netns", "add", switch)
    for site in sorted(sites | {border.site for border in borders}):
        _make_bridge(switch, _bridge(site))
    if borders:
        _make_bridge(switch, CORE)
    for number, border in enumerate(borders):
        inner, outer = f"in{number}", f"out{number}"
        _run("ip", "-n", switch, "link", "add", "name", inner, "type", "veth", "peer", "name", outer)
        _plug(switch, inner, _bridge(border.site))
        _plug(switch, outer, CORE)
        _shape(switch, inner, border.up_mbit)
        _shape(switch, outer, border.down_mbit)


def _make_bridge(namespace: str, name: str) -> None:
    _run("ip", "-n", namespace, "link", "add", "name", name, "type", "bridge")
    _run("ip", "-n", namespace, "link", "set", name, "up")


def _cables(lab: Lab, distance: Distance | None) -> AbstractContextManager[None]:
    """A device in each host's namespace and its port in the switch's."""
    ends = [(lab.namespace(host.name), DEVICE, lab.switch, lab.port(host.name)) for host in lab.hosts]
    if distance:
        return distant(ends, distance.delay_ms, distance.loss_percent)
    for namespace, device, switch, port in ends:
        veth = ("name", device, "type", "veth", "peer", "name", port, "netns", switch)
        _run("ip", "-n", namespace, "link", "add", *veth)
    return nullcontext()


def _make_host(lab: Lab, host: Host) -> None:
    namespace, port = lab.namespace(host.name), lab.port(host.name)
    _run("ip", "-n", namespace, "addr", "add", f"{lab.address(host.name)}/16", "dev", DEVICE)
    _run("ip", "-n", namespace, "link", "set", "lo", "up")
    _run("ip", "-n", namespace, "link", "set", DEVICE, "up")
    _plug(lab.switch, port, _bridge(host.site))
    _shape(namespace, DEVICE, host.up_mbit)
    _shape(lab.switch, port, host.down_mbit)


def _set_congestion(lab: Lab, host: Host, algorithm: str) -> None:
    """By the route, since a namespace's own setting takes only what the kernel allows everybody."""
    route = ("10.91.0.0/16", "dev", DEVICE, "src", lab.address(host.name))
    _run("ip", "-n", lab.namespace(host.name), "route", "replace", *route, "congctl", algorithm)


def _bridge(site: str) -> str:
    return f"site-{site}"[:15]


def _plug(namespace: str, device: str, bridge: str) -> None:
    _run("ip", "-n", namespace, "link", "set", device, "master", bridge)
    _run("ip", "-n", namespace, "link", "set", device, "up")


def _shape(namespace: str, device: str, mbit: float | None) -> None:
    if mbit is None:
        return
    rate = ("rate", f"{mbit}mbit", "burst", str(BURST_BYTES), "latency", f"{QUEUE_MS}ms")
    _run("tc", "-n", namespace, "qdisc", "add", "dev", device, "root", "tbf", *rate)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


# --- removing -----------------------------------------------------------------------------------


def namespaces(label: str = PREFIX) -> list[str]:
    """The lab's namespaces that exist on this machine."""
    listed = subprocess.run(("ip", "netns", "list"), capture_output=True, text=True, check=False).stdout
    return [name for name in (line.split()[0] for line in listed.splitlines() if line) if name.startswith(f"{label}-")]


def _remove_leftovers() -> None:
    for name in namespaces():
        owner = name.removeprefix(f"{PREFIX}-").split("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            _remove(f"{PREFIX}-{owner}")


def _remove(label: str) -> None:
    names = namespaces(label)
    _end_inhabitants(names)
    for name in names:
        subprocess.run(("ip", "netns", "delete", name), capture_output=True, check=False)


def _end_inhabitants(names: Sequence[str]) -> None:
    """A namespace lives as long as a process in it; only the lab's own processes can be in these."""
    deadline = time.monotonic() + END_WAIT_S
    sign = signal.SIGTERM
    while (pids := [pid for name in names for pid in _inhabitants(name)]) and time.monotonic() < deadline + END_WAIT_S:
        for pid in pids:
            _signal(pid, sign)
        time.sleep(0.1)
        if time.monotonic() > deadline:
            sign = signal.SIGKILL


def cpu_s(namespace: str) -> float:
    """CPU seconds that whoever runs in it now has taken so far."""
    ticks = sum(sum(map(int, _stat(pid)[11:13])) for pid in _inhabitants(namespace))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields behind the program's name (proc(5)): utime and stime are the twelfth and the next."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _inhabitants(name: str) -> list[int]:
    listed = subprocess.run(("ip", "netns", "pids", name), capture_output=True, text=True, check=False).stdout
    return [int(word) for word in listed.split()]


def _signal(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return
