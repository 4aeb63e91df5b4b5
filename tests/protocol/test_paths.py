from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UnsafeManifestError
from swarm.protocol.paths import check_path, check_paths, check_target

GOOD = [
    b"a",
    b"a/b",
    b"...",
    b"..a",
    b"a..",
    b".hidden",
    b"a/.../b",
    b" ",
    b"\n",
    b"\xff\xfe",
    b"'\"",
    b"x" * 255,
    b"a/.swarm",
    b".swarm2",
    b"x.swarm",
]
BAD = [
    b".swarm",
    b".swarm/x",
    b"",
    b"/",
    b"/a",
    b"a/",
    b"a//b",
    b".",
    b"..",
    b"./a",
    b"a/.",
    b"a/./b",
    b"a/..",
    b"../a",
    b"a/../b",
    b"x" * 256,
]


@pytest.mark.parametrize("path", GOOD)
def test_plain_paths_are_taken(path: bytes) -> None:
    check_path(path)


@pytest.mark.parametrize("path", [*BAD, b"a\0b", b"\0", b"a/" + b"x" * 256, b"x/" * 2047 + b"xx"])
def test_other_paths_are_refused(path: bytes) -> None:
    with pytest.raises(UnsafeManifestError):
        check_path(path)
    with pytest.raises(UnsafeManifestError):
        check_paths([*GOOD, path])
    with pytest.raises(UnsafeManifestError):
        check_paths([path, *GOOD])


def test_the_longest_path_is_taken() -> None:
    check_path(b"x/" * 2047 + b"x")
    check_paths([])
    check_paths(GOOD)


parts = st.sampled_from([b"", b".", b"..", b"a", b"bb", b"...", b"\0", b"c" * 256])


@given(st.lists(st.lists(parts, max_size=4).map(b"/".join), max_size=5))
def test_many_at_once_are_judged_as_each_alone(paths: list[bytes]) -> None:
    def is_safe(path: bytes) -> bool:
        pieces = path.split(b"/")
        return all(piece not in (b"", b".", b"..") and b"\0" not in piece and len(piece) < 256 for piece in pieces)

    if all(is_safe(path) for path in paths):
        check_paths(paths)
    else:
        with pytest.raises(UnsafeManifestError):
            check_paths(paths)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"l", b"a"),
        (b"l", b"a/b"),
        (b"a/l", b"../b"),
        (b"a/l", b".."),
        (b"a/b/l", b"../.."),
        (b"a/b/l", b"../../c"),
        (b"l", b"..a"),
    ],
)
def test_targets_inside_are_taken(path: bytes, target: bytes) -> None:
    check_target(path, target)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"l", b""),
        (b"l", b"."),
        (b"l", b".."),
        (b"l", b"../a"),
        (b"a/l", b"../../b"),
        (b"a/l", b"../"),
        (b"a/l", b"../."),
        (b"a/l", b"b/../../../c"),
        (b"a/l", b"b/.."),
        (b"a/l", b"./b"),
        (b"l", b"/etc/passwd"),
        (b"a/l", b"..//b"),
        (b"l", b"a\0b"),
        (b"l", b"a/"),
        (b"l", b"x" * 256),
        (b"l", b"x/" * 2048 + b"x"),
    ],
)
def test_targets_that_lead_outside_are_refused(path: bytes, target: bytes) -> None:
    with pytest.raises(UnsafeManifestError):
        check_target(path, target)


@given(st.lists(st.sampled_from([b"..", b"a", b"..."]), min_size=1, max_size=6), st.integers(0, 3))
def test_no_target_that_is_taken_leaves_the_top(steps: list[bytes], depth: int) -> None:
    path = b"d/" * depth + b"link"
    target = b"/".join(steps)
    try:
        check_target(path, target)
    except UnsafeManifestError:
        return
    resolved = posixpath.normpath(posixpath.join(b"top", posixpath.dirname(path), target))
    assert resolved == b"top" or resolved.startswith(b"top/")
