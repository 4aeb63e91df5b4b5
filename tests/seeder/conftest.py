"""A producer with a directory store of his own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.seeder.producers import Producer, producing


@pytest.fixture
async def producer(tmp_path: Path) -> AsyncIterator[Producer]:
    async with producing(tmp_path) as found:
        yield found
