"""Directory stores, spoiled by hand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def blocks_of(store: Path) -> list[Path]:
    """The files of all blocks, the largest first: the data before the pages."""
    found = [path for path in (store / "blocks").rglob("*") if path.is_file()]
    return sorted(found, key=lambda path: (-path.stat().st_size, path.name))


def spoil(block: Path) -> str:
    """Flips one byte in the middle, leaves length and times as they are; returns the block's name."""
    status, data = block.stat(), bytearray(block.read_bytes())
    data[len(data) // 2] ^= 0xFF
    block.chmod(0o644)
    block.write_bytes(data)
    os.utime(block, ns=(status.st_atime_ns, status.st_mtime_ns))
    return block.name


def remove(block: Path) -> str:
    block.unlink()
    return block.name


def copy_store(store: str | Path, to: Path) -> Path:
    return Path(shutil.copytree(store, to))
