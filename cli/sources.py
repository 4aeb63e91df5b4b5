"""Who is asked what exists: this machine's records and the store; tracker and neighbours through the service.

`swarm.service.open_resolver(config)` asks everybody, over a transport of its own. Where neither a tracker nor the LAN
is to be asked, that is not needed and the store answers alone, half a second sooner.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from cli.running import Resolver, service
from cli.ui.screen import Screen
from swarm.agent.answers import answer_of_book, answer_of_store
from swarm.agent.recordbook import Recordbook
from swarm.agent.trust import Answer
from swarm.config.configs import CommonConfig
from swarm.config.store_options import options_of
from swarm.errors import MissingError, NotFoundError, SwarmError, UnreachableError
from swarm.protocol.ids import VersionId
from swarm.protocol.records import decode_tag_record
from swarm.seeder.history import open_history
from swarm.service.producing import has_history
from swarm.store import Store, open_store


@asynccontextmanager
async def open_sources(config: CommonConfig) -> AsyncIterator[Sources]:
    """Store and resolver for a command that asks; opened here, closed at the end."""
    async with AsyncExitStack() as stack:
        stores: list[tuple[str, Store]] = []
        store = None
        if config.store is not None:
            store = await stack.enter_async_context(open_store(config.store, options_of(config)))
            stores.append(("store", store))
        if has_history(config):
            stores.append(("local", await stack.enter_async_context(open_history(config.home))))
        resolver: Resolver = _Alone(Recordbook(config.home), stores)
        if config.tracker or config.lan:
            resolver = await stack.enter_async_context(service().open_resolver(config))
        yield Sources(store, resolver, Recordbook(config.home), [found for _, found in stores])


class Sources:
    """`store` is None where none is configured."""

    def __init__(
        self, store: Store | None, resolver: Resolver, recordbook: Recordbook, histories: Sequence[Store] = ()
    ) -> None:
        self.store = store
        self._histories = histories
        self.resolver = resolver
        self.recordbook = recordbook
        self.meanings: dict[str, str] = {}
        """Ranges that were asked for, and the tag that each turned out to mean."""

    async def history(self, record: bytes) -> tuple[bytes, ...]:
        """`record` and those that it follows, oldest first: as many as the store or this machine knows."""
        tag = decode_tag_record(record)
        known: list[Sequence[bytes]] = [(record,), self.recordbook.history(tag.name, tag.tag)]
        stores = [store for store in self._histories if store.is_initialised and store.realm == tag.realm]
        known += [await store.tag_history(tag.name, tag.tag) for store in stores]
        return max((tuple(one[: one.index(record) + 1]) for one in known if record in one), key=len)

    def warn_of_silence(self, screen: Screen) -> None:
        """Says which of the sources that were named could not answer the last question, although others did; and what a
        range meant."""
        for asked, tag in self.meanings.items():
            screen.say(f"{asked} means {tag}")
        self.meanings.clear()
        for error in self.resolver.failures.values():
            screen.warn(f"{error.message}; {error.hint}".removesuffix("; "))


class _Alone:
    """Asks what needs no network of ours: stores and the records seen before."""

    def __init__(self, recordbook: Recordbook, stores: list[tuple[str, Store]]) -> None:
        self._recordbook = recordbook
        self._stores = stores
        self.failures: dict[str, SwarmError] = {}

    async def ask(self, name: str, tag: str | None, *, every_tag: bool = False) -> list[Answer]:  # noqa: ARG002
        answers = [replace(await answer_of_store(store, name, tag), source=source) for source, store in self._stores]
        own = answer_of_book(self._recordbook, name, tag)
        if own is not None:
            answers.append(own)
        if not answers:
            hint = "name a --tracker or a --store, or leave out --no-lan"
            raise UnreachableError(f"nobody can be asked about {name}", hint=hint)
        return answers

    async def find_root(self, version: VersionId) -> bytes:
        for _, store in self._stores:
            try:
                return await store.get_root(version)
            except MissingError:
                continue
        raise NotFoundError(f"nobody has version {version.hex()}", hint="it may have been removed; see swarm tags NAME")
