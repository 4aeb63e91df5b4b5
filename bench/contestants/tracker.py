"""A BitTorrent tracker (BEP 3, 23): one swarm, in memory; a peer's address is where its announce came from.

`python -m bench.contestants.tracker IP` prints its announce URL.
"""

from __future__ import annotations

import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from bench.contestants.torrent import encode

INTERVAL_S = 5
"""Short, so that nobody waits for neighbours: with the usual 30 minutes the first would not hear of the others."""


class Handler(BaseHTTPRequestHandler):
    """Everybody is told of everybody else."""

    peers: dict[tuple[str, int], bool] = {}  # noqa: RUF012  (one tracker a process)

    def do_GET(self) -> None:
        """An announce."""
        query = parse_qs(urlsplit(self.path).query, encoding="latin-1")
        me = (self.client_address[0], int(query["port"][0]))
        is_gone = query.get("event") == ["stopped"]
        self.peers.pop(me, None) if is_gone else self.peers.__setitem__(me, True)
        others = b"".join(socket.inet_aton(ip) + struct.pack(">H", port) for ip, port in self.peers if (ip, port) != me)
        body = encode({"interval": INTERVAL_S, "min interval": INTERVAL_S, "peers": others})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Nothing."""


def main() -> None:
    """Until it is ended."""
    with ThreadingHTTPServer((sys.argv[1], 0), Handler) as server:
        print(f"http://{sys.argv[1]}:{server.server_address[1]}/announce", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
