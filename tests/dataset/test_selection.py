"""What a pattern means, case by case; each line of the docstring has one."""

from __future__ import annotations

import pytest

from swarm.dataset.selection import PATTERNS_MAX, Selection
from swarm.errors import UsageError


def takes(path: str, *, include: str = "", exclude: str = "", is_directory: bool = False) -> bool:
    return Selection(include.split(), exclude.split()).takes(path.encode(), is_directory=is_directory)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.txt", "a.txt .txt d/a.txt d/e/b.txt", "a.txt2 a.TXT atxt"),
        ("a?c", "abc d/a-c aéc", "ac a/c abbc"),
        ("[ab]c", "ac d/bc", "cc abc c"),
        ("[a-c]x", "ax bx cx", "dx -x"),
        ("[!a-c]x", "dx -x", "ax bx /x"),
        ("[^a]x", "bx", "ax"),
        ("[]]x", "]x", "x [x"),
        ("[[]x", "[x", "x ]x"),
        ("a/b", "a/b a/b/c", "x/a/b a b"),
        ("/a", "a a/b", "x/a"),
        ("a/*", "a/b a/b/c", "a x/a/b"),
        ("a/*/c", "a/b/c a/b/c/d", "a/c a/b/b/c"),
        ("a/**/b", "a/b a/x/b a/x/y/b a/x/b/z", "ab a/xb b"),
        ("**/b", "b a/b a/x/b", "ab"),
        ("a/**", "a/b a/b/c", "a b"),
        ("d/", "d/x e/d/x e/d/x/y", "d e/d"),
        ("a/d/", "a/d/x", "a/d x/a/d/y"),
        ("\\*", "* d/*", "a"),
        ("a\\?", "a?", "ab"),
        ("x+(y).z", "x+(y).z", "xxyaz"),
        ("**", "a a/b", ""),
    ],
)
def test_a_pattern_matches(pattern: str, yes: str, no: str) -> None:
    assert [path for path in yes.split() if not takes(path, include=pattern)] == []
    assert [path for path in no.split() if takes(path, include=pattern)] == []
    assert [path for path in yes.split() if takes(path, exclude=pattern)] == []


def test_a_trailing_slash_matches_directories_themselves() -> None:
    assert takes("d", include="d/", is_directory=True)
    assert not takes("d", include="d/")


def test_exclude_wins_over_include() -> None:
    assert not takes("a.txt", include="*.txt", exclude="a.*")
    assert takes("b.txt", include="*.txt", exclude="a.*")


def test_nothing_said_takes_everything() -> None:
    assert takes("a/b")
    assert Selection().is_everything


def test_names_that_are_not_utf8_are_matched_byte_by_byte() -> None:
    assert Selection(["a?b"]).takes(b"a\xffb", is_directory=False)
    assert not Selection(["a?b"]).takes(b"a\xff\xfeb", is_directory=False)
    assert Selection(["*"]).takes(b"\xff\n", is_directory=False)


def test_an_excluded_directory_is_not_entered_and_an_unincluded_one_is() -> None:
    assert not Selection(exclude=["d"]).may_enter(b"x/d")
    assert Selection(include=["*.txt"]).may_enter(b"x/d")


@pytest.mark.parametrize("pattern", ["", "/", "..", "a/../b", "./a", "a[", "[", "a\\", "[z-a]"])
def test_what_can_match_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError):
        Selection(include=[pattern])


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(UsageError, match=str(PATTERNS_MAX)):
        Selection(exclude=["a"] * (PATTERNS_MAX + 1))
