"""What a range means: npm's rules for numbers, the same read on calendar releases."""

from __future__ import annotations

import nodesemver
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.protocol.names import is_query
from swarm.protocol.ranges import check_query, is_in, ranked
from swarm.protocol.tags import parse_release

TAGS = (
    "0.1.5", "0.2.0", "1.0.0-rc1", "1.0.0", "1.3.9", "1.4.0-a", "1.4.0", "1.4.2", "1.5.0", "1.10.0", "2.1.0-rc.1",
    "2.1.0-rc.2", "2.1.0", "2.1.5", "2.2.0-rc.1", "2.2.0", "3.0.0-a", "2025.12.31", "2026.01.05", "2026.11.02",
    "2026.11.20", "stable", "latest", "1.0.0-a_b", "1.4", "2026.11",
)  # fmt: skip


@pytest.mark.parametrize(
    ("query", "means"),
    [
        ("1.x", "1.10.0 1.5.0 1.4.2 1.4.0 1.3.9 1.0.0"),
        ("1.4.x", "1.4.2 1.4.0"),
        ("^2.1", "2.2.0 2.1.5 2.1.0"),
        ("~1.4", "1.4.2 1.4.0"),
        ("~1.4.1", "1.4.2"),
        ("^1", "1.10.0 1.5.0 1.4.2 1.4.0 1.3.9 1.0.0"),
        ("^0.1", "0.1.5"),  # where the first part is 0 the second says what fits together
        ("^4.0", ""),
        ("^2.1.0-rc.1", "2.2.0 2.1.5 2.1.0 2.1.0-rc.2 2.1.0-rc.1"),  # of other triples no pre-release
        ("~1.4.0-a", "1.4.2 1.4.0 1.4.0-a"),
        ("^3.0", ""),  # only a pre-release is there
        ("2026.x", "2026.11.20 2026.11.02 2026.01.05"),
        ("2026.11.x", "2026.11.20 2026.11.02"),
        ("2026.01.x", "2026.01.05"),
        ("~2026.11", "2026.11.20 2026.11.02"),
        ("^2026.11.05", "2026.11.20"),
        ("2025.x", "2025.12.31"),
    ],
)
def test_what_is_in_a_range_the_greatest_first(query: str, means: str) -> None:
    assert ranked(check_query(query), TAGS) == means.split()


@pytest.mark.parametrize("query", ["^01.2", "~stable", "^1.2.3.4", "^1-a", "~1.x.x.x", "^1.x-a", "^", "~1..2"])
def test_what_only_begins_like_a_range_is_refused(query: str) -> None:
    with pytest.raises(UsageError, match="not a range"):
        check_query(query)
    assert ranked(query, TAGS) == []


def test_a_tag_is_no_range_and_holds_nothing() -> None:
    assert not is_query("1.4.0")
    assert not is_in("1.4.0", "1.4.0")


def test_words_between_hyphens_are_one_word_as_the_standard_has_it() -> None:
    """semver.org, rule 11: only dots part fields, so `rc-10` is a word and comes before `rc-9`."""
    assert ranked("^1.0.0-rc", ["1.0.0-rc-9", "1.0.0-rc-10", "1.0.0-rc.9", "1.0.0-rc.10"]) == [
        "1.0.0-rc-9", "1.0.0-rc-10", "1.0.0-rc.10", "1.0.0-rc.9",
    ]  # fmt: skip


PARTS = st.integers(0, 30)
PRE = st.one_of(st.none(), st.lists(st.from_regex(r"(0|[1-9][0-9]?|[a-z-][a-z0-9-]{0,3})", fullmatch=True), min_size=1))


@st.composite
def releases(draw: st.DrawFn) -> str:
    pre = draw(PRE)
    numbers = f"{draw(PARTS)}.{draw(PARTS)}.{draw(PARTS)}"
    tag = numbers if pre is None else f"{numbers}-{'.'.join(pre)}"
    return tag if parse_release(tag) else numbers


@given(releases(), releases())
def test_the_order_is_the_librarys(left: str, right: str) -> None:
    first, second = parse_release(left), parse_release(right)
    assert first is not None
    assert second is not None
    expected = nodesemver.compare(left, right, False)
    assert (first.order > second.order) - (first.order < second.order) == expected
