"""What the service adds to a follower: readiness for systemd, a hook that is looked for at once, somebody to ask."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from swarm.agent.follow_notices import Following, Standing
from swarm.agent.notices import Note, Notice, Silence
from swarm.config.configs import CommonConfig, FollowConfig
from swarm.errors import UsageError
from swarm.protocol.names import parse_reference
from swarm.service.following import _Readiness, follow


def config(tmp_path: Path, **changes: object) -> FollowConfig:
    common = CommonConfig(tmp_path / "home", store=str(tmp_path / "store"), lan=False)
    return FollowConfig(common, parse_reference("maps:stable"), tmp_path / "dest", **changes)  # type: ignore[arg-type]


def test_systemd_hears_once_and_only_when_it_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "notify"
    told: list[Notice] = []

    class Observer:
        def notify(self, notice: Notice, /) -> None:
            told.append(notice)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(place))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(place))
        readiness = _Readiness(Observer())
        readiness.notify(Note("something"))
        readiness.notify(Following("maps:stable", Standing.WAITING, None, None, None, 0.0, "nobody"))
        with pytest.raises(BlockingIOError):
            systemd.recv(64)
        for _ in range(2):
            readiness.notify(Following("maps:stable", Standing.CURRENT, "1", "1", 0, 0.0))
        assert systemd.recv(64) == b"READY=1"
        with pytest.raises(BlockingIOError):
            systemd.recv(64)
    assert len(told) == 4
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    _Readiness(Observer()).notify(told[-1])


async def test_a_hook_that_is_missing_at_the_start_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no program"):
        await follow(config(tmp_path, exec=("no-such-program-here",)), Silence())
    assert not (tmp_path / "dest").exists()


async def test_with_nobody_to_ask_there_is_nothing_to_follow(tmp_path: Path) -> None:
    common = CommonConfig(tmp_path / "home", lan=False)
    with pytest.raises(UsageError, match="nobody to ask"):
        await follow(FollowConfig(common, parse_reference("maps:stable"), tmp_path / "dest"), Silence())
