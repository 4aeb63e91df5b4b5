"""`swarm follow` as processes: pushed to, killed at any moment, ended, and on disks that fail."""

from __future__ import annotations

import contextlib
import random
import shlex
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from swarm.protocol.keys import SigningKey
from swarm.protocol.names import parse_reference
from swarm.seeder.publish import publish
from swarm.store import open_store
from tests.e2e.datasets import KIB, MIB
from tests.e2e.lab import Mounts, needs_root
from tests.e2e.processes import Machine, Process, Stage, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = 20
KEY = SigningKey.from_seed(b"k" * 32)


@dataclass
class Producer:
    """Publishes small changes of one dataset into a directory store; `texts` are what each version says, by digest."""

    machine: Machine
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> str:
        return str(self.machine.place.parent / "store")

    @property
    def data(self) -> Path:
        return self.machine.place / "data"

    def publish(self, text: str, *words: str) -> str:
        """The digest of the version."""
        self._change(text)
        ended = self.machine.run("seed", str(self.data), "places:stable", "--store", self.store, "--once", *words)
        assert ended.code == 0, ended.err
        return self._remember(str(ended.one("published")["digest"]), text)

    def publish_here(self, text: str) -> str:
        """The same without a process."""
        self._change(text)
        return self._remember(trio.run(self._publish), text)

    async def _publish(self) -> str:
        async with open_store(self.store) as store:
            await store.initialise()
            done = await publish(self.data, [parse_reference("places:stable")], store=store, key=KEY)
        return done.version.id.hex()

    def _remember(self, digest: str, text: str) -> str:
        self.texts[digest] = text
        return digest

    def _change(self, text: str) -> None:
        if not self.data.exists():
            self.data.mkdir()
            (self.data / "big").write_bytes(random.Random(5).randbytes(4 * MIB))
        (self.data / "text").write_text(text)
        (self.data / "changing").write_bytes(random.Random(text).randbytes(1 * MIB))

    def is_whole(self, current: Path) -> bool:
        """Whether what is behind the link is one of the versions, byte for byte."""
        digest = current.readlink().name
        text = self.texts[digest]
        return (
            (current / "text").read_text() == text
            and (current / "big").read_bytes() == (self.data / "big").read_bytes()
            and (current / "changing").read_bytes() == random.Random(text).randbytes(1 * MIB)
            and sorted(path.name for path in current.iterdir()) == ["big", "changing", "text"]
        )


@pytest.fixture
def producer(stage: Stage) -> Producer:
    return Producer(stage.machine("producer"))


def settled(process: Process, digest: str) -> dict[str, object]:
    return process.wait_for("following", lambda now: now["state"] == "current" and now["current"] == digest)


def test_a_tracker_pushes_and_is_missed_and_found_again(stage: Stage, producer: Producer) -> None:
    tracker = producer.machine.start("tracker", "--store", producer.store)
    url = str(tracker.wait_for("ready")["http"])
    one = producer.publish("one", "--tracker", url)
    followers = []
    for number in range(2):
        machine = stage.machine(f"follower{number}")
        words = ("places:stable", str(machine.copy), "--store", producer.store, "--tracker", url, "--poll", "1h")
        followers.append((machine, machine.start("follow", *words)))
    for _, follower in followers:
        settled(follower, one)
        follower.wait_for("following", lambda now: "push" in now["told_by"])
    two = producer.publish("two", "--tracker", url)
    for _, follower in followers:
        settled(follower, two)
        moved = follower.wait_for("moved", lambda event: event["digest"] == two)
        assert (moved["source"], moved["behind_versions"], moved["seq"]) == ("push", 1, 1)
    tracker.kill()
    three = producer.publish("three")
    again = producer.machine.start("tracker", "--store", producer.store, "--http", url.removeprefix("http://"))
    for machine, follower in followers:
        settled(follower, three)
        assert producer.is_whole(machine.copy / "current")
    four = producer.publish("four")  # nobody tells the tracker: it looks
    for machine, follower in followers:
        settled(follower, four)
        assert follower.stop().code == 143
        assert producer.is_whole(machine.copy / "current")
    assert again.is_running


