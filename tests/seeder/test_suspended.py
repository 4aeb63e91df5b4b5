"""Real processes: publishers suspended for longer than their markers live, beside collections of garbage all the time.
What they publish is whole, or they fail and say why; in the end no tag means what is not there."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trio

from swarm.protocol.records import decode_tag_record
from swarm.store import open_store
from tests.dataset.trees import make_tree
from tests.servers.rgw import rgw
from tests.store.versions import is_whole

__all__ = ["rgw"]

HOUR_S = {"directory": 0.2, "rgw": 0.3}
"""0.3: a marker lives 7.2 s, and 1.8 s is too old to commit. S3's whole seconds need that."""

PATIENCE_S = 60.0
STOPS = {
    "looks": ("list", "gc/"),
    "sends": ("put", "blocks/"),
    "ends": ("put", "versions/"),
    "commits": ("create", "history/"),
    "points": ("put", "tags/"),
}
"""The request before which each publisher is suspended."""

ON_S3 = ("ends", "commits")
COMMITTING = {"commits", "points"}
"""These have looked at their markers for the last time, and cannot be stopped any more."""


def noise(seed: str, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


class Site:
    """A store, and processes that use it."""

    def __init__(self, place: Path, url: str, kind: str, processes: ExitStack) -> None:
        self.place = place
        self.url = url
        self.stops = STOPS if kind == "directory" else {who: STOPS[who] for who in ON_S3}
        self._hour_s = HOUR_S[kind]
        self._processes = processes

    def start(self, who: str, how: dict[str, object], *words: str) -> subprocess.Popen[str]:
        return self._processes.enter_context(
            running(self.place / who, {"hour_s": self._hour_s, **how}, self.url, words)
        )

    def publish(self, who: str, how: dict[str, object] | None = None) -> subprocess.Popen[str]:
        data = {"both": noise("both", 300_000), "own": noise(who, 100_000)}
        words = ("seed", str(make_tree(self.place / f"data of {who}", data)), f"{who}:stable", "--once", "--no-lan")
        return self.start(who, how or {}, *words)

    def listed(self, prefix: str) -> set[str]:
        async def look() -> set[str]:
            async with open_store(self.url) as store:
                return {one.key for one in (await store._objects.list_page(prefix)).objects}

        return trio.run(look)

    def broken(self) -> list[str]:
        """Tags whose versions lack something."""

        async def look() -> list[str]:
            async with open_store(self.url) as store:
                found = []
                for name in await store.names():
                    record = await store.newest_tag(name, "stable")
                    root = decode_tag_record(record).root if record is not None else None
                    if root is not None and not await is_whole(store, root):
                        found.append(name)
                return found

        return trio.run(look)

    def has_tag(self, name: str) -> bool:
        return f"tags/{name}/stable" in self.listed("tags/")


@contextmanager
def running(home: Path, how: dict[str, object], url: str, words: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
    """`swarm` under a home of its own; its output is in a file beside it."""
    home.mkdir(exist_ok=True)
    with (home / "output").open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.store.hurried", json.dumps(how), *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "SWARM_HOME": str(home / "home"), "SWARM_STORE": url},
            cwd=Path(__file__).parents[2],
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(what: str, is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def is_stopped(process: subprocess.Popen[str]) -> bool:
    state = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT)
    assert state is None or state.si_code == os.CLD_STOPPED, "it ended before it was suspended"
    return state is not None


@pytest.fixture(params=["directory", pytest.param("rgw", marks=pytest.mark.rgw)])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    url = str(tmp_path / "store")
    if request.param != "directory":
        server = request.getfixturevalue(request.param)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        url = f"s3://{server.new_bucket()}/prefix"
    with ExitStack() as processes:
        yield Site(tmp_path, url, request.param, processes)


@pytest.mark.slow
def test_what_suspended_publishers_publish_is_whole_or_they_say_why(site: Site) -> None:
    assert site.publish("first").wait(PATIENCE_S) == 0
    suspended = {who: site.publish(who, {"stop": stop}) for who, stop in site.stops.items()}
    for who, process in suspended.items():
        until(f"{who} is suspended", lambda process=process: is_stopped(process))
    there = site.listed("versions/")
    collector = site.start("collector", {"every_s": 0.3}, "gc", "--keep-last", "1")
    output = site.place / "collector" / "output"
    until("what was published by the suspended is deleted", lambda: there - site.listed("versions/"))
    rounds = output.read_text().count("exit")
    until("and its blocks", lambda: output.read_text().count("exit") >= rounds + 2)
    beside = site.publish("beside")
    for process in suspended.values():
        os.kill(process.pid, signal.SIGCONT)
    codes = {who: process.wait(PATIENCE_S) for who, process in suspended.items()}
    said = {who: (site.place / who / "output").read_text() for who in site.stops}
    assert beside.wait(PATIENCE_S) in {0, 4}
    assert collector.poll() is None, output.read_text()
    assert site.broken() == [], said
    assert codes == {who: 0 if who in COMMITTING else 4 for who in site.stops}, said
    for who in site.stops:
        assert site.has_tag(who) == (who in COMMITTING)
        assert who in COMMITTING or "may not commit" in said[who]
    again = site.publish("ends")
    assert again.wait(PATIENCE_S) == 0, "who failed may publish again"
    assert site.broken() == []
