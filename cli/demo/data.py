"""The demonstration's data: a copy of a real tree, and a changed copy of that."""

from __future__ import annotations

import os
import shutil
import sysconfig
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from swarm.dataset.links import refusal, tidy_target
from swarm.errors import NoSpaceError, NotFoundError

INSERTED = b"# one line that was not here before\n"

LEFT_OUT = ("site-packages", "dist-packages", "__pycache__")
"""Of the library's tree: what others installed into it, and what Python may write while we look."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the second version does to the first, for people to read."""

    sentences: tuple[str, ...]


def default_tree() -> Path:
    """Python's own library: some ten thousand files that every machine with swarm has."""
    return Path(sysconfig.get_path("stdlib"))


def copy_tree(source: Path, target: Path) -> int:
    """Copies files, directories, and the links that stay inside; returns bytes. Raises NotFoundError, NoSpaceError."""
    if not source.is_dir():
        raise NotFoundError(f"{source} is not a directory", hint="name one with --path")
    _check_room(source, target.parent)
    shutil.copytree(source, target, symlinks=True, ignore=partial(_left_out, source))
    return tree_bytes(target)


def change_tree(first: Path, second: Path) -> Change:
    """Copies `first` to `second` and changes a few files: one grows in its middle, one is new, one goes, one moves."""
    shutil.copytree(first, second, symlinks=True)
    files = sorted((path for path in second.rglob("*") if path.is_file() and not path.is_symlink()), key=_by_size)
    said: list[str] = []
    if files:
        said.append(_insert(files[-1], second))
    if len(files) > 3:
        files[0].unlink()
        said.append(f"removed {files[0].relative_to(second)}")
        moved = files[-2].with_name(f"renamed-{files[-2].name}")
        files[-2].rename(moved)
        said.append(f"renamed {files[-2].relative_to(second)}")
    (second / "NEW.txt").write_bytes(INSERTED * 100)
    said.append("added NEW.txt")
    return Change(tuple(said))


def tree_bytes(tree: Path) -> int:
    """Bytes of all files, links not followed."""
    return sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())


def _insert(path: Path, tree: Path) -> str:
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + INSERTED + data[middle:])
    return f"inserted a line into the middle of {path.relative_to(tree)}"


def _check_room(source: Path, where: Path) -> None:
    # Both versions, the store with both, and the agents' copies.
    needed = 8 * sum(path.stat().st_size for path in source.rglob("*") if path.is_file() and not path.is_symlink())
    free = shutil.disk_usage(where).free
    if needed > free:
        raise NoSpaceError(
            f"the demonstration needs about {needed:,} bytes below {where}, and {free:,} are free",
            hint="set TMPDIR to a larger place, or name a smaller tree with --path",
        )


def _left_out(source: Path, directory: str, names: list[str]) -> list[str]:
    return [name for name in names if name in LEFT_OUT or not _can_be_shown(Path(directory, name), source)]


def _can_be_shown(path: Path, source: Path) -> bool:
    # Sockets and the like cannot be copied; unreadable files are not ours to show; and Debian's library has links to
    # /etc, which a dataset cannot hold.
    if path.is_symlink():
        target = tidy_target(os.fsencode(path.readlink()))
        return refusal(os.fsencode(path.relative_to(source)), target) is None
    return (path.is_dir() or path.is_file()) and os.access(path, os.R_OK)


def _by_size(path: Path) -> tuple[int, str]:
    return path.stat().st_size, str(path)
