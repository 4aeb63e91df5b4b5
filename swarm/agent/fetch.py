"""The use case behind `swarm fetch`: resolve, root, pages, what is here already, exchange, commit, receipt, linger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from swarm.agent.account import Account, money
from swarm.agent.agent import Agent
from swarm.agent.claims import Pinned
from swarm.agent.estimate import estimate
from swarm.agent.fetch_manifest import FetchManifest
from swarm.agent.fetch_shelf import FetchShelf
from swarm.agent.links import peer_of
from swarm.agent.notices import Committed, Level, Note, Observer, Phase, Planned, Receipt
from swarm.agent.target import Remember, Target, Targets
from swarm.agent.unwrapping import unwrapped
from swarm.agent.watch import Watch, watch_asking
from swarm.dataset.selection import Selection
from swarm.errors import (
    CorruptError,
    NotFoundError,
    PermissionError_,
    RefusedError,
    SwarmError,
    VerificationError,
)
from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.holdings.commit import Committed as Commitment
from swarm.holdings.holdings import Holdings
from swarm.holdings.space import Space
from swarm.holdings.staging import Staging
from swarm.protocol.ids import ConnectionId
from swarm.protocol.messages import PeerInfo
from swarm.protocol.names import Reference
from swarm.protocol.pages import Kind
from swarm.protocol.version import Version

LINGER_S = 10.0
"""`--linger auto`: at most this long, and no longer than a neighbour lacks something."""


@dataclass(frozen=True, slots=True)
class FetchOrder:
    """What is to be fetched. `linger_s` None is `auto`."""

    reference: Reference
    dest: Path
    pin: Pinned | None
    remember: Remember
    selection: Selection
    linger_s: float | None
    repair: bool
    atomic: bool
    dry_run: bool
    started_at: float
    """`time.monotonic()` when whoever waits for it began to wait: the start of the process, for a command."""
    price_per_gb: float | None = None
    """What 10^9 bytes from the store cost, for the receipt."""
    in_place: bool = False
    """File by file, where there is no room for more."""
    share: Path | None = None
    """Unchanged files may be the same as those of versions that are kept below this directory (`Holdings.stage`)."""


@unwrapped
async def fetch(agent: Agent, holdings: Holdings, order: FetchOrder, observer: Observer) -> Receipt:
    """Fetches and returns the receipt. Raises SwarmError; what has come is kept for the next run.

    A dry run brings root and pages into `$SWARM_HOME`, as any look at a version does, and writes nothing else.
    """
    ready_s = time.monotonic() - order.started_at
    targets = Targets(agent, holdings, order.pin, None if order.dry_run else order.remember, observer)
    async with watch_asking(agent, observer):
        target = await targets.find(order.reference)
    async with agent.fetching(target.version):
        return await _Fetch(agent, holdings, order, observer, target=target, ready_s=ready_s).run()


class _Fetch:
    """One fetch of a version that is known, step by step."""

    def __init__(
        self,
        agent: Agent,
        holdings: Holdings,
        order: FetchOrder,
        observer: Observer,
        *,
        target: Target,
        ready_s: float,
    ) -> None:
        self._agent = agent
        self._shelves = agent.driver.shelves
        self._holdings = holdings
        self._order = order
        self._observer = observer
        self._target = target
        self._ready_s = ready_s
        self._shelf = FetchShelf(target.root_bytes, target.root, holdings)
        takes_early = order.selection.is_everything and not (order.dry_run or order.in_place)
        self._manifest = FetchManifest(
            agent,
            holdings,
            target,
            self._shelf,
            dest=order.dest if takes_early else None,
            want_grows=not order.dry_run,
        )
        self._account = Account(target.version, self._shelf.space, self._peer_of, agent.is_near)
        self._watch = Watch(agent, self._shelf, self._account, observer)

    async def run(self) -> Receipt:
        with self._agent.watched_by(self._listen), self._taking_part():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch.run)
                await self._manifest.fetch()
                version = await self._manifest.assemble()
                self._refuse_nothing(version)
                receipt = await (self._estimate(version) if self._order.dry_run else self._fetch_blocks(version))
                if not self._order.dry_run:
                    # Now, not at the end: who is interrupted while it lingers has the data, and is told so.
                    self._observer.notify(receipt)
                    self._watch.phase = Phase.LINGER
                    await self._linger()
                nursery.cancel_scope.cancel()
        return receipt

    @contextmanager
    def _taking_part(self) -> Iterator[None]:
        """Who has fetched gives on. Who has not takes no further part, and gives at most what it gave before."""
        version, before, is_done = self._target.version, self._shelves.find(self._target.version), False
        try:
            yield
            is_done = not self._order.dry_run
        finally:
            self._manifest.forget_early()
            if not is_done and before is not None:
                self._shelves.only_give(version, before)
            elif not is_done:
                self._shelves.close(version)
            self._agent.driver.store_reads.forget(version)

    # --- the version ----------------------------------------------------------------------------

    def _refuse_nothing(self, version: Version) -> None:
        """A misspelt pattern must not empty a DEST that has what another one selected."""
        selection = self._order.selection
        if selection.is_everything or any(
            selection.takes(entry.path, is_directory=entry.kind is Kind.DIRECTORY) for entry in version.entries
        ):
            return
        raise NotFoundError(
            f"nothing in {self._target.label} is selected by --include and --exclude",
            hint="swarm inspect shows what lies at its top; nothing was written",
        )

    # --- blocks ---------------------------------------------------------------------------------

    async def _estimate(self, version: Version) -> Receipt:
        order = self._order
        found = await estimate(
            self._holdings, version, order.dest, order.selection, repair=order.repair, in_place=order.in_place
        )
        planned = self._planned(version, found.bytes_wanted, found.bytes_lacking, found.bytes_resumed, found.space)
        self._observer.notify(found.in_full(planned))
        return self._receipt(version, found.bytes_wanted, 0)

    async def _fetch_blocks(self, version: Version) -> Receipt:
        """One staging; in place as many as it takes, of a part of the files each."""
        refetched = parts = 0
        while True:
            async with self._stage(version) as staging:
                self._shelf.begin_blocks(version, staging)
                try:
                    done = await self._fetch_part(version, staging, is_first=not parts)
                finally:
                    self._shelf.end_blocks()
                refetched += staging.bytes_refetched
                if done.is_end:
                    self._tell_commit(done)
                    return self._receipt(version, staging.bytes_wanted, refetched)
            parts += 1

    def _stage(self, version: Version) -> AbstractAsyncContextManager[Staging]:
        order = self._order
        self._watch.phase = Phase.REUSE
        return self._holdings.stage(
            version,
            order.dest,
            order.selection,
            label=self._target.label,
            repair=order.repair,
            atomic=order.atomic,
            in_place=order.in_place,
            share=order.share,
            on_wait=lambda text: self._observer.notify(Note(text, Level.WARNING)),
        )

    async def _fetch_part(self, version: Version, staging: Staging, *, is_first: bool) -> Commitment:
        staging.space.check()
        await staging.reuse()
        if is_first:
            await self._begin(version, staging)
            self._watch.phase = Phase.FETCH
            await self._manifest.hand_over()
        await self._exchange(version, staging)
        self._watch.phase = Phase.COMMIT
        return await staging.commit()

    async def _begin(self, version: Version, staging: Staging) -> None:
        lacking = sum(
            version.length_of(index) for first, count in staging.lacking for index in range(first, first + count)
        )
        if staging.is_in_place:
            lacking = await self._begin_in_place(version)
        total = self._bytes(version, staging.bytes_wanted)
        resumed = staging.bytes_resumed
        self._observer.notify(self._planned(version, staging.bytes_wanted, lacking, resumed, staging.space))
        self._watch.bytes_total, self._watch.bytes_local = total, total - lacking
        self._watch.bytes_resumed = resumed

    async def _begin_in_place(self, version: Version) -> int:
        """Says what it means, and returns the bytes that all parts lack together."""
        order = self._order
        text = f"{order.dest} is updated in place: until that has ended it has files of both versions"
        self._observer.notify(Note(text, Level.WARNING))
        found = await estimate(
            self._holdings, version, order.dest, order.selection, repair=order.repair, in_place=order.in_place
        )
        return found.bytes_lacking

    async def _exchange(self, version: Version, staging: Staging) -> None:
        self._watch.phase = Phase.FETCH
        have = await self._holdings.have(version.id)
        if have is not None:
            self._agent.driver.submit(e.BlocksFound(version.id, have.runs()))
        while True:
            lacking = staging.lacking
            self._shelf.lack(lacking)
            self._shelves.want(version.id, lacking)
            await self._shelf.wait_whole()
            # A block that was read for a neighbour and found damaged meanwhile is lacking again.
            if staging.is_complete:
                return

    async def _linger(self) -> None:
        if self._order.linger_s is not None:
            await trio.sleep(self._order.linger_s)
            return
        with trio.move_on_after(LINGER_S):
            await self._shelves.wait_released(self._target.version)

    # --- what is heard and told -----------------------------------------------------------------

    def _peer_of(self, connection: ConnectionId) -> PeerInfo | None:
        link = self._agent.driver.links.find(connection)
        return peer_of(link.connection) if link is not None else None

    def _listen(self, event: e.Event, commands: list[c.Command]) -> None:
        self._account.record(event, commands)
        if isinstance(event, e.StoreFailed) and event.version == self._target.version and event.kind == "corrupt":
            self._observer.notify(Note(f"{event.text}; it is taken from elsewhere if it can be", Level.WARNING))
        for command in commands:
            match command:
                case c.Banned():
                    note = f"agent {command.agent.hex()[:16]} is banned: {command.reason}"
                    self._observer.notify(Note(note, Level.WARNING))
                case c.BlockUnavailable(version=self._target.version):
                    found = self._agent.driver.store_reads.failure(command.version, command.index)
                    self._shelf.fail(_unavailable(self._shelf, command, found))

    def _planned(self, version: Version, wanted: int, lacking: int, resumed: int, space: Space) -> Planned:
        total = self._bytes(version, wanted)
        return Planned(
            dataset=self._target.label,
            digest=version.id.hex(),
            files=self._files(version),
            bytes=total,
            bytes_local=total - lacking,
            bytes_to_fetch=lacking,
            bytes_needed=space.required,
            bytes_free=space.free,
            dest=str(self._order.dest),
            bytes_resumed=resumed,
        )

    def _tell_commit(self, done: Commitment) -> None:
        order = self._order
        if done.kept is not None:
            self._observer.notify(Note(f"what was in {order.dest} and is not of the dataset is now in {done.kept}"))
        if done.reason:
            self._observer.notify(Note(f"{order.dest} was not replaced in one step: {done.reason}"))
        label, digest = self._target.label, self._target.version.hex()
        self._observer.notify(Committed(label, digest, str(order.dest), not done.reason))

    def _receipt(self, version: Version, wanted: int, refetched: int) -> Receipt:
        account, order = self._account, self._order
        total = self._bytes(version, wanted)
        alone = money(account.bytes_came, order.price_per_gb)
        saved_bytes = max(0, account.bytes_came - account.bytes_read)
        return Receipt(
            dataset=self._target.label,
            digest=version.id.hex(),
            files=self._files(version),
            bytes=total,
            bytes_local=total - account.bytes_peer - account.bytes_origin,
            bytes_peer=account.bytes_peer,
            bytes_origin=account.bytes_origin,
            bytes_wasted=account.bytes_useless + self._agent.driver.links.wasted.get(version.id, 0),
            bytes_refetched=refetched,
            bytes_manifest=account.bytes_manifest,
            seconds=round(time.monotonic() - order.started_at, 3),
            seconds_to_ready=round(self._ready_s, 3),
            peers=len(account.givers),
            banned=tuple(sorted(agent.hex() for agent in account.banned)),
            dest=str(order.dest),
            bytes_lan=account.bytes_lan,
            bytes_seeder=account.bytes_seeder,
            bytes_store=account.bytes_store,
            origin_copies=account.bytes_origin / total if total else None,
            seconds_exchange=round(self._watch.seconds_exchange, 3),
            link_rate=self._watch.link_rate,
            link_share=self._watch.link_share,
            store_alone_bytes=account.bytes_came,
            saved_bytes=saved_bytes,
            price_per_gb=order.price_per_gb,
            store_alone_cost=alone,
            saved=money(saved_bytes, order.price_per_gb),
        )

    def _bytes(self, version: Version, wanted: int) -> int:
        """What the fetch is about: the whole stream, its repeats included, or the distinct blocks of a selection."""
        return version.root.totals.bytes if self._order.selection.is_everything else wanted

    def _files(self, version: Version) -> int:
        selection = self._order.selection
        if selection.is_everything:
            return version.root.totals.files
        return sum(
            entry.kind is Kind.FILE and selection.takes(entry.path, is_directory=False) for entry in version.entries
        )


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
