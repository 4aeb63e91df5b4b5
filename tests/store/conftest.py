"""Every kind of place that a store can be in, and the S3 servers behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.store import memory, probe
from tests.servers.moto import moto
from tests.servers.rgw import rgw
from tests.servers.s3server import S3Server
from tests.store.place import Place

__all__ = ["moto", "rgw"]

KINDS = ["memory", "directory", "moto", pytest.param("rgw", marks=pytest.mark.rgw)]
S3_KINDS = ["moto", pytest.param("rgw", marks=pytest.mark.rgw)]


@pytest.fixture(autouse=True)
def _short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests begin a store; those about the probe itself set the rounds back."""
    monkeypatch.setattr(probe, "ROUNDS", 1)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> object:
    """Sets the environment that leads to a server."""

    def set_environment(server: S3Server) -> S3Server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        return server

    return set_environment


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, use: object) -> Place:
    """An empty place of each kind."""
    return make_place(request, tmp_path, use, request.param)


@pytest.fixture(params=S3_KINDS)
def s3_place(request: pytest.FixtureRequest, tmp_path: Path, use: object) -> Place:
    """An empty place on each S3 server."""
    return make_place(request, tmp_path, use, request.param)


@pytest.fixture(params=S3_KINDS)
def s3_server(request: pytest.FixtureRequest, use: object) -> S3Server:
    return use(request.getfixturevalue(request.param))  # type: ignore[no-any-return, operator]


def make_place(request: pytest.FixtureRequest, tmp_path: Path, use: object, kind: str) -> Place:
    if kind == "memory":
        memory.forget("memory://test/prefix")
        return Place(kind, "memory://test/prefix")
    if kind == "directory":
        return Place(kind, str(tmp_path / "some store"))
    server: S3Server = use(request.getfixturevalue(kind))  # type: ignore[operator]
    return Place(kind, f"s3://{server.new_bucket()}/some/prefix")
