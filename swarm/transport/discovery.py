"""Peers on the local network, by zeroconf (multicast DNS): we announce ourselves and hear who comes and goes.

zeroconf runs in threads of its own and its blocking calls in workers, so the event loop never waits for it (py-libp2p's
mDNS stalls it for 1.7 s). Opening returns at once; where multicast is impossible, `problem` says why and nothing is
found, because a fetch can do without.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from swarm.errors import DecodeError
from swarm.protocol.ids import PeerId
from swarm.transport.announcement import SERVICE_TYPE, Announcement, announcement, read_announcement
from swarm.transport.nursery_of_one import nursery_of_one

if TYPE_CHECKING:
    from zeroconf import ServiceBrowser, ServiceInfo, Zeroconf

PEERS_MAX = 1024
"""Peers that are remembered: a flood of announcements costs no more memory than this many."""

RESOLVE_AT_ONCE = 8
"""Names that are looked up at once; each may hold a worker thread for RESOLVE_S."""

RESOLVE_S = 3.0
"""For the addresses behind a name; nearly always they came with it."""

LOOK_S = 5.0
"""Between two looks at our own addresses: a cable that was plugged in, an address that DHCP has changed."""

SAY_S = 2.0
"""How long an announcement may take, or the farewell: three packets each, 225 or 125 ms apart."""

LIFETIME_S = 120
"""How long others remember us without hearing from us: who died without a farewell is forgotten after this."""

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PeerSeen:
    """A peer is there, or its addresses have changed. Multiaddrs without `/p2p/…`; nothing of this is authenticated."""

    peer_id: PeerId
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeerGone:
    """It said goodbye, or was not heard of for LIFETIME_S."""

    peer_id: PeerId


News = PeerSeen | PeerGone


@asynccontextmanager
async def open_discovery(
    peer_id: PeerId, addresses: Callable[[], tuple[str, ...]], *, interfaces: Sequence[str] | None = None
) -> AsyncIterator[Discovery]:
    """Announces `peer_id` at what `addresses` returns (asked again and again) and listens, until the context ends.

    `interfaces`: addresses of those to use; None is all. Loopback is announced only where it is among them.
    """
    # Else zeroconf's warnings (a network that is unreachable) appear on standard error of whoever set up no logging.
    logging.getLogger("zeroconf").addHandler(logging.NullHandler())
    discovery = Discovery(peer_id, addresses, interfaces)
    async with nursery_of_one() as nursery:
        nursery.start_soon(discovery.run, nursery)
        yield discovery


class Discovery:
    """Ask `receive` for what happens, or iterate. News that nobody takes is kept once for each peer, the last only."""

    def __init__(
        self, peer_id: PeerId, addresses: Callable[[], tuple[str, ...]], interfaces: Sequence[str] | None
    ) -> None:
        self.problem: str | None = None
        """Why there is no discovery here."""
        self._peer_id = peer_id
        self._addresses = addresses
        self._interfaces = interfaces
        self._peers: dict[str, Announcement] = {}
        self._news: dict[PeerId, News] = {}
        self._arrived = trio.lowlevel.ParkingLot()
        self._versions: dict[str, int] = {}
        self._lookups = trio.CapacityLimiter(RESOLVE_AT_ONCE)
        self._calls = trio.CapacityLimiter(2)

    async def receive(self) -> News:
        """The next that happened."""
        await trio.lowlevel.checkpoint()
        while not self._news:
            await self._arrived.park()
        return self._news.pop(next(iter(self._news)))

    def __aiter__(self) -> AsyncIterator[News]:
        return self

    async def __anext__(self) -> News:
        return await self.receive()

    async def run(self, nursery: trio.Nursery) -> None:
        """Until cancelled; then says goodbye."""
        try:
            zeroconf = await _in_thread(partial(_start, self._interfaces), self._calls)
        except OSError as error:
            self.problem = f"multicast is not possible here: {error.strerror or error}"
            log.info("no discovery on the local network: %s", self.problem)
            return
        try:
            ear = _Ear(partial(self._heard, zeroconf, nursery))
            await _in_thread(partial(_browse, zeroconf, ear), self._calls)
            await self._announce(zeroconf)
        finally:
            with trio.CancelScope(deadline=trio.current_time() + SAY_S, shield=True):
                await _in_thread(zeroconf.close, self._calls)

    async def _announce(self, zeroconf: Zeroconf) -> None:
        """Says where we are, and again when that changes."""
        said: Announcement | None = None
        while True:
            current = announcement(self._peer_id, self._addresses(), has_loopback=self._has_loopback)
            if current != said:
                # Whole, also where we are to end: a packet of it that comes after the farewell would undo that.
                with trio.CancelScope(deadline=trio.current_time() + SAY_S, shield=True):
                    await _in_thread(partial(_say, zeroconf, said, current), self._calls)
                said = current
            await trio.sleep(LOOK_S)
            with suppress(OSError, RuntimeError):
                await _in_thread(zeroconf.update_interfaces, self._calls)

    @property
    def _has_loopback(self) -> bool:
        return any(ip.startswith("127.") or ip == "::1" for ip in self._interfaces or ())

    def _heard(self, zeroconf: Zeroconf, nursery: trio.Nursery, instance: str, is_there: bool) -> None:
        """In the event loop, from zeroconf's thread."""
        if instance.startswith(self._peer_id):
            return
        self._versions[instance] = version = self._versions.get(instance, 0) + 1
        if not is_there:
            self._forget(instance)
        elif instance in self._peers or len(self._versions) <= PEERS_MAX:
            nursery.start_soon(self._resolve, zeroconf, instance, version)
        else:
            del self._versions[instance]

    async def _resolve(self, zeroconf: Zeroconf, instance: str, version: int) -> None:
        look_up = partial(_look_up, zeroconf, instance)
        try:
            info = await _in_thread(look_up, self._lookups)
            if info is None or self._versions.get(instance) != version:
                # Gone or changed meanwhile: what was heard later is being looked up itself.
                return
            found = read_announcement(instance, info.properties, info.parsed_addresses(), info.port)
        except (DecodeError, OSError, RuntimeError) as error:
            log.debug("the announcement of %s was ignored: %s", instance, error)
            return
        if self._peers.get(instance) != found:
            self._peers[instance] = found
            self._tell(PeerSeen(found.peer_id, found.addresses))

    def _forget(self, instance: str) -> None:
        self._versions.pop(instance, None)
        known = self._peers.pop(instance, None)
        if known is not None:
            self._tell(PeerGone(known.peer_id))

    def _tell(self, news: News) -> None:
        # Put at the end, also where older news of the peer was not taken: order is by what happened last.
        self._news.pop(news.peer_id, None)
        self._news[news.peer_id] = news
        self._arrived.unpark_all()


