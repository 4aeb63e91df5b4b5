"""From what somebody typed to the version that is meant, and its root.

`name:tag`, also a range of releases, is asked of every source and judged by `trust`; `name@digest` needs nobody's word;
a few digits are looked for among what is held here, then among what the name's tags mean now: anybody can make a
version whose digest begins so, and it must be signed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import trio

from swarm.agent.agent import Agent
from swarm.agent.claims import Answer, Pinned, is_believable
from swarm.agent.notices import Level, Note, Observer, Resolved
from swarm.agent.prefixes import held_versions, meant, name_of, not_known, signed_versions
from swarm.agent.trust import Decision, decide
from swarm.errors import DecodeError, InternalError, UnsafeManifestError
from swarm.holdings.holdings import Holdings
from swarm.protocol.ids import VersionId, digest
from swarm.protocol.keys import fingerprint
from swarm.protocol.manifest import Root, decode_root
from swarm.protocol.names import Reference, is_query

Remember = Callable[[str, Pinned], None]
"""Is called with a name that was used for the first time, the key that signed it and its realm; may touch the disk."""


@dataclass(frozen=True, slots=True)
class Target:
    """The version that a reference turned out to mean, and what the user calls it."""

    label: str
    version: VersionId
    root_bytes: bytes
    root: Root


@contextmanager
def judging(label: str) -> Iterator[None]:
    """Says whose manifest it is that is refused. Its hash was right: nobody on the way has changed it."""
    try:
        yield
    except (DecodeError, UnsafeManifestError) as error:
        text = f"the manifest of {label} is refused: {error.message}"
        raise type(error)(text, hint=error.hint or "nothing was written; its producer made it so") from error


class Targets:
    """Finds targets. `remember` None: nothing is pinned or noted down (a dry run)."""

    def __init__(
        self, agent: Agent, holdings: Holdings, pin: Pinned | None, remember: Remember | None, observer: Observer
    ) -> None:
        self._agent = agent
        self._holdings = holdings
        self._pin = pin
        self._remember = remember
        self._observer = observer

    async def find(self, reference: Reference) -> Target:
        """Raises NotFoundError, UnreachableError, RefusedError (trust, forks); UsageError: an ambiguous prefix."""
        if reference.version is not None:
            return await self._target(str(reference), reference.version, None)
        if reference.digest_prefix is not None:
            version = await self._of_prefix(reference.name, reference.digest_prefix)
            return await self._target(f"{reference.name}@{version.hex()}", version, None)
        return await self._of_tag(reference.name, reference.tag)

    # --- tags -----------------------------------------------------------------------------------

    async def decide(self, name: str, tag: str | None) -> Decision:
        """What a tag, or a range, means now: every source is asked, and what is accepted is noted down. Raises as
        `find` does."""
        return await self.judge(name, tag, await self._ask(name, tag))

    async def judge(self, name: str, tag: str | None, answers: list[Answer]) -> Decision:
        """The same of answers that are here already."""
        seen = self._agent.recordbook.seen(name)
        decision = decide(name, tag, answers, pin=self._pin, seen=seen, now_ms=time.time_ns() // 1_000_000)
        if decision.record.root is None:
            raise InternalError("a tombstone was chosen")
        await self._note_down(decision)
        return decision

    async def _of_tag(self, name: str, tag: str | None) -> Target:
        decision = await self.decide(name, tag)
        record = decision.record
        assert record.root is not None
        target = await self._target(f"{name}:{record.tag}", record.root, decision.root)
        if tag is not None and is_query(tag):
            self._observer.notify(Note(f"{name}:{tag} means {target.label}"))
        self._observer.notify(
            Resolved(target.label, target.version.hex(), fingerprint(record.key), decision.source, record.time)
        )
        return target

    async def _ask(self, name: str, tag: str | None, *, every_tag: bool = False) -> list[Answer]:
        seen, resolver = self._agent.recordbook.seen(name), self._agent.resolver
        believes = partial(is_believable, name, pin=self._pin, seen=seen)
        answers = await resolver.ask(name, tag, believes, every_tag=every_tag)
        for error in resolver.failures.values():
            # Somebody else knew: but who named this source wants to hear that it did not answer.
            self._observer.notify(Note(f"{error.message}; {error.hint}".removesuffix("; "), Level.WARNING))
        return answers

    async def _note_down(self, decision: Decision) -> None:
        """After signature and chain were accepted, and only then."""
        record, me = decision.record, self._agent.parts.me
        me.realm = me.realm or record.realm
        if self._remember is None:
            return
        book = self._agent.recordbook
        await trio.to_thread.run_sync(book.keep, record.name, record.tag, decision.data, decision.chain_records)
        if decision.is_first_use:
            await trio.to_thread.run_sync(self._remember, record.name, Pinned(record.key, record.realm))
            text = f"first use of {record.name}: from now on its publisher is {fingerprint(record.key)}"
            self._observer.notify(Note(text, Level.WARNING))
        elif self._pin is not None and not self._pin.is_kept:
            await trio.to_thread.run_sync(self._remember, record.name, Pinned(self._pin.key, record.realm))
            self._observer.notify(Note(f"from now on the publisher of {record.name} is the one that --publisher names"))

    # --- digests --------------------------------------------------------------------------------

    async def _of_prefix(self, name: str, digits: str) -> VersionId:
        held = held_versions(name, await self._holdings.records())
        found = meant(digits, held)
        if found is not None:
            return found
        answers, seen = await self._ask(name, None, every_tag=True), self._agent.recordbook.seen(name)
        signed = signed_versions(name, answers, pin=self._pin, seen=seen)
        found = meant(digits, signed)
        if found is None:
            raise not_known(name, digits, [*signed, *(one for one in held if name_of(one.label) == name)])
        return found

    async def _target(self, label: str, version: VersionId, root_bytes: bytes | None) -> Target:
        if root_bytes is None or digest(root_bytes) != version:
            root_bytes = await self._holdings.root(version) or await self._agent.resolver.find_root(version)
        with judging(label):
            target = Target(label, version, root_bytes, decode_root(root_bytes))
        await self._holdings.keep_root(root_bytes)
        return target
