"""The durable home of blocks, roots and tag history: S3, a directory, or HTTP for reading. `open_store` is the door."""

from swarm.store.http import HttpBlocks
from swarm.store.options import StoreOptions, options_from
from swarm.store.store import Store, open_store

__all__ = ["HttpBlocks", "Store", "StoreOptions", "open_store", "options_from"]
