"""From a reference to a version: whose word is taken for it, its root, and its file list where that can be had.

The rules are `swarm.agent.trust`'s, the same as a fetch's, except that looking pins nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from cli.sources import Sources
from swarm.agent.prefixes import held_versions, meant, name_of, not_known, signed_versions
from swarm.agent.trust import Answer, Decision, Pinned, decide
from swarm.config.configs import CommonConfig
from swarm.config.pins import Pins
from swarm.errors import DecodeError, NotFoundError
from swarm.holdings import Holdings
from swarm.protocol.ids import Index, VersionId, digest
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.keys import parse_fingerprint
from swarm.protocol.manifest import decode_root
from swarm.protocol.names import Reference, is_query
from swarm.protocol.version import Version, assemble


@dataclass(frozen=True, slots=True)
class Found:
    """A version that a reference means. `decision` None: named by its digest, which needs nobody's word."""

    version: VersionId
    root_bytes: bytes
    decision: Decision | None


def pinned(config: CommonConfig, name: str) -> Pinned | None:
    """Whom this machine believes about a name."""
    pin = Pins.of(config).find(name)
    return None if pin is None else Pinned(parse_fingerprint(pin.publisher), pin.realm)


def decide_tag(config: CommonConfig, sources: Sources, name: str, tag: str | None, answers: list[Answer]) -> Decision:
    """The record to go by. Raises NotFoundError, TrustError, ForkError, RefusedError."""
    book = sources.recordbook
    return decide(
        name,
        tag,
        answers,
        pin=pinned(config, name),
        seen=book.seen(name),
        now_ms=time.time_ns() // 1_000_000,
    )


async def look_up(config: CommonConfig, reference: Reference, sources: Sources, holdings: Holdings) -> Found:
    """The version of a reference, and its root. Raises NotFoundError, UnreachableError, RefusedError."""
    if reference.version is not None:
        return await _found(reference.version, None, sources, holdings)
    if reference.digest_prefix is not None:
        version = await _of_prefix(config, reference, sources, holdings)
        return await _found(version, None, sources, holdings)
    answers = await sources.resolver.ask(reference.name, reference.tag)
    decision = decide_tag(config, sources, reference.name, reference.tag, answers)
    if decision.record.root is None:
        raise NotFoundError(f"{reference} was removed by its producer", hint="swarm tags NAME lists what remains")
    if reference.tag is not None and is_query(reference.tag):
        sources.meanings[str(reference)] = f"{reference.name}:{decision.record.tag}"
    return await _found(decision.record.root, decision, sources, holdings)


async def load_version(found: Found, sources: Sources, holdings: Holdings) -> Version:
    """The file list and block table: from this machine, else the store. Raises NotFoundError, StoreError."""
    held = await holdings.version(found.version)
    if held is not None:
        return held
    if sources.store is None:
        raise NotFoundError("its file list is not on this machine, and no store was named", hint="add --store URL")
    space = IndexSpace(decode_root(found.root_bytes))
    pages: dict[Index, bytes] = {}
    for number, ref in enumerate(space.page_refs):
        pages[Index(number)] = await holdings.read_block(ref.id) or await sources.store.get_block(ref.id)
    return assemble(found.root_bytes, pages)


async def _found(version: VersionId, decision: Decision | None, sources: Sources, holdings: Holdings) -> Found:
    root = await holdings.root(version)
    if root is None and decision is not None and decision.root is not None and digest(decision.root) == version:
        root = decision.root
    root = root or await sources.resolver.find_root(version)
    if digest(root) != version:
        raise DecodeError(f"what was given for version {version.hex()} is not its root")
    return Found(version, root, decision)


async def _of_prefix(config: CommonConfig, reference: Reference, sources: Sources, holdings: Holdings) -> VersionId:
    """As a fetch finds it: among what is held here, then among what the name's tags mean."""
    name, digits = reference.name, reference.digest_prefix or ""
    held = held_versions(name, await holdings.records())
    found = meant(digits, held)
    if found is not None:
        return found
    answers = await sources.resolver.ask(name, None, every_tag=True)
    signed = signed_versions(name, answers, pin=pinned(config, name), seen=sources.recordbook.seen(name))
    found = meant(digits, signed)
    if found is None:
        raise not_known(name, digits, [*signed, *(one for one in held if name_of(one.label) == name)])
    return found
