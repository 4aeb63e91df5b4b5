"""How often Python looks for garbage that holds on to itself."""

from __future__ import annotations

import gc

OBJECTS = 50_000
"""More containers alive than at the last look: some megabytes at most. Python's own 700 makes it look a few hundred
times while a fetch imports what it needs (an eighth of that time), and then at every block; little here is cyclic."""

GENERATION = 20
"""Looks at the young before all are looked at."""


def look_seldom() -> None:
    """For a process of this program alone: the setting is the interpreter's."""
    gc.set_threshold(OBJECTS, GENERATION, GENERATION)
