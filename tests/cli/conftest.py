"""A command line in this process, with a service that does what the test says."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cli.main import main
from swarm.agent.notices import Observer, Published, Ready, Receipt

DIGEST = "ab" * 32
FINGERPRINT = "ed25519:" + "a" * 52
RECEIPT = Receipt(
    "places:1.0.0", DIGEST, 3, 1000, 100, 850, 50, 0, 0, 200, 2.0, 0.4, 3, (), "/here/places",
    bytes_lan=600, bytes_seeder=20, bytes_store=30, origin_copies=0.05, seconds_exchange=1.5, link_rate=800.0,
    link_share=0.9375, store_alone_bytes=1100, saved_bytes=1000,
)  # fmt: skip
PUBLISHED = Published(
    "places:1.0.0", DIGEST, ("places:1.0.0", "places:latest"), 3, 1000, 2, 1000, 2, 0.1, FINGERPRINT, "cd" * 16
)


@dataclass
class FakeService:
    """Stands in for `swarm.service`: remembers configs, tells `notices`, then does `then`."""

    configs: list[Any] = field(default_factory=list)
    notices: list[Any] = field(default_factory=list)
    then: Callable[[], Awaitable[Any]] | None = None

    async def fetch(self, config: Any, observer: Observer) -> Any:
        return await self._answer(config, observer, RECEIPT)

    async def seed(self, config: Any, observer: Observer) -> Any:
        return await self._answer(config, observer, None)

    async def follow(self, config: Any, observer: Observer) -> Any:
        return await self._answer(config, observer, None)

    async def run_tracker(self, config: Any, observer: Observer) -> Any:
        return await self._answer(config, observer, None)

    async def serve(self, config: Any, observer: Observer) -> Any:
        return await self._answer(config, observer, None)

    async def _answer(self, config: Any, observer: Observer, result: Any) -> Any:
        self.configs.append(config)
        observer.notify(Ready("fake"))
        for notice in self.notices:
            observer.notify(notice)
        return await self.then() if self.then is not None else result


@dataclass(frozen=True)
class Ended:
    """What a command line left behind."""

    code: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        return self.data.decode()

    @property
    def objects(self) -> list[dict[str, Any]]:
        """stdout as JSON lines; fails where a line is none."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def private_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's own are: what is said of public ones has tests of its own."""
    monkeypatch.setattr("cli.exposure.interface_addresses", lambda: ("127.0.0.1",))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    """`swarm.service`, faked."""
    fake = FakeService()
    module = ModuleType("swarm.service")
    for name in ("fetch", "follow", "seed", "run_tracker", "serve"):
        setattr(module, name, getattr(fake, name))
    monkeypatch.setitem(sys.modules, "swarm.service", module)
    return fake


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SWARM_HOME of the test's own, and no other setting."""
    for name in ("STORE", "TRACKER", "SECRET", "KEY", "DEBUG"):
        monkeypatch.delenv(f"SWARM_{name}", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("SWARM_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("fetch", "places")` -> its exit code, stdout and stderr."""

    def call(*words: str) -> Ended:
        raw, err = io.BytesIO(), io.StringIO()
        out = io.TextIOWrapper(raw, encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        code = main(list(words))
        out.flush()
        return Ended(code, raw.getvalue(), err.getvalue())

    return call
