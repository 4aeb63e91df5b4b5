"""The use case behind `swarm fetch`: resolve, root, pages, what is here already, exchange, commit, receipt, linger."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from swarm.agent.account import Account
from swarm.agent.agent import Agent
from swarm.agent.fetch_shelf import FetchShelf
from swarm.agent.notices import Committed, Level, Note, Observer, Phase, Planned, Receipt, Resolved
from swarm.agent.trust import Decision, Pinned, decide
from swarm.agent.unwrapping import unwrapped
from swarm.agent.watch import Watch
from swarm.dataset.selection import Selection
from swarm.errors import (
    CorruptError,
    DecodeError,
    NotFoundError,
    PermissionError_,
    RefusedError,
    SwarmError,
    VerificationError,
)
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.holdings.holdings import Holdings
from swarm.holdings.staging import Staging
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.ids import Index, VersionId, digest
from swarm.protocol.keys import fingerprint
from swarm.protocol.manifest import Root, decode_root
from swarm.protocol.names import Reference
from swarm.protocol.version import Version

LINGER_S = 10.0
"""`--linger auto`: at most this long, and no longer than a neighbour lacks something."""


@dataclass(frozen=True, slots=True)
class FetchOrder:
    """What is to be fetched. `remember` is called with the key and realm of a name used for the first time."""

    reference: Reference
    dest: Path
    pin: Pinned | None
    remember: Callable[[str, Pinned], None]
    selection: Selection
    linger_s: float | None
    repair: bool
    atomic: bool
    dry_run: bool
    started_at: float
    """`time.monotonic()` of the process's beginning."""


@dataclass(frozen=True, slots=True)
class _Target:
    """The version that the reference turned out to mean, and what the user calls it."""

    label: str
    version: VersionId
    root_bytes: bytes
    root: Root


@unwrapped
async def fetch(agent: Agent, holdings: Holdings, order: FetchOrder, observer: Observer) -> Receipt:
    """Fetches and returns the receipt. Raises SwarmError; what has come is kept for the next run."""
    return await _Fetch(agent, holdings, order, observer).run()


