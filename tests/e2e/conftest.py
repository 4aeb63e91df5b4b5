"""A stage for each test, and one for each module that shares what takes long to set up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Stage
from tests.servers.moto import moto

__all__ = ["moto"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as stage:
        yield stage


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    place = tmp_path_factory.mktemp("shared")
    with Stage(place) as stage:
        yield stage
    shutil.rmtree(place, ignore_errors=True)


HERE = Path(__file__).parent

FAST = {"test_main_job"}
"""Modules that belong to the fast tests, which are to take two minutes together; processes take seconds each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All other tests with whole processes are slow."""
    for item in items:
        if item.path.parent == HERE and item.path.stem not in FAST:
            item.add_marker(pytest.mark.slow)
