"""A TLS front for a plain server, with a certificate of a private CA; and a forward proxy, as companies have them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import trustme


@contextmanager
def tls_front(target: str, ca_file: Path) -> Iterator[str]:
    """`https://localhost:PORT` in front of `target`; the CA's certificate is written to `ca_file`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)

    def serve(client: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(client, server_side=True) as secure:
            _join(secure, _connect(urlsplit(target).netloc))

    with _listening(serve) as port:
        yield f"https://localhost:{port}"


class ForwardProxy:
    """`CONNECT host:port`, and `GET http://…`; remembers the first lines and the authorizations."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.authorizations: list[str] = []
        self.port = 0

    def serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                return
            head += data
        line, *headers = head.split(b"\r\n\r\n")[0].decode().split("\r\n")
        self.lines.append(line)
        self.authorizations += [h.split(": ", 1)[1] for h in headers if h.lower().startswith("proxy-authorization:")]
        method, target, _ = line.split(" ")
        if method == "CONNECT":
            server = _connect(target)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            server = _connect(urlsplit(target).netloc)
            origin = urlsplit(target)._replace(scheme="", netloc="").geturl()
            server.sendall(head.replace(target.encode(), origin.encode(), 1))
        _join(client, server)


@contextmanager
def forward_proxy() -> Iterator[ForwardProxy]:
    proxy = ForwardProxy()
    with _listening(proxy.serve) as port:
        proxy.port = port
        yield proxy


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    server = socket.create_server(("127.0.0.1", 0))
    open_sockets: list[socket.socket] = []

    def handle(client: socket.socket) -> None:
        with suppress(OSError):
            serve(client)
        client.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                open_sockets.append(client)
                threading.Thread(target=handle, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for one in open_sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _connect(netloc: str) -> socket.socket:
    host, _, port = netloc.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def _join(left: socket.socket, right: socket.socket) -> None:
    """Copies both ways until either ends."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=copy, args=(right, left), daemon=True)
    back.start()
    copy(left, right)
    back.join()
    right.close()
