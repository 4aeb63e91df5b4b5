"""Finding a tracker: from `http(s)://host:port`, or a full multiaddr, to addresses and a peer id.

Remembering which id a URL had is the caller's.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import h11
import trio

from swarm.errors import DecodeError, RefusedError, UnreachableError, UsageError
from swarm.protocol.ids import PeerId, Realm
from swarm.tracker.agents.uses import VersionUse
from swarm.tracker.http.wellknown import (
    BYTES_MAX,
    PATH,
    VERSIONS_PATH,
    WellKnown,
    parse_full_address,
    parse_uses,
    parse_well_known,
)

FIND_S = 5.0
"""From the look-up of the host's name to the last byte of the document."""

READ_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class FoundTracker:
    """`addresses` are multiaddrs without `/p2p/…`. `realm` and `trackers` (others) are known only from a URL."""

    addresses: tuple[str, ...]
    peer_id: PeerId
    realm: Realm | None = None
    trackers: tuple[str, ...] = ()


async def find_tracker(url: str) -> FoundTracker:
    """Asks `url`'s `/.well-known/swarm`; a multiaddr with `/p2p/` is taken as it is.

    Raises UsageError (no such form), UnreachableError (nobody answers), RefusedError (not a tracker, or too new).
    """
    if url.startswith("/"):
        try:
            address, peer_id = parse_full_address(url)
        except DecodeError as error:
            raise UsageError(error.message, hint=error.hint) from error
        return FoundTracker((address,), peer_id)
    body, host = await _ask(url, PATH)
    known = parse_well_known(body)
    return FoundTracker(_with_own(known, host), known.peer_id, known.realm, known.trackers)


async def read_uses(url: str) -> tuple[VersionUse, ...]:
    """Who takes part in which version now, by `url`'s `/versions`. Raises UsageError (a multiaddr has no HTTP),
    UnreachableError, RefusedError (not shown, or not known there), DecodeError."""
    if url.startswith("/"):
        raise UsageError(f"{url} has no page of versions", hint="name the tracker by its http:// URL")
    body, _ = await _ask(url, VERSIONS_PATH)
    return parse_uses(body)


async def _ask(url: str, path: str) -> tuple[bytes, str]:
    """A document, and the IP address that it came from."""
    parts = _split(url)
    try:
        with trio.fail_after(FIND_S):
            return await _get(parts, path)
    except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
        reason = "no answer in time" if isinstance(error, trio.TooSlowError) else str(error) or "connection lost"
        raise UnreachableError(
            f"no tracker answers at {url}: {reason}", hint="is `swarm tracker` running there?"
        ) from error
    except h11.RemoteProtocolError as error:
        raise RefusedError(f"what answers at {url} speaks no HTTP: {error}") from error


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise UsageError(
            f"'{url[:200]}' is not a tracker's address", hint="it is http://HOST:PORT or a multiaddr with /p2p/"
        )
    return parts


def _with_own(known: WellKnown, host: str) -> tuple[str, ...]:
    """The announced addresses, and last the one that has just answered, at their port.

    A tracker behind a forwarded port or in a container announces addresses that lead nowhere from here.
    """
    kind = f"ip{ip_address(host).version}"
    port = known.addresses[0].rpartition("/")[2]
    return tuple(dict.fromkeys((*known.addresses, f"/{kind}/{host}/tcp/{port}")))


async def _get(parts: SplitResult, path: str) -> tuple[bytes, str]:
    """The document, and the IP address that it came from."""
    assert parts.hostname is not None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    stream = await trio.open_tcp_stream(parts.hostname, port)
    host = str(stream.socket.getpeername()[0]).partition("%")[0]
    async with _secured(stream, parts) as secured:
        return await _Exchange(secured).get(f"{parts.path.rstrip('/')}{path}", parts.netloc.rpartition("@")[2]), host


def _secured(stream: trio.SocketStream, parts: SplitResult) -> trio.abc.Stream:
    if parts.scheme == "http":
        return stream
    context = ssl.create_default_context()
    return trio.SSLStream(stream, context, server_hostname=parts.hostname, https_compatible=True)


class _Exchange:
    """One request and its answer."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT)

    async def get(self, path: str, host: str) -> bytes:
        headers = [("host", host), ("accept", "application/json"), ("connection", "close")]
        request = self._http.send(h11.Request(method="GET", target=path, headers=headers)) or b""
        await self._stream.send_all(request + (self._http.send(h11.EndOfMessage()) or b""))
        response = await self._next_event()
        while isinstance(response, h11.InformationalResponse):
            response = await self._next_event()
        if not isinstance(response, h11.Response) or response.status_code != 200:
            status = response.status_code if isinstance(response, h11.Response) else "nothing"
            if status == HTTPStatus.FORBIDDEN:
                raise RefusedError(f"http://{host} has a secret and does not show {path}")
            raise RefusedError(f"what answers at http://{host} is not a tracker: {path} gives {status}")
        return await self._body()

    async def _body(self) -> bytes:
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > BYTES_MAX:
                raise RefusedError("what answers there is not a tracker: its document has no end")
        return bytes(body)

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._stream.receive_some(READ_BYTES))
        return event
