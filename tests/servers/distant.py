"""A web server that is far away, as a program: `python -m tests.servers.distant SECONDS BYTES`.

Every GET is answered with one block of so many bytes, after so long. Prints its endpoint, serves until its stdin ends.
"""

from __future__ import annotations

import sys
import threading

from swarm.store.blocks import encode_block
from tests.servers.proxy import Reply, Request, proxy_to
from tests.store.place import block


def main() -> None:
    delay_s, size = float(sys.argv[1]), int(sys.argv[2])
    reply = Reply(200, encode_block(block(0, size)[1]))

    def rule(request: Request) -> Reply:
        threading.Event().wait(delay_s)
        return reply

    with proxy_to("http://127.0.0.1:1") as web:
        web.rule = rule
        sys.stdout.write(f"{web.endpoint}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
