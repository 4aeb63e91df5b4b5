"""What a word means among what is held: a directory first, then names, tags, ranges and digests."""

from __future__ import annotations

import pytest

from swarm.agent.held_names import held_as, tag_of
from swarm.errors import NotFoundError, UsageError
from swarm.holdings import HoldingKind, HoldingRecord
from swarm.protocol.ids import VersionId


def holding(number: int, label: str) -> HoldingRecord:
    version = VersionId(bytes([number]) * 32)
    return HoldingRecord(number, HoldingKind.FETCHED, version, b"/d/%d" % number, label, number, False, False, None)


HELD = [
    holding(1, "lib:1.2.0"),
    holding(2, "lib:1.10.0"),
    holding(3, "lib:2.0.0"),
    holding(4, "lib:stable"),
    holding(5, "@a/lib:1.2.0"),
    holding(6, f"lib@{'06' * 32}"),
    holding(7, "lib:1.10.0"),
    holding(8, "lib:3.0.0-rc.1"),
]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("lib:1.2.0", [1]),
        ("lib:^1.2", [2, 7]),
        ("lib:1.x", [2, 7]),
        ("lib:~1.2", [1]),
        ("lib:2.x", [3]),
        ("lib:stable", [4]),
        ("lib", [1, 2, 3, 4, 6, 7, 8]),
        ("@a/lib", [5]),
        ("@a/lib:^1", [5]),
        ("lib@" + "02" * 32, [2]),
        ("lib@" + "05" * 4, [5]),
    ],
)
def test_a_name_means_holdings_as_they_were_fetched(word: str, expected: list[int]) -> None:
    assert [record.id for record in held_as(word, b"/elsewhere", HELD)] == expected


def test_a_directory_comes_first() -> None:
    odd = holding(9, "other:1.0.0")
    assert held_as("lib", odd.directory, [*HELD, odd]) == [odd]


@pytest.mark.parametrize("word", ["lib:^4.1", "lib:3.x", "lib:latest", "other", "./lib", "/srv/lib", "~/lib"])
def test_what_is_not_held_is_said(word: str) -> None:
    with pytest.raises(NotFoundError, match="not held here"):
        held_as(word, b"/elsewhere", HELD)


@pytest.mark.parametrize("word", ["lib:^1.2.3.4", "Lib", "a b"])
def test_what_is_no_name_is_a_usage_error(word: str) -> None:
    with pytest.raises(UsageError):
        held_as(word, b"/elsewhere", HELD)


def test_the_tag_of_a_holding_is_what_it_was_fetched_as() -> None:
    assert [tag_of(record) for record in HELD[3:6]] == ["stable", "1.2.0", None]