async def _in_thread(call: Callable[[], T], limiter: trio.CapacityLimiter) -> T:
    """Off the event loop; given up, not waited for, on a cancellation."""
    return await trio.to_thread.run_sync(call, limiter=limiter, abandon_on_cancel=True)  # type: ignore[call-arg]


# --- in zeroconf's threads and in workers: nothing here touches what the event loop owns ---------------


class _Ear:
    """Hands what zeroconf's thread hears to the event loop, in the order it was heard."""

    def __init__(self, hear: Callable[[str, bool], None]) -> None:
        self._hear = hear
        self._token = trio.lowlevel.current_trio_token()

    def on_change(self, **heard: Any) -> None:
        """Called by zeroconf with `name` and `state_change` among other things."""
        # The loop may be gone while zeroconf still hears something.
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._hear, heard["name"], heard["state_change"].name != "Removed")


def _start(interfaces: Sequence[str] | None) -> Zeroconf:
    from zeroconf import InterfaceChoice, Zeroconf  # noqa: PLC0415 - 0.1 s, for who opens discovery

    return Zeroconf(interfaces=InterfaceChoice.All if interfaces is None else list(interfaces))


def _browse(zeroconf: Zeroconf, ear: _Ear) -> ServiceBrowser:
    from zeroconf import ServiceBrowser  # noqa: PLC0415

    return ServiceBrowser(zeroconf, SERVICE_TYPE, handlers=[ear.on_change])


def _look_up(zeroconf: Zeroconf, instance: str) -> ServiceInfo | None:
    return zeroconf.get_service_info(SERVICE_TYPE, instance, int(RESOLVE_S * 1000))


def _say(zeroconf: Zeroconf, said: Announcement | None, current: Announcement | None) -> None:
    """Changes what the network knows of us from `said` to `current`."""
    if said is None and current is not None:
        # No probing for the name, which takes most of a second: it is our peer id and cannot be another's.
        zeroconf.register_service(_info(current), cooperating_responders=True)
    elif current is not None:
        zeroconf.update_service(_info(current))
    else:
        zeroconf.unregister_all_services()


def _info(current: Announcement) -> ServiceInfo:
    from zeroconf import ServiceInfo  # noqa: PLC0415

    return ServiceInfo(
        SERVICE_TYPE,
        current.instance,
        port=current.port,
        properties=current.text,
        server=current.server,
        host_ttl=LIFETIME_S,
        other_ttl=LIFETIME_S,
        parsed_addresses=list(current.ips),
    )
