"""A torrent of one file (BEP 3), made here so that both BitTorrent programs get the same one."""

from __future__ import annotations

import hashlib
from pathlib import Path

PIECE_BYTES = 256 * 1024
"""Four times smaller pieces than swarm's blocks here: both programs pass on a piece only when it is whole."""


def encode(value: object) -> bytes:
    """Bencoding."""
    match value:
        case int():
            return b"i%de" % value
        case str():
            return encode(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case list():
            return b"l" + b"".join(map(encode, value)) + b"e"
        case dict():
            return b"d" + b"".join(encode(key) + encode(value[key]) for key in sorted(value)) + b"e"
        case _:
            raise TypeError(f"{type(value).__name__} cannot be bencoded")


def write_torrent(data: Path, announce: str, target: Path) -> None:
    """Of `data`, with one tracker."""
    with data.open("rb") as file:
        pieces = b"".join(hashlib.sha1(piece).digest() for piece in iter(lambda: file.read(PIECE_BYTES), b""))
    info = {"length": data.stat().st_size, "name": data.name, "piece length": PIECE_BYTES, "pieces": pieces}
    target.write_bytes(encode({"announce": announce, "info": info}))
