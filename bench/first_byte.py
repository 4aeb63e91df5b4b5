"""A server that is far away: a forwarder that holds back each answer's first byte, and counts what is under way.

`python -m bench.first_byte HOST:PORT DELAY_MS [MBIT]` prints its own address and forwards HTTP/1.1 to the server until
its stdin ends. An answer begins DELAY_MS after its request at the earliest; what follows passes as it comes, and all
answers together at most at MBIT. The `Host` header passes as it came, so signatures hold. For each line on stdin it
prints one JSON object and counts anew: `requests`, `bytes`, and answers under way: `most`, and `mean` while any was.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

HEAD_BYTES_MAX = 256 * 1024
"""A head that is longer ends its connection; also how much of a body is handed on at once."""

BURST_S = 0.02
"""What a paced line may send ahead: the clock's own coarseness."""


class Count:
    """How many answers are under way, over time."""

    def __init__(self) -> None:
        self._now = 0
        self._clear()

    def _clear(self) -> None:
        self.requests = self.bytes = self.most = 0
        self._area = self._busy_s = 0.0
        self._since = time.monotonic()

    def change(self, by: int) -> None:
        """One more, or one less."""
        at = time.monotonic()
        self._area += self._now * (at - self._since)
        self._busy_s += (at - self._since) if self._now else 0.0
        self._now, self._since = self._now + by, at
        self.most, self.requests = max(self.most, self._now), self.requests + (by > 0)

    def take(self) -> dict[str, float]:
        """The figures until now; what is under way stays so."""
        mean = self._area / self._busy_s if self._busy_s else 0.0
        facts = {"requests": self.requests, "bytes": self.bytes, "most": self.most, "mean": round(mean, 2)}
        self._clear()
        return facts


class Pace:
    """One line that all answers share. `rate` in bytes a second, None: as wide as may be."""

    def __init__(self, rate: float | None) -> None:
        self._rate, self._free_at = rate, 0.0

    async def pass_on(self, count: int) -> None:
        """Waits until so many bytes have had their time on the line."""
        if self._rate is None:
            return
        self._free_at = max(self._free_at, time.monotonic() - BURST_S) + count / self._rate
        await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))


class Forwarder:
    """Of every connection."""

    def __init__(self, host: str, port: int, delay_s: float, rate: float | None) -> None:
        self.count = Count()
        self._server, self._delay_s, self._pace = (host, port), delay_s, Pace(rate)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request by request; whoever hangs up ends it."""
        with suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            back, forth = await asyncio.open_connection(*self._server, limit=HEAD_BYTES_MAX)
            try:
                while True:
                    await self._exchange(reader, writer, back, forth)
            finally:
                forth.close()
        writer.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamReader,
        forth: asyncio.StreamWriter,
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        due = time.monotonic() + self._delay_s
        self.count.change(1)
        try:
            forth.write(head + await reader.readexactly(_length(head)))
            answer = await back.readuntil(b"\r\n\r\n")
            await asyncio.sleep(due - time.monotonic())
            writer.write(answer)
            has_body = not head.startswith(b"HEAD") and answer[9:12] not in (b"204", b"304")
            await self._body(_length(answer) if has_body else 0, back, writer)
        finally:
            self.count.change(-1)

    async def _body(self, length: int, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while length:
            data = await back.read(min(length, HEAD_BYTES_MAX))
            if not data:
                raise EOFError
            await self._pace.pass_on(len(data))
            writer.write(data)
            self.count.bytes += len(data)
            length -= len(data)
            await writer.drain()


def _length(head: bytes) -> int:
    """0 where none is told: servers of objects tell it with every body."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


class Distant:
    """A running forwarder, for whoever started it."""

    def __init__(self, process: subprocess.Popen[str], endpoint: str) -> None:
        self._process = process
        self.endpoint = endpoint

    def take(self) -> dict[str, Any]:
        """What was counted since the last time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("take\n")
        self._process.stdin.flush()
        facts: dict[str, Any] = json.loads(self._process.stdout.readline())
        return facts


@contextmanager
def first_byte_after(delay_ms: float, endpoint: str, mbit: float | None = None) -> Iterator[Distant]:
    """The server at `http://HOST:PORT`, far away."""
    command = [sys.executable, "-m", "bench.first_byte", endpoint.removeprefix("http://"), str(delay_ms)]
    command += [str(mbit)] if mbit else []
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Distant(process, process.stdout.readline().strip())
        finally:
            process.stdin.close()


async def _run(host: str, port: int, delay_s: float, rate: float | None) -> None:
    forwarder = Forwarder(host, port, delay_s, rate)
    server = await asyncio.start_server(forwarder.serve, "127.0.0.1", 0, limit=HEAD_BYTES_MAX)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(forwarder.count.take()), flush=True)
    server.close()


def main() -> None:
    """Until stdin ends."""
    host, _, port = sys.argv[1].partition(":")
    rate = float(sys.argv[3]) * 1e6 / 8 if sys.argv[3:] else None
    asyncio.run(_run(host, int(port), float(sys.argv[2]) / 1000, rate))


if __name__ == "__main__":
    main()
