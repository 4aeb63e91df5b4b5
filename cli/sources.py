"""Who is asked what exists: this machine's records and the store; tracker and neighbours through the service.

`swarm.service.open_resolver(config)` asks everybody, over a transport of its own. Where neither a tracker nor the LAN
is to be asked, that is not needed and the store answers alone, half a second sooner.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from cli.running import Resolver, service
from cli.ui.screen import Screen
from swarm.agent.recordbook import Recordbook
from swarm.agent.trust import Answer
from swarm.config.configs import CommonConfig
from swarm.config.store_options import options_of
from swarm.errors import MissingError, NotFoundError, SwarmError, UnreachableError, UsageError
from swarm.protocol.ids import VersionId
from swarm.protocol.names import nearest
from swarm.seeder.history import DIRECTORY, OWN, open_history
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
        yield Sources(store, resolver, Recordbook(config.home))


@asynccontextmanager
async def open_records(config: CommonConfig) -> AsyncIterator[Store]:
    """Where a producer's records are: the store, or what `swarm seed` without one keeps in `$SWARM_HOME`."""
    if config.store is not None:
        async with open_store(config.store, options_of(config)) as store:
            yield store
    elif has_history(config):
        async with open_history(config.home) as history:
            yield history
    else:
        raise UsageError("the keys of a name are kept in its store, and none was named", hint="add --store URL")


def has_history(config: CommonConfig) -> bool:
    """Whether something was published from here without a store."""
    return (config.home / DIRECTORY / OWN).is_dir()


class Sources:
    """`store` is None where none is configured."""

    def __init__(self, store: Store | None, resolver: Resolver, recordbook: Recordbook) -> None:
        self.store = store
        self.resolver = resolver
        self.recordbook = recordbook

    def warn_of_silence(self, screen: Screen) -> None:
        """Says which of the sources that were named could not answer the last question, although others did."""
        for error in self.resolver.failures.values():
            screen.warn(f"{error.message}; {error.hint}".removesuffix("; "))


class _Alone:
    """Asks what needs no network of ours: stores and the records seen before."""

    def __init__(self, recordbook: Recordbook, stores: list[tuple[str, Store]]) -> None:
        self._recordbook = recordbook
        self._stores = stores
        self.failures: dict[str, SwarmError] = {}

    async def ask(self, name: str, tag: str | None, *, every_tag: bool = False) -> list[Answer]:  # noqa: ARG002
        answers = [await _ask_store(source, store, name, tag) for source, store in self._stores]
        tags = self._recordbook.tags(name) if tag is None else [tag]
        records = tuple(record for one in tags if (record := self._recordbook.newest(name, one)) is not None)
        if records:
            answers.append(Answer("local", records, self._recordbook.chain(name)))
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
        raise NotFoundError(f"nobody has version {version.hex()}", hint="it may have been removed; see swarm ls NAME")


async def _ask_store(source: str, store: Store, name: str, tag: str | None) -> Answer:
    tags = await store.tags(name)
    wanted = tags if tag is None else [tag]
    records = [record for one in wanted if (record := await store.newest_tag(name, one)) is not None]
    if records:
        return Answer(source, tuple(records), await store.name_chain(name))
    near = [f"{name}:{one}" for one in nearest(tag or "", tags)] if tags else nearest(name, await store.names())
    return Answer(source, (), (), near=tuple(near))
