"""A seeder that goes on serving tells its tracker as soon as the store has it, over a connection made before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from swarm.errors import UnreachableError
from swarm.service import seeding
from tests.config.test_building import seed as seed_config


@pytest.mark.parametrize("is_silent", [False, True])
async def test_the_tracker_is_connected_before_and_told_right_after_the_publish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: object, *, is_silent: bool
) -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def open_teller(*_: object, **__: object) -> AsyncIterator[object]:
        steps.append("connect")

        async def tell(announcements: tuple[str, ...]) -> None:
            steps.append(f"tell {announcements[0]}")
            if is_silent:
                raise UnreachableError("nobody answers")

        yield tell
        steps.append("close")

    async def publish(*_: object) -> tuple[object, object]:
        await trio.sleep(1)
        steps.append("publish")
        return SimpleNamespace(announcements=("maps",)), None

    async def give(*_: object) -> None:
        steps.append("give")
        await trio.sleep(5)

    monkeypatch.setattr(seeding, "open_teller", open_teller)
    monkeypatch.setattr(seeding, "_publish", publish)
    monkeypatch.setattr(seeding, "_give", give)
    config = seed_config(tmp_path, store=str(tmp_path / "store"), tracker=["http://127.0.0.1:9"])

    assert await seeding.seed(config, SimpleNamespace(notify=lambda _: None)) is None  # type: ignore[arg-type]

    assert steps[:2] == ["connect", "publish"]
    assert sorted(steps[2:]) == sorted(["give", "tell maps"] + ([] if is_silent else ["close"]))