def test_killed_at_twenty_moments_current_is_always_one_whole_version(stage: Stage, producer: Producer) -> None:
    machine = stage.machine("follower")
    current, log = machine.copy / "current", machine.place / "log"
    code = f'printf \'%s\\n\' "$SWARM_VERSION" >> {log}; test -e "$SWARM_CURRENT/text"'
    hook = shlex.join(("sh", "-c", code))
    words = ("places:stable", str(machine.copy), "--store", producer.store, "--poll", "50ms", "--exec", hook)
    rng = random.Random(20)
    digest = producer.publish_here("0")
    follower = machine.start("follow", *words)
    settled(follower, digest)
    for number in range(1, KILLS + 1):
        # A third dies as it begins, over what the kill before has left, the others in the update.
        if number % 3:
            follower.wait_for("ready")
        digest = producer.publish_here(str(number))
        time.sleep(rng.uniform(0, 0.5))
        follower.kill()
        assert producer.is_whole(current), number
        follower = machine.start("follow", *words)
        if number % 5 == 0:
            settled(follower, digest)
    settled(follower, digest)
    assert follower.stop().code == 143
    assert producer.is_whole(current)
    hooks = log.read_text().split()
    assert hooks[-1] == digest
    assert set(hooks) <= set(producer.texts)
    versions = machine.copy / "versions"
    assert len(list(versions.iterdir())) == 2, "one old version, and nothing that a killed fetch has left"


def test_signals_end_it_cleanly_its_hook_too_and_the_next_one_goes_on(stage: Stage, producer: Producer) -> None:
    machine, digest = stage.machine("follower"), producer.publish_here("one")
    pid = machine.place / "pid"
    hook = f"sh -c 'echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600'"
    words = ("places:stable", str(machine.copy), "--store", producer.store)
    follower = machine.start("follow", *words, "--exec", hook)
    until(pid.exists, "the hook runs")
    second = machine.run("follow", *words)
    assert second.code == 5
    assert f"process {follower.pid}" in second.complaint
    follower.signal(signal.SIGINT)
    assert follower.wait().code == 130
    until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists(), "the hook has ended too")
    assert producer.is_whole(machine.copy / "current"), "flipped, and its hook did not end: it runs again"
    done = machine.place / "done"
    once = machine.run("follow", *words, "--once", "--exec", f"touch {done}")
    assert (once.code, once.one("hook")["digest"], done.exists()) == (0, digest, True)
    failed = producer.publish_here("two")
    once = machine.run("follow", *words, "--once", "--exec", "false")
    assert (once.code, once.one("hook")["exit_code"]) == (10, 1)
    assert (machine.copy / "current").resolve().name == digest
    once = machine.run("follow", *words, "--once", "--exec", "false")
    assert once.code == 5
    assert failed[:16] in once.complaint
    once = machine.run("follow", *words, "--once", "--exec", "/nowhere/hook")
    assert once.code == 2
    once = machine.run("follow", *words, "--once", "--retry")
    assert (once.code, (machine.copy / "current").resolve().name) == (0, failed)


@pytest.mark.lab
@needs_root
def test_a_full_disk_is_waited_out_and_a_read_only_one_is_refused(stage: Stage, producer: Producer) -> None:
    one = producer.publish_here("one")
    with Mounts() as mounts:
        machine = stage.machine("follower", prefix=mounts.prefix)
        disk = machine.place / "disk"
        disk.mkdir()
        mounts.mount("-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk))
        seen = mounts.seen(disk)
        words = ("places:stable", str(disk / "dest"), "--store", producer.store, "--poll", "100ms")
        follower = machine.start("follow", *words)
        settled(follower, one)
        filler = seen / "filler"
        _fill(filler)
        two = producer.publish_here("two")
        full = follower.wait_for("following", lambda now: now["state"] == "waiting" and now["newest"] == two)
        assert "make room" in str(full["waiting"]) or "missing" in str(full["waiting"])
        assert producer.is_whole(seen / "dest" / "current")
        filler.unlink()
        settled(follower, two)
        assert follower.stop().code == 143
        mounts.mount("-o", "remount,ro", str(disk))
        three = producer.publish_here("three")
        ended = machine.run("follow", *words, "--once")
        assert ended.code == 6
        assert (seen / "dest" / "current").readlink().name == two
        mounts.mount("-o", "remount,rw", str(disk))
        assert machine.run("follow", *words, "--once").code == 0
        assert (seen / "dest" / "current").readlink().name == three
        assert producer.is_whole(seen / "dest" / "current")


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 64 * KIB)
