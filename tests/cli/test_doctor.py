"""`swarm doctor`: each check finds what it is for."""

from __future__ import annotations

import email.utils
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trio

from cli.checks import machine, network
from cli.checks.check import Status, guarded
from cli.checks.storage import check_store
from swarm.config.configs import CommonConfig
from swarm.errors import UnreachableError
from swarm.store import open_store
from tests.cli.conftest import Run


class Tracker:
    """An HTTP server on loopback that says what a test wants."""

    def __init__(self) -> None:
        said = self.said = {"v": 1, "addresses": []}
        tracker = self
        self.date = time.time()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(said).encode()
                self.send_response(200 if self.path == "/.well-known/swarm" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return email.utils.formatdate(tracker.date, usegmt=True)

            def log_message(self, *_words: Any) -> None:
                return

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    server = Tracker()
    yield server
    server.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_healthy_machine_and_its_exit_code(run: Run, home: Path) -> None:
    ended = run("doctor", "--no-lan")
    assert ended.code == 0, ended.out
    for name in ("python", "libraries", "home", "here", "publisher key", "interfaces", "store"):
        assert any(line.split()[1:3][0] in name for line in ended.out.splitlines()), name
    found = run("doctor", "--no-lan", "--json").objects
    assert [one["event"] for one in found[-2:]] == ["check", "checked"]
    assert found[-1]["fail"] == 0
    assert found[-1]["ok"] == sum(one.get("status") == "ok" for one in found)
    assert not home.exists()


def test_the_first_failure_decides_and_says_what_to_do(run: Run) -> None:
    ended = run("doctor", "--no-lan", "--tracker", f"127.0.0.1:{free_port()}")
    assert ended.code == 4
    assert "does not answer: Connection refused" in ended.out
    assert "is `swarm tracker` running there" in ended.out


def test_a_tracker_that_answers(tracker: Tracker) -> None:
    peer = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
    tracker.said["addresses"] = [f"/ip4/127.0.0.1/tcp/{tracker.port}/p2p/{peer}"]
    found = network.check_tracker(tracker.url)
    assert [check.status for check in found] == [Status.OK] * 3
    tracker.said["addresses"] = [f"/ip4/127.0.0.1/tcp/{free_port()}/p2p/{peer}"]
    assert [check.status for check in network.check_tracker(tracker.url)] == [Status.OK, Status.FAIL, Status.OK]


@pytest.mark.parametrize(("skew", "side"), [(-3600.0, "ahead of"), (3600.0, "behind")])
def test_a_clock_that_is_off(tracker: Tracker, skew: float, side: str) -> None:
    tracker.date += skew
    clock = network.check_tracker(tracker.url)[-1]
    assert clock.status is Status.WARN
    assert side in clock.text
    assert "NTP" in clock.hint


def test_something_else_on_the_trackers_port(tracker: Tracker) -> None:
    tracker.said.clear()
    (check,) = network.check_tracker(tracker.url)
    assert check.status is Status.FAIL
    assert "no swarm tracker" in check.text


def test_a_tracker_by_multiaddr(tracker: Tracker) -> None:
    (check,) = network.check_tracker(f"/ip4/127.0.0.1/tcp/{tracker.port}/p2p/x")
    assert check.status is Status.OK
    (check,) = network.check_tracker(f"/ip4/127.0.0.1/tcp/{free_port()}/p2p/x")
    assert check.status is Status.FAIL


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = CommonConfig(home=tmp_path / "file" / "home")
    check = machine.check_home(config)[0]
    assert check.status is Status.FAIL
    assert check.exit_code == 6
    assert "SWARM_HOME" in check.hint


def test_a_key_that_is_loose(run: Run, home: Path) -> None:
    run("key", "new")
    (home / "publisher.key").chmod(0o644)
    ended = run("doctor", "--no-lan")
    assert ended.code == 6
    assert "chmod 600" in ended.out


def test_public_addresses_without_a_secret_are_pointed_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(network, "interface_addresses", lambda: ("127.0.0.1", "8.8.8.8"))
    (check,) = network.check_interfaces(CommonConfig(home=tmp_path))
    assert check.status is Status.WARN
    assert "SWARM_SECRET" in check.hint
    (check,) = network.check_interfaces(CommonConfig(home=tmp_path, secret=b"long enough"))
    assert check.status is Status.OK
    monkeypatch.setattr(network, "interface_addresses", lambda: ("127.0.0.1",))
    assert network.check_interfaces(CommonConfig(home=tmp_path))[0].status is Status.WARN


async def test_stores(tmp_path: Path) -> None:
    assert (await check_store(CommonConfig(home=tmp_path)))[0].status is Status.OK
    config = CommonConfig(home=tmp_path, store=str(tmp_path / "store"))
    (empty,) = await check_store(config)
    assert empty.status is Status.WARN
    assert "no store yet" in empty.text
    async with open_store(str(tmp_path / "store")) as store:
        await store.initialise()
    found = {check.name: check for check in await check_store(config)}
    assert {check.status for check in found.values()} == {Status.OK}
    assert set(found) == {"store", "store's commits", "store's rights", "store's clock"}
    assert list((tmp_path / "store" / "publishing").glob("*")) == []


async def test_a_store_that_cannot_be_reached_is_a_failed_check(tmp_path: Path) -> None:
    async def look() -> Any:
        raise UnreachableError("down", hint="wait")

    (check,) = await guarded("store", look)
    assert (check.status, check.text, check.hint, check.exit_code) == (Status.FAIL, "down", "wait", 4)
    async with trio.open_nursery():
        pass


def test_a_broken_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(machine.LIBRARIES, "no_such_module_here", "no-such-thing")
    (check,) = machine.check_libraries()
    assert check.status is Status.FAIL
    assert "no-such-thing (ModuleNotFoundError" in check.text


def test_a_port_that_our_own_tracker_has_is_no_alarm(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "TRACKER_HTTP_PORT", tracker.port)
    monkeypatch.setattr(network, "TRACKER_PORT", free_port())
    peer, http = network.check_ports()
    assert (peer.status, http.status) == (Status.OK, Status.OK)
    assert "runs here" in http.text
    tracker.said.clear()
    assert network.check_ports()[1].status is Status.WARN


def test_no_tracker_is_said_and_is_no_fault() -> None:
    (check,) = network.check_tracker("")
    assert check.status is Status.OK
    assert "none configured" in check.text


def test_a_directory_that_cannot_be_written_is_a_warning_where_doctor_was_started() -> None:
    check = machine.check_directory(Path("/proc"))[0]
    assert check.status is Status.WARN
    assert "DEST" in check.hint
