from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from swarm.holdings import Holdings, open_holdings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def holdings(home: Path) -> AsyncIterator[Holdings]:
    async with open_holdings(home) as opened:
        yield opened


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "data" / "dest"
