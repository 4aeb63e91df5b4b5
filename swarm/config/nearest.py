"""What somebody probably meant to type: for keys of the configuration, commands and options."""

from __future__ import annotations

from collections.abc import Iterable

SUGGESTIONS_MAX = 3
"""More is a list to read, not a hint."""


def nearest(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """The candidates most like `word`, best first, at most three; none where nothing is alike."""
    from difflib import get_close_matches  # noqa: PLC0415  # only where something is wrong already

    return tuple(get_close_matches(word, sorted(set(candidates)), n=SUGGESTIONS_MAX, cutoff=0.6))


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """`did you mean 'listen'?`, or an empty string."""
    found = nearest(word, candidates)
    return f"did you mean {' or '.join(repr(one) for one in found)}?" if found else ""
