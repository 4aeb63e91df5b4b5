"""The real transport: listens, dials, and hands out connections whose hello was valid.

Every connection is a task under the host's nursery and ends with it. What a stranger or a connection does wrong ends
that connection; nothing that happens on one reaches the host or another.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from swarm.errors import TransportError
from swarm.protocol.ids import PeerId
from swarm.protocol.keys import SigningKey
from swarm.protocol.messages import Direction
from swarm.transport.admission import Admission
from swarm.transport.dialing import connect_first
from swarm.transport.hello import HELLO_TIMEOUT_S, Identity
from swarm.transport.libp2p_connection import Libp2pConnection
from swarm.transport.listeners import Listen, addresses_of, bind_all
from swarm.transport.nursery_of_one import nursery_of_one
from swarm.transport.tcp_stream import TcpStream
from swarm.transport.transport import Connection, HelloMaker, Transport

if TYPE_CHECKING:
    from swarm.transport.libp2p_session import Session, Upgrader

CONNECTIONS_MAX = 4096
"""Living connections of one process: a tracker's fleet, two each. About 67 KB a piece, and one file descriptor."""

ACCEPT_BACKLOG = 64
"""Opened connections that wait for `accept`."""

LOOK_S = 0.5
"""Between two looks of the watchdog."""

RETRY_ACCEPT_S = 0.1
"""After `accept` failed (out of file descriptors, mostly): something must close first."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """`listen` is (address, port) pairs; port 0 is a free one, the same for all. Nothing to listen on: dials only."""

    key: SigningKey
    hello: HelloMaker
    listen: Listen = ()
    secret: bytes | None = None
    connections_max: int = CONNECTIONS_MAX


@asynccontextmanager
async def open_transport(config: TransportConfig) -> AsyncIterator[Transport]:
    """A transport that lives as long as the context. Raises UsageError or PermissionError_ where it cannot listen."""
    listeners = bind_all(config.listen)
    try:
        # 0.1 s, which nobody pays who opens no transport.
        from swarm.transport.libp2p_session import Upgrader  # noqa: PLC0415

        async with nursery_of_one() as nursery:
            host = Libp2pHost(config, Upgrader(config.key), listeners, nursery)
            host.start()
            try:
                yield host
            finally:
                host.end()
    finally:
        for listener in listeners:
            listener.socket.close()


class Libp2pHost:
    """Implements `Transport`."""

    def __init__(
        self, config: TransportConfig, upgrader: Upgrader, listeners: list[trio.SocketListener], nursery: trio.Nursery
    ) -> None:
        self._config = config
        self._upgrader = upgrader
        self._listeners = listeners
        self._nursery = nursery
        self._identity = Identity(config.key.peer_id, config.hello, config.secret)
        self._admission = Admission()
        self._connections: set[Libp2pConnection] = set()
        self._opened, self._accepted = trio.open_memory_channel[Connection](ACCEPT_BACKLOG)

    @property
    def peer_id(self) -> PeerId:
        return self._identity.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        return addresses_of(self._listeners)

    @property
    def connection_count(self) -> int:
        """Living connections, those in their opening included."""
        return len(self._connections)

    def start(self) -> None:
        for listener in self._listeners:
            self._nursery.start_soon(self._listen, listener)
        self._nursery.start_soon(self._watch)

    async def dial(
        self,
        addresses: tuple[str, ...],
        direction: Direction,
        *,
        peer_id: PeerId | None,
        dial_nonce: bytes | None = None,
    ) -> Connection:
        session = await connect_first(addresses, peer_id, self._upgrader.outbound)
        connection = await self._begin(session, is_dialer=True)
        try:
            await connection.greet_as_dialer(self._identity, direction, dial_nonce)
        except BaseException:
            connection.end("the opening failed")
            raise
        return connection

    async def accept(self) -> Connection:
        return await self._accepted.receive()

    def end(self) -> None:
        """Ends every connection; who wants them to part in order closes them one by one before."""
        for connection in tuple(self._connections):
            connection.end("the program is ending")

    async def _listen(self, listener: trio.SocketListener) -> None:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                log.warning("cannot accept a connection: %s", error)
                await trio.sleep(RETRY_ACCEPT_S)
                continue
            if self._admission.is_full or len(self._connections) >= self._config.connections_max:
                stream.socket.close()
            else:
                self._nursery.start_soon(self._welcome, TcpStream(stream, is_initiator=False))

    async def _welcome(self, tcp: TcpStream) -> None:
        """An accepted connection until it is its user's, or closed."""
        is_handed_over = False
        try:
            host = (tcp.get_remote_address() or ("", 0))[0]
            async with self._admission.turn(host):
                connection = await self._open_inbound(tcp)
            await self._opened.send(connection)
            is_handed_over = True
        except TransportError as error:
            log.info("a connection was refused: %s", error)
        except Exception:  # a defect on the way of one stranger must not end the host
            log.exception("a connection could not be opened")
        finally:
            if not is_handed_over:
                tcp.abort()

    async def _open_inbound(self, tcp: TcpStream) -> Libp2pConnection:
        with trio.move_on_after(HELLO_TIMEOUT_S):
            connection = await self._begin(await self._upgrader.inbound(tcp), is_dialer=False)
            try:
                await connection.greet_as_acceptor(self._identity)
            except TransportError as error:
                await connection.linger()
                connection.end(error.message)
                raise
            except BaseException:
                connection.end("the opening failed")
                raise
            return connection
        raise TransportError(f"no valid hello came within {HELLO_TIMEOUT_S:.0f} s")

    async def _begin(self, session: Session, *, is_dialer: bool) -> Libp2pConnection:
        connection = Libp2pConnection(session, is_dialer=is_dialer, on_end=self._connections.discard)
        self._connections.add(connection)
        self._nursery.start_soon(connection.run)
        await connection.is_running.wait()
        return connection

    async def _watch(self) -> None:
        while True:
            await trio.sleep(LOOK_S)
            now = trio.current_time()
            for connection in tuple(self._connections):
                connection.look(now)
