"""Runs a service under trio with the command's signals, and says what a service is to the commands.

`swarm.service` is imported here and only here, when a command needs it: trio, libp2p and the rest come with it.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from cli.failures import Interrupted
from cli.interruption import Interruption
from swarm.agent.notices import Observer, Published, Receipt
from swarm.agent.trust import Answer
from swarm.config.configs import CommonConfig, FetchConfig, FollowConfig, SeedConfig, ServeConfig, TrackerConfig
from swarm.errors import SwarmError
from swarm.protocol.ids import VersionId
from swarm.protocol.names import Reference

if TYPE_CHECKING:
    from swarm.service.moving import MoveOptions, TagMove

T = TypeVar("T")


class Resolver(Protocol):
    """Somebody who can be asked what exists; `swarm.agent.resolve.Resolver` is one."""

    @property
    def failures(self) -> Mapping[str, SwarmError]:
        """Of the last question: why sources could not answer it, where others did."""

    async def ask(self, name: str, tag: str | None, *, every_tag: bool = False) -> list[Answer]:
        """What each source says; of a name without a tag as much as fits one answer, or `every_tag`.

        Raises UnreachableError where none could be asked.
        """

    async def find_root(self, version: VersionId) -> bytes:
        """Raises NotFoundError, UnreachableError."""


class Service(Protocol):
    """What the commands use of `swarm.service`."""

    async def fetch(self, config: FetchConfig, observer: Observer) -> Receipt: ...

    async def seed(self, config: SeedConfig, observer: Observer) -> Published | None: ...

    async def run_tracker(self, config: TrackerConfig, observer: Observer) -> None: ...

    async def serve(self, config: ServeConfig, observer: Observer) -> None: ...

    async def follow(self, config: FollowConfig, observer: Observer) -> None: ...

    async def move_tag(
        self, config: CommonConfig, source: Reference, target: Reference, options: MoveOptions, observer: Observer
    ) -> tuple[TagMove, ...]: ...

    async def roll_back(
        self, config: CommonConfig, target: Reference, to: str | None, options: MoveOptions, observer: Observer
    ) -> tuple[TagMove, ...]: ...

    async def remove_tag(
        self, config: CommonConfig, target: Reference, options: MoveOptions, observer: Observer
    ) -> tuple[TagMove, ...]: ...

    def open_resolver(self, config: CommonConfig) -> AbstractAsyncContextManager[Resolver]: ...


def service() -> Service:
    """The module `swarm.service`."""
    return cast("Service", importlib.import_module("swarm.service"))


def run_service(main: Callable[[], Awaitable[T]], interruption: Interruption) -> T:
    """`trio.run(main)`. The first signal cancels it; Interrupted is raised where it then has nothing to show."""
    import trio  # noqa: PLC0415  # 160 ms

    results: list[T] = []

    async def cancellable() -> None:
        token = trio.lowlevel.current_trio_token()
        scope = trio.CancelScope()
        with scope, interruption.cancelling(lambda: token.run_sync_soon(scope.cancel, idempotent=True)):
            results.append(await main())

    trio.run(cancellable)
    # A fetch that had committed returns its receipt in spite of the signal: that is done. A server returns None.
    if interruption.exit_code is not None and (not results or results[0] is None):
        raise Interrupted(interruption.exit_code)
    return results[0]
