"""How many examples Hypothesis tries: few each time, since they run with every change; many by `make fuzz`."""

from __future__ import annotations

import os

FACTOR = int(os.environ.get("TEST_EXAMPLES", "1"))


def examples(count: int) -> int:
    """`count` in an ordinary run, and as many times more as `TEST_EXAMPLES` says."""
    return count * FACTOR
