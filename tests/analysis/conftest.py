"""A producer with a directory store of his own."""

from __future__ import annotations

from tests.seeder.conftest import producer

__all__ = ["producer"]
