from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.first_byte import first_byte_after

DELAY_MS = 50
BODY = bytes(100_000)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def get(endpoint: str, count: int = 1) -> list[bytes]:
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"))
    bodies = []
    for _ in range(count):
        connection.request("GET", "/")
        bodies.append(connection.getresponse().read())
    connection.close()
    return bodies


def test_answers_are_held_back_pass_whole_and_are_counted(endpoint: str) -> None:
    with first_byte_after(DELAY_MS, endpoint) as distant:
        began_at = time.monotonic()
        assert get(distant.endpoint, 2) == [BODY, BODY]
        assert time.monotonic() - began_at >= 2 * DELAY_MS / 1000
        facts = distant.take()
        assert (facts["requests"], facts["bytes"], facts["most"]) == (2, 2 * len(BODY), 1)
        threads = [threading.Thread(target=get, args=(distant.endpoint,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert distant.take()["requests"] == 3
