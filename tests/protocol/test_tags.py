from __future__ import annotations

from itertools import pairwise

import pytest

from swarm.protocol.tags import Release, Scheme, is_immutable, moves_latest, newest_release, parse_release


@pytest.mark.parametrize(
    ("tag", "release"),
    [
        ("1.2.3", Release(Scheme.NUMBER, (1, 2, 3), None)),
        ("0.0.0", Release(Scheme.NUMBER, (0, 0, 0), None)),
        ("1.2.3-rc.1", Release(Scheme.NUMBER, (1, 2, 3), "rc.1")),
        ("1899.1.1", Release(Scheme.NUMBER, (1899, 1, 1), None)),
        ("2024.01.31", Release(Scheme.DATE, (2024, 1, 31), None)),
        ("2024.1.31", Release(Scheme.DATE, (2024, 1, 31), None)),
        ("1900.12.01-pre", Release(Scheme.DATE, (1900, 12, 1), "pre")),
    ],
)
def test_releases_are_read_and_immutable(tag: str, release: Release) -> None:
    assert parse_release(tag) == release
    assert is_immutable(tag)


@pytest.mark.parametrize(
    "tag",
    ["latest", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.02.3", "1.2.3-", "2024.13.01", "2024.00.10", "19000.1.1"],
)
def test_shorter_and_other_tags_move(tag: str) -> None:
    assert parse_release(tag) is None
    assert not is_immutable(tag)


def test_releases_are_ordered_as_semver_orders_them() -> None:
    tags = [
        "1.0.0-1",
        "1.0.0-2",
        "1.0.0-10",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-beta",
        "1.0.0",
        "1.0.1",
        "1.10.0",
        "2.0.0-a",
    ]
    releases = [parse_release(tag) for tag in tags]
    assert all(a and b and a.order < b.order for a, b in pairwise(releases))


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        (None, "1.2.3", True),
        ("1.2.2", "1.2.3", True),
        ("1.2.3", "1.2.3", False),
        ("1.3.0", "1.2.9", False),
        ("1.2.3-rc1", "1.2.3", True),
        (None, "1.2.3-rc1", False),
        ("1.2.2", "1.2.3-rc1", False),
        ("2024.01.31", "1.2.3", False),
        ("1.2.3", "2024.01.31", False),
        ("2024.01.31", "2024.02.01", True),
        (None, "nightly", False),
        ("nightly", "1.2.3", False),
    ],
)
def test_latest_moves_to_a_higher_release_of_its_scheme(old: str | None, new: str, moves: bool) -> None:
    assert moves_latest(old, new) == moves


def test_latest_stays_where_it_points_at_something_else() -> None:
    assert not moves_latest(None, "1.2.3", latest_is_set=True)


def test_the_newest_release_is_no_pre_release_if_there_is_another() -> None:
    assert newest_release(["1.0.0", "0.9.0", "2.0.0-rc1", "latest"]) == "1.0.0"
    assert newest_release(["2.0.0-rc1", "2.0.0-rc2"]) == "2.0.0-rc2"
    assert newest_release(["1.0.0", "2024.01.01"]) == "2024.01.01"
    assert newest_release(["latest", "dev"]) is None