class _Fetch:
    """One fetch, step by step."""

    def __init__(self, agent: Agent, holdings: Holdings, order: FetchOrder, observer: Observer) -> None:
        self._agent = agent
        self._driver = agent.driver
        self._holdings = holdings
        self._order = order
        self._observer = observer
        self._released = trio.Event()
        self._ready_s = time.monotonic() - order.started_at

    async def run(self) -> Receipt:
        target = await self._resolve()
        shelf = FetchShelf(target.root_bytes, target.root, self._holdings)
        account = Account(target.version, shelf.space.page_count)
        watch = Watch(self._agent, shelf, account, self._observer)
        watch.has_store = self._agent.parts.me.reads_store
        self._listen(target.version, shelf, account)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._driver.wait_failed)
                nursery.start_soon(watch.run)
                await self._fetch_pages(target, shelf)
                version = await self._assemble(target)
                receipt = await self._fetch_blocks(target, version, shelf, account, watch)
                if not self._order.dry_run:
                    # Now, not at the end: who is interrupted while it lingers has the data, and is told so.
                    self._observer.notify(receipt)
                    watch.phase = Phase.LINGER
                    await self._linger()
                nursery.cancel_scope.cancel()
        except BaseException:
            # The agent may live on (other versions, a server): it takes no further part in this one.
            self._driver.submit(e.SessionClosed(target.version))
            raise
        return receipt

    # --- what is meant --------------------------------------------------------------------------

    async def _resolve(self) -> _Target:
        reference = self._order.reference
        if reference.version is not None:
            return await self._target(str(reference), reference.version, None)
        tag = reference.tag
        answers = await self._agent.resolver.ask(reference.name, tag)
        book = self._agent.recordbook
        decision = decide(
            reference.name,
            tag,
            answers,
            pin=self._order.pin,
            seen=book.newest(reference.name, tag) if tag is not None else None,
            seen_chain=book.chain(reference.name),
            now_ms=time.time_ns() // 1_000_000,
        )
        label = f"{reference.name}:{decision.record.tag}"
        assert decision.record.root is not None
        self._remember(decision)
        target = await self._target(label, decision.record.root, decision.root)
        self._observer.notify(
            Resolved(
                label,
                target.version.hex(),
                fingerprint(decision.record.key),
                decision.source,
                decision.record.time,
            )
        )
        return target

    def _remember(self, decision: Decision) -> None:
        record = decision.record
        self._agent.recordbook.keep(record.name, record.tag, decision.data, decision.chain_records)
        self._agent.parts.me.realm = self._agent.parts.me.realm or record.realm
        if not decision.is_first_use:
            return
        self._order.remember(record.name, Pinned(record.key, record.realm))
        self._observer.notify(
            Note(f"first use of {record.name}: from now on its publisher is {fingerprint(record.key)}", Level.WARNING)
        )

    async def _target(self, label: str, version: VersionId, root_bytes: bytes | None) -> _Target:
        if root_bytes is None or digest(root_bytes) != version:
            root_bytes = await self._holdings.root(version) or await self._agent.resolver.find_root(version)
        target = _Target(label, version, root_bytes, decode_root(root_bytes))
        await self._holdings.keep_root(root_bytes)
        return target

    # --- pages ----------------------------------------------------------------------------------

    async def _fetch_pages(self, target: _Target, shelf: FetchShelf) -> None:
        space, root = shelf.space, target.root
        here = await self._holdings.have(target.version) or Bitfield(space.size)
        pages = Bitfield.from_runs((space.page_run,) if space.page_count else (), space.size)
        lacking = (pages - here).runs()
        shelf.lack(lacking)
        self._driver.put_shelf(target.version, shelf)
        self._driver.submit(
            e.SessionOpened(
                version=target.version,
                page_lengths=space.page_lengths,
                block_count=space.block_count,
                longest=root.cutter.maximum,
                have=here.runs(),
                want=lacking,
                is_origin=False,
                reads_store=self._agent.parts.me.reads_store,
                want_grows=True,
            )
        )
        await shelf.wait_whole()

    async def _assemble(self, target: _Target) -> Version:
        version = await self._holdings.version(target.version)
        if version is None:
            raise DecodeError(f"the pages of {target.label} were here and are not any more", hint="run it again")
        first = Index(version.space.page_count)
        self._driver.submit(e.LengthsLearned(version.id, first, tuple(version.block_lengths)))
        return version

    # --- blocks ---------------------------------------------------------------------------------

    async def _fetch_blocks(
        self, target: _Target, version: Version, shelf: FetchShelf, account: Account, watch: Watch
    ) -> Receipt:
        order = self._order
        watch.phase = Phase.REUSE
        async with self._holdings.stage(
            version,
            order.dest,
            order.selection,
            label=target.label,
            repair=order.repair,
            atomic=order.atomic,
            on_wait=lambda text: self._observer.notify(Note(text, Level.WARNING)),
        ) as staging:
            shelf.begin_blocks(version, staging)
            if order.dry_run:
                return self._plan(target, version, staging, account)
            staging.space.check()
            await staging.reuse()
            self._plan(target, version, staging, account)
            watch.bytes_total, watch.bytes_local = _bytes(staging), _bytes(staging) - _bytes_lacking(staging)
            await self._exchange(version, shelf, staging, watch)
            watch.phase = Phase.COMMIT
            done = await staging.commit()
            self._observer.notify(Committed(target.label, version.id.hex(), str(order.dest), not done.reason))
            return self._receipt(target, version, staging, account)

    def _plan(self, target: _Target, version: Version, staging: Staging, account: Account) -> Receipt:
        lacking = _bytes_lacking(staging)
        self._observer.notify(
            Planned(
                dataset=target.label,
                digest=version.id.hex(),
                files=version.root.totals.files,
                bytes=_bytes(staging),
                bytes_local=_bytes(staging) - lacking,
                bytes_to_fetch=lacking,
                bytes_needed=staging.space.required,
                bytes_free=staging.space.free,
                dest=str(self._order.dest),
            )
        )
        return self._receipt(target, version, staging, account)

    async def _exchange(self, version: Version, shelf: FetchShelf, staging: Staging, watch: Watch) -> None:
        watch.phase = Phase.FETCH
        lacking = staging.lacking
        shelf.lack(lacking)
        have = await self._holdings.have(version.id)
        if have is not None:
            self._driver.submit(e.BlocksFound(version.id, have.runs()))
        self._driver.submit(e.WantChanged(version.id, lacking))
        await shelf.wait_whole()

    def _listen(self, version: VersionId, shelf: FetchShelf, account: Account) -> None:
        def watch(event: e.Event, commands: list[c.Command]) -> None:
            account.record(event)
            if isinstance(event, e.StoreFailed) and event.version == version and event.kind == "corrupt":
                self._observer.notify(Note(f"{event.text}; it is taken from elsewhere if it can be", Level.WARNING))
            for command in commands:
                account.record_command(command)
                if isinstance(command, c.Released) and command.version == version:
                    self._released.set()
                if isinstance(command, c.Banned):
                    note = f"agent {command.agent.hex()[:16]} sent wrong bytes and is banned: {command.reason}"
                    self._observer.notify(Note(note, Level.WARNING))
                if isinstance(command, c.BlockUnavailable) and command.version == version:
                    found = self._driver.store_failures.get((version, command.index))
                    self._driver.fail(_unavailable(shelf, command, found))

        self._agent.watchers.append(watch)

    async def _linger(self) -> None:
        linger_s = self._order.linger_s
        if linger_s is None:
            with trio.move_on_after(LINGER_S):
                await self._released.wait()
        else:
            await trio.sleep(linger_s)

    def _receipt(self, target: _Target, version: Version, staging: Staging, account: Account) -> Receipt:
        fetched = account.bytes_peer + account.bytes_origin
        wasted = account.bytes_refused + self._driver.bytes_wasted
        return Receipt(
            dataset=target.label,
            digest=version.id.hex(),
            files=version.root.totals.files,
            bytes=_bytes(staging),
            bytes_local=_bytes(staging) - fetched,
            bytes_peer=account.bytes_peer,
            bytes_origin=account.bytes_origin,
            bytes_wasted=wasted,
            bytes_refetched=staging.bytes_refetched,
            bytes_manifest=account.bytes_manifest,
            seconds=round(time.monotonic() - self._order.started_at, 3),
            seconds_to_ready=round(self._ready_s, 3),
            peers=len(account.givers),
            banned=tuple(sorted(agent.hex() for agent in account.banned)),
            dest=str(self._order.dest),
        )


def _bytes(staging: Staging) -> int:
    """What the fetch is about: the whole stream, its repeats included, or the distinct blocks of a selection."""
    version = staging.version
    is_all = staging.want.count == version.space.size or staging.bytes_wanted == version.root.totals.block_bytes
    return version.root.totals.bytes if is_all else staging.bytes_wanted


def _bytes_lacking(staging: Staging) -> int:
    length_of = staging.version.length_of
    return sum(length_of(index) for first, count in staging.lacking for index in range(first, first + count))


def _unavailable(shelf: FetchShelf, command: c.BlockUnavailable, found: SwarmError | None) -> SwarmError:
    """The end of a fetch without hope: what the store said of the block, and which exit code that is."""
    block = shelf.id_of(command.index)
    name = block.hex() if block is not None else f"number {command.index}"
    reason = found.message if found is not None else "it cannot be had from the store"
    text = f"block {name} can be had from nobody: {reason}"
    hint = "what has come is kept: publish the data again, then run the same command"
    match found:
        case PermissionError_() | RefusedError():
            return type(found)(text, hint=found.hint)
        case CorruptError():
            return VerificationError(text, hint=hint)
        case _:
            return NotFoundError(text, hint=hint)
