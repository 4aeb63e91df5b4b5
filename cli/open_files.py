"""How many files and sockets this process may have open: a service takes what the system lets it have.

Each agent that talks to a tracker or a seeder is a socket, and most systems begin at 1,024 for the sake of programs
that still use `select`; trio does not. Called by the commands that serve, since the limit is the whole process's.
"""

from __future__ import annotations

import resource

from cli.ui.screen import Screen
from swarm.agent.notices import Level, Note

OPEN_FILES_MAX = 1 << 20
"""Not beyond, where the system has no bound: more sockets than a machine has memory for."""


def raise_open_files(screen: Screen) -> int:
    """Raises the soft limit to the hard one, says so with `-v`, and returns what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = open_files_to_be_had(hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:  # a system with a lower bound of its own: `doctor` says what holds
        screen.notify(Note(f"open files: {soft} at once, and no more can be had: {error}", Level.DETAIL))
        return soft
    screen.notify(Note(f"open files: {wanted} at once (it was {soft})", Level.DETAIL))
    return wanted


def open_files_to_be_had(hard: int) -> int:
    """What a hard limit lets a service have."""
    return OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
