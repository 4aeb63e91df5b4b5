"""What a command can say, whatever the screen: the protocol that the text and the JSON screen share, and the choice.

stdout is data: results, receipts, the line to paste, JSON. stderr is talk: progress, notes, warnings, errors.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from cli.failures import Failure
from swarm.agent.notices import Notice


class Screen(Protocol):
    """Also an `Observer`: services tell it what happens. No method raises because of a closed pipe, except `result`."""

    def notify(self, notice: Notice, /) -> None:
        """Shows a notice, or leaves it out, as the screen's loudness and pace want it."""

    def result(self, event: str, fields: Mapping[str, Any], text: str) -> None:
        """One piece of what was asked for. `text` may have several lines; empty shows nothing on a text screen."""

    def say(self, text: str) -> None:
        """A sentence for the person, not part of the result."""

    def warn(self, text: str) -> None:
        """A sentence that is shown even with `-q`."""

    def fail(self, failure: Failure) -> None:
        """The last word of a command that failed."""

    def close(self) -> None:
        """Takes a progress bar away. May be called twice."""

    @property
    def has_receipt(self) -> bool:
        """Whether what was asked for is done, so that an interruption afterwards is no failure."""


@dataclass(frozen=True, slots=True)
class Look:
    """The screen's own options."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    color: str = "auto"

    @classmethod
    def guessed(cls, arguments: list[str]) -> Look:
        """What `arguments` ask for, for an error that keeps them from being parsed."""
        words = arguments[: arguments.index("--")] if "--" in arguments else arguments
        return cls("--json" in words, bool({"-q", "--quiet"} & set(words)), bool({"-v", "--verbose"} & set(words)))


def make_screen(look: Look) -> Screen:
    """The screen for this process's stdout and stderr."""
    stdout, stderr = _stream(sys.stdout), _stream(sys.stderr)
    if look.json:
        from cli.ui.json_lines import JsonScreen  # noqa: PLC0415  # only one of the two is needed

        return JsonScreen(stdout, stderr, look)
    from cli.ui.text import TextScreen  # noqa: PLC0415

    return TextScreen(stdout, stderr, look)


def _stream(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed by whoever started us: `swarm … >&-`
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  # for as long as the process
    # Paths need not be UTF-8, and a terminal's encoding need not hold every character: escapes, never a crash.
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return stream


def is_verbose(look: Look, environment: Mapping[str, str] = os.environ) -> bool:
    """`-v`, or SWARM_DEBUG set to anything but 0."""
    return look.verbose or environment.get("SWARM_DEBUG", "0") not in ("", "0")


def wants_color(look: Look, stream: Any, environment: Mapping[str, str] = os.environ) -> bool:
    """`--color`, then NO_COLOR (no-color.org), then whether somebody is looking."""
    if look.color != "auto":
        return look.color == "always"
    is_terminal = bool(stream.isatty()) and environment.get("TERM") != "dumb"
    return is_terminal and not environment.get("NO_COLOR")
