"""Connections for `_http_reader`: TLS with private CAs, and the proxies that the environment names."""

from __future__ import annotations

import os
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from swarm.errors import UsageError
from swarm.store.options import StoreOptions


class PlainProxyConnection(HTTPConnection):
    """A connection to a proxy that is asked for whole http:// URLs; `proxy_headers` go with each request."""

    proxy_headers: dict[str, str]


class Connector:
    """Opens connections; blocking, and safe from several threads."""

    def __init__(self, options: StoreOptions, ca_bundle: Callable[[], str | None] | None) -> None:
        self._options = options
        self._ca_bundle = ca_bundle or (lambda: options.ca_bundle or os.environ.get("AWS_CA_BUNDLE") or None)
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def connect(self, split: SplitResult) -> HTTPConnection:
        """A connection for requests to the host of `split`. Raises OSError, HTTPException."""
        connection = self._unconnected(split, _proxy_of(split))
        connection.connect()
        connection.sock.settimeout(self._options.read_timeout_s)
        return connection

    def _unconnected(self, split: SplitResult, proxy: SplitResult | None) -> HTTPConnection:
        host, port = split.hostname or "", split.port
        first_host, first_port = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
        timeout = self._options.connect_timeout_s
        if split.scheme == "https":
            connection = HTTPSConnection(first_host, first_port, timeout=timeout, context=self._tls())
            if proxy:
                connection.set_tunnel(host, port or 443, headers=_authorization(proxy))
            return connection
        if proxy:
            plain = PlainProxyConnection(first_host, first_port, timeout=timeout)
            plain.proxy_headers = _authorization(proxy)
            return plain
        return HTTPConnection(first_host, first_port, timeout=timeout)

    def _tls(self) -> ssl.SSLContext:
        # Made once: reading the system's certificates takes 10 to 30 ms.
        with self._lock:
            if self._context is None:
                bundle = self._ca_bundle()
                try:
                    self._context = ssl.create_default_context(cafile=bundle)
                except (OSError, ssl.SSLError) as error:
                    raise UsageError(f"cannot read the CA bundle {bundle}: {error}") from error
            return self._context


def target_of(connection: HTTPConnection, split: SplitResult) -> str:
    """What the request line names: a path, or for a proxy the whole URL."""
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    return f"http://{split.netloc}{path}" if isinstance(connection, PlainProxyConnection) else path


def _proxy_of(split: SplitResult) -> SplitResult | None:
    """`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` in either case, as everywhere."""
    named = getproxies().get(split.scheme)
    if not named or proxy_bypass(split.netloc):
        return None
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise UsageError(f"cannot use the proxy of {split.scheme.upper()}_PROXY", hint="http://host:port is what works")
    return proxy


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode()}
