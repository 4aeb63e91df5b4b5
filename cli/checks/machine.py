"""This machine: Python, libraries, $SWARM_HOME, file systems, room, limits."""

from __future__ import annotations

import importlib
import os
import platform
import resource
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from cli.checks.check import Check, Checks, Status, fail, ok, warn
from cli.exit_codes import ExitCode
from cli.open_files import open_files_to_be_had
from swarm.config.configs import CommonConfig
from swarm.config.quantities import show_size

PYTHON_MIN = (3, 11)

LIBRARIES = {
    "trio": "trio",
    "libp2p": "libp2p",
    "cbor2": "cbor2",
    "blake3": "blake3",
    "zeroconf": "zeroconf",
    "boto3": "boto3",
    "rich": "rich",
    "cryptography": "cryptography",
    "pyfastcdc": "pyfastcdc",
    "h11": "h11",
    "ifaddr": "ifaddr",
}
"""Module -> distribution."""

FREE_MIN_BYTES = 1_000_000_000
FREE_MIN_SHARE = 0.05
FILES_MIN = 1024
"""60 neighbours with two connections each, a store's pool, the index, files being written."""

SERVED_FILES_MIN = 4096
"""A tracker has a socket for each agent; with fewer it serves a small fleet only."""


def check_python() -> Checks:
    """The interpreter's version and kind."""
    shown = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, {platform.system()}"
    if sys.version_info[:2] < PYTHON_MIN:
        return [fail("python", shown, "swarm needs Python 3.11 or newer", ExitCode.USAGE)]
    if not sys.platform.startswith("linux"):
        return [warn("python", shown, "tested on Linux only; updates may not be atomic here")]
    return [ok("python", shown)]


def check_libraries() -> Checks:
    """Each is imported: a wheel for another machine shows only then."""
    versions: list[str] = []
    broken: list[str] = []
    for module, distribution in LIBRARIES.items():
        try:
            importlib.import_module(module)
            versions.append(f"{distribution} {metadata.version(distribution)}")
        except Exception as error:  # a broken native library raises what it likes
            broken.append(f"{distribution} ({type(error).__name__}: {error})")
    if broken:
        hint = "install again: pip install --force-reinstall swarm-replicator"
        return [fail("libraries", "; ".join(broken), hint, ExitCode.INTERNAL)]
    return [ok("libraries", ", ".join(versions))]


def check_home(config: CommonConfig) -> Checks:
    """It can be written, is not on a network, has room."""
    found = [_writable("home", config.home, "set SWARM_HOME to a directory of yours")]
    found += _file_system("home", config.home, is_home=True)
    return [*found, *_room("home", config.home)]


def check_directory(directory: Path) -> Checks:
    """Where a fetch without DEST would write; with one this place does not matter."""
    found = _writable("here", directory, "give swarm fetch a DEST that can be written")
    if found.status is Status.FAIL:
        return [warn(found.name, found.text, found.hint)]
    return [found, *_file_system("here", directory, is_home=False), *_room("here", directory)]


def check_limits() -> Checks:
    """Open files: a service raises its own limit as far as the system lets it (`cli.open_files`), a fetch does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    served = open_files_to_be_had(hard)
    shown = f"{_count(soft)} at once, {_count(served)} in a service"
    if soft != resource.RLIM_INFINITY and soft < FILES_MIN:
        return [warn("open files", shown, f"ulimit -n {FILES_MIN} (the system allows {_count(hard)})")]
    if served < SERVED_FILES_MIN:
        return [warn("open files", shown, "raise the hard limit for who serves many (systemd: LimitNOFILE=)")]
    return [ok("open files", shown)]


def _count(limit: int) -> str:
    return "any number" if limit == resource.RLIM_INFINITY else str(limit)


def check_key(config: CommonConfig) -> Checks:
    """The publisher key, where there is one: only producers need it."""
    from swarm.config.key_file import load_publisher_key, publisher_path  # noqa: PLC0415

    if config.key is None and config.key_text is None and not publisher_path(config).exists():
        return [ok("publisher key", "none; only who publishes needs one (swarm key new)")]
    return [ok("publisher key", load_publisher_key(config).fingerprint)]


def _writable(name: str, directory: Path, hint: str) -> Check:
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return fail(name, f"{place} cannot be written: {error.strerror}", hint, ExitCode.NO_ROOM)
    return ok(name, f"{directory} can be written" + ("" if place == directory else " (will be made)"))


def _file_system(name: str, directory: Path, *, is_home: bool) -> Checks:
    from swarm.holdings.mounts import mount_of  # noqa: PLC0415

    mount = mount_of(os.fsencode(directory.resolve()))
    if mount is None:
        return [warn(f"{name} file system", "unknown", "this system does not say what is mounted where")]
    shown = f"{mount.type} at {os.fsdecode(mount.point)}"
    if is_home and mount.is_network:
        hint = "set SWARM_HOME to a local disk: the index needs locks that hold"
        return [fail(f"{name} file system", f"{shown} is on a network", hint, ExitCode.REFUSED)]
    if not is_home and mount.type == "overlay":
        hint = "fetch to a volume where an update must be one step"
        return [warn(f"{name} file system", f"{shown}: updates may be entry by entry", hint)]
    return [ok(f"{name} file system", shown)]


def _room(name: str, directory: Path) -> Checks:
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    usage = shutil.disk_usage(place)
    shown = f"{show_size(usage.free)} free of {show_size(usage.total)}"
    if usage.free < FREE_MIN_BYTES or usage.free < usage.total * FREE_MIN_SHARE:
        return [warn(f"{name} room", shown, "make room: a version needs its size, and an update what is new, too")]
    return [ok(f"{name} room", shown)]
