"""`swarm follow` as a function: one agent that keeps a channel's newest version present, and gives what it has."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import trio

from swarm.agent.follow_notices import Following, Standing
from swarm.agent.following.follower import FollowOrder
from swarm.agent.following.follower import follow as run_follow
from swarm.agent.following.hook import Hook
from swarm.agent.notices import Notice, Observer, Ready
from swarm.agent.unwrapping import unwrapped
from swarm.config.configs import FollowConfig
from swarm.dataset.selection import Selection
from swarm.errors import UsageError
from swarm.service.assembly import fresh_key, open_parts
from swarm.service.pinning import pinned, rememberer
from swarm.service.watching import report_serving


@unwrapped
async def follow(config: FollowConfig, observer: Observer) -> None:
    """Until cancelled; with `once` until `current` is what the channel means now. Raises what
    `swarm.agent.following.follower.follow` raises, UsageError (no such hook, nobody to ask)."""
    _check_sources(config)
    order = _order(config)
    if order.hook is not None:
        await trio.to_thread.run_sync(order.hook.check)
    async with open_parts(config.common, key=fresh_key()) as parts, trio.open_nursery() as nursery:
        transport = parts.agent.parts.transport
        observer.notify(Ready("follow", transport.addresses, None, transport.peer_id, None))
        nursery.start_soon(report_serving, parts.agent, observer)
        store = parts.store.get if parts.store is not None else None
        await run_follow(parts.agent, parts.holdings, store, order, _Readiness(observer))
        nursery.cancel_scope.cancel()
        await parts.agent.leave()


def _order(config: FollowConfig) -> FollowOrder:
    return FollowOrder(
        reference=config.dataset,
        dest=config.dest,
        pin=lambda: pinned(config.common, config.dataset.name, config.publisher),
        remember=rememberer(config.common),
        selection=Selection(config.include, config.exclude),
        hook=Hook(config.exec, config.exec_timeout) if config.exec else None,
        keep=config.keep,
        poll_s=config.poll,
        once=config.once,
        retry=config.retry,
    )


def _check_sources(config: FollowConfig) -> None:
    common = config.common
    if not common.tracker and common.store is None and not common.lan:
        raise UsageError(
            "there is nobody to ask: no --tracker, no --store, and --no-lan",
            hint="name the tracker that `swarm seed` prints, or a store",
        )


class _Readiness:
    """Passes notices on, and tells systemd (Type=notify) when `current` first is what the channel means."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    def notify(self, notice: Notice, /) -> None:
        self._observer.notify(notice)
        if self._address and isinstance(notice, Following) and notice.state is Standing.CURRENT:
            self._tell()

    def _tell(self) -> None:
        address, self._address = self._address, ""
        if address.startswith("@"):
            address = "\0" + address[1:]
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notified:
            notified.sendto(b"READY=1", socket.MSG_DONTWAIT, address)
