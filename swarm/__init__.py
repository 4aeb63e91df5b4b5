"""swarm: peer-to-peer replication of datasets between S3 and fleets of machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swarm.store import open_store as open_store

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Lazily: a store needs trio, and `import swarm` is also what `swarm --help` pays for.
    if name == "open_store":
        from swarm.store import open_store  # noqa: PLC0415

        return open_store
    raise AttributeError(f"module 'swarm' has no attribute {name!r}")
