"""The contract suite, on every kind of place (the fixture `place` of conftest)."""

from tests.store.contract import *  # noqa: F403
