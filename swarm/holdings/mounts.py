"""What is mounted where, from `/proc/self/mountinfo`: is DEST a mount point, is `$SWARM_HOME` on a network.

`os.path.ismount` compares devices and so misses a bind mount of a directory of the same file system, which is what a
container's volume often is, and renames of which the kernel refuses all the same (EBUSY).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

MOUNTINFO_PATH = "/proc/self/mountinfo"

# SQLite's WAL wants memory that all processes share and locks that hold; over a network neither is sure.
NETWORK_TYPES = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "orangefs"),
        *("ocfs2", "gfs2", "davfs", "coda", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.goofys"),
        *("fuse.rclone", "fuse.mount-s3", "fuse.davfs2"),
    }
)


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table: `point` is an absolute path, `type` the kernel's name of the file system."""

    point: bytes
    type: str

    @property
    def is_network(self) -> bool:
        return self.type in NETWORK_TYPES


def mounts() -> list[Mount]:
    """All mounts in the order in which they were made; empty where the table cannot be read (not Linux)."""
    try:
        with open(MOUNTINFO_PATH, "rb") as file:
            return [_mount(line) for line in file if b" - " in line]
    except OSError:
        return []


def is_mount_point(path: bytes) -> bool:
    """Whether something is mounted exactly at `path` (absolute, links resolved)."""
    found = mounts()
    return any(mount.point == path for mount in found) if found else os.path.ismount(path)


def mount_of(path: bytes) -> Mount | None:
    """The mount that `path` (absolute, links resolved; need not exist) is on: of the longest, the last made."""
    best: Mount | None = None
    for mount in mounts():
        is_above = path == mount.point or path.startswith(mount.point.rstrip(b"/") + b"/")
        if is_above and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _mount(line: bytes) -> Mount:
    """`36 35 98:0 /root /point rw - ext4 /dev/sda rw`, with blanks in paths as `\\040`."""
    left, right = line.split(b" - ", 1)
    point = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8) & 255]), left.split(b" ")[4])
    return Mount(point, right.split(b" ")[0].decode("ascii", "replace"))
