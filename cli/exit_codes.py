"""What a command's exit code means: the one table, for `--help`, the docs and the code.

An error of `swarm.errors` carries its own code; a test holds the two together.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The only codes that a swarm command ends with."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    REFUSED = 5
    NO_ROOM = 6
    NOT_VERIFIED = 7
    CONFLICT = 8
    SOURCE_CHANGED = 9
    HOOK_FAILED = 10
    INTERRUPTED = 130
    TERMINATED = 143


LOOKING_UP = (
    ExitCode.NOT_FOUND,
    ExitCode.UNREACHABLE,
    ExitCode.REFUSED,
    ExitCode.NO_ROOM,
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
)
"""How a command may end that looks up what a name means."""

READING = tuple(sorted((*LOOKING_UP, ExitCode.NOT_VERIFIED)))
"""And one that reads what it found."""

WRITING = tuple(sorted((*READING, ExitCode.CONFLICT)))
"""And one that changes a store."""

MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.INTERNAL: "internal: a defect in swarm; please report it",
    ExitCode.USAGE: "usage: an option, a value or the configuration is wrong",
    ExitCode.NOT_FOUND: "not found, or gone: no such name, tag, version, path, key",
    ExitCode.UNREACHABLE: "no source can be reached",
    ExitCode.REFUSED: "refused: trust, signature, fork, unsafe manifest",
    ExitCode.NO_ROOM: "no space, or no permission",
    ExitCode.NOT_VERIFIED: "verification failed, or files were edited",
    ExitCode.CONFLICT: "conflict between producers",
    ExitCode.SOURCE_CHANGED: "the source changed while it was being published",
    ExitCode.HOOK_FAILED: "the hook of a new version failed, and the one before is current again",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.TERMINATED: "terminated (SIGTERM)",
}


def table(codes: tuple[ExitCode, ...] = tuple(MEANINGS)) -> str:
    """Lines `  3  not found …`, for a help text."""
    return "\n".join(f"  {code:>3}  {MEANINGS[code]}" for code in codes)
