"""Which paths of a dataset are meant: `--include` and `--exclude`. Pure; a scan and a fetch ask the same object.

A pattern is matched against a path relative to the dataset's root:

- `*` is any run of characters without `/`, also an empty one; `?` is one character, not `/`;
- `[abc]`, `[a-z]`, `[!a-z]` is one character of (not of) a set, never `/`; a set is closed by `]`;
- `**` as a whole part is any number of whole parts, also none: `a/**/b` is `a/b` and `a/x/y/b`;
- `\\` takes the next character for itself; everything else is itself, in the case it is written in;
- a pattern with a `/` at its start or within it is matched from the root on; one without matches the last part of a
  path at any depth;
- a `/` at its end restricts it to directories;
- a pattern that matches a directory matches everything below it.

A path is taken if it matches an include (or there is none) and no exclude: exclude wins. A directory is also taken if
something below it is. Names that are not UTF-8 are matched byte by byte where they are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from swarm.errors import UsageError

PATTERNS_MAX = 1000
"""More is a mistake: each path is held against each of them."""


class Selection:
    """An immutable choice of paths. `takes` is what it is for; `may_enter` spares a walk below excluded directories."""

    __slots__ = ("_exclude", "_include", "is_everything")

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        """Raises UsageError on a pattern that can match nothing."""
        self._include = [_Pattern(text) for text in include]
        self._exclude = [_Pattern(text) for text in exclude]
        if len(self._include) + len(self._exclude) > PATTERNS_MAX:
            raise UsageError(f"more than {PATTERNS_MAX} patterns", hint="use fewer, with `*`, `?` and `**`")
        self.is_everything = not self._include and not self._exclude

    def takes(self, path: bytes, *, is_directory: bool) -> bool:
        """Whether the path itself is selected (a directory may be needed all the same, for what is below it)."""
        if self.is_everything:
            return True
        text = path.decode("utf-8", "surrogateescape")
        is_included = not self._include or any(pattern.matches(text, is_directory) for pattern in self._include)
        return is_included and not any(pattern.matches(text, is_directory) for pattern in self._exclude)

    def may_enter(self, directory: bytes) -> bool:
        """False only if nothing below `directory` can be selected."""
        if not self._exclude:
            return True
        text = directory.decode("utf-8", "surrogateescape")
        return not any(pattern.matches(text, True) for pattern in self._exclude)


class _Pattern:
    """One glob as two regular expressions: for paths that it may match as a file, and as a directory (or below one)."""

    __slots__ = ("_anything", "_below")

    def __init__(self, text: str) -> None:
        body = text.rstrip("/") if not text.endswith("\\/") else text
        anchored = "/" in body
        parts = [part for part in body.split("/") if part]
        if not parts or any(part in {".", ".."} for part in parts):
            raise UsageError(
                f"the pattern {text!r} can match nothing",
                hint="patterns are relative to the dataset's root and have no `.` or `..` parts",
            )
        whole = ("" if anchored else "(?:.*/)?") + _regex_of_parts(parts)
        self._below = re.compile(whole + "(?:/.*)?", re.DOTALL)
        self._anything = re.compile(whole + "/.*", re.DOTALL) if text.endswith("/") else self._below

    def matches(self, path: str, is_directory: bool) -> bool:
        return (self._below if is_directory else self._anything).fullmatch(path) is not None


def _regex_of_parts(parts: list[str]) -> str:
    """`**` before other parts is zero or more parts with their slashes; at the end it is everything below."""
    pieces: list[str] = []
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        if part == "**":
            pieces.append(".+" if is_last else "(?:[^/]+/)*")
        else:
            pieces.append(_regex_of_part(part) + ("" if is_last else "/"))
    return "".join(pieces)


def _regex_of_part(part: str) -> str:
    """One part without slashes. Raises UsageError where a `[` or a `\\` is not ended."""
    found, position = "", 0
    while position < len(part):
        sign = part[position]
        position += 1
        if sign == "*":
            found += "" if found.endswith("[^/]*") else "[^/]*"
        elif sign == "?":
            found += "[^/]"
        elif sign == "[":
            regex, position = _regex_of_set(part, position)
            found += regex
        elif sign == "\\":
            if position == len(part):
                raise UsageError(f"the pattern part {part!r} ends in a backslash", hint="a backslash itself is two")
            found += re.escape(part[position])
            position += 1
        else:
            found += re.escape(sign)
    return found


def _regex_of_set(part: str, position: int) -> tuple[str, int]:
    """The set that begins after a `[`; a `]` in the first place is itself. Returns its regex and the place after it."""
    is_negated = part[position : position + 1] in {"!", "^"}
    start = position + is_negated
    end = part.find("]", start + 1)
    if end < 0:
        raise UsageError(f"the pattern part {part!r} has a `[` without `]`", hint="write `[[]` for a bracket itself")
    inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", part[start:end])
    try:
        re.compile(f"[{inside}]")
    except re.error as error:
        raise UsageError(f"the set [{part[start:end]}] is not a set of characters: {error}") from error
    return f"(?!/)[{'^' if is_negated else ''}{inside}]", end + 1
