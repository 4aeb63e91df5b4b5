"""A version as the store has it, for `swarm seed --from-store`: record, chain, root and pages, all verified."""

from __future__ import annotations

import time
from dataclasses import dataclass

from swarm.agent.answers import answer_of_store
from swarm.agent.recordbook import Recordbook
from swarm.agent.trust import decide
from swarm.config.configs import CommonConfig
from swarm.errors import UsageError
from swarm.protocol.names import Reference
from swarm.protocol.version import Version
from swarm.seeder.presence import load_kept
from swarm.service.pinning import pinned
from swarm.store import Store


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """`pages` are in the order of the index space."""

    version: Version
    pages: tuple[bytes, ...]
    tag_record: bytes
    name_records: tuple[bytes, ...]


async def load_from_store(store: Store, reference: Reference, config: CommonConfig) -> StoredVersion:
    """Raises NotFoundError, TrustError, ForkError, and what the store raises."""
    if reference.version is not None or reference.digest_prefix is not None:
        raise UsageError("--from-store takes NAME[:TAG]", hint="a digest alone has no signed record to announce")
    name, tag = reference.name, reference.tag
    answer = await answer_of_store(store, name, tag)
    seen = Recordbook(config.home).seen(name)
    now_ms = time.time_ns() // 1_000_000
    decision = decide(name, tag, [answer], pin=pinned(config, name), seen=seen, now_ms=now_ms)
    assert decision.record.root is not None
    kept = await load_kept(store, decision.record.root)
    return StoredVersion(kept.version, kept.pages, decision.data, decision.chain_records)
