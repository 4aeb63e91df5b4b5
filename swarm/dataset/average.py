"""Which average block length a dataset is cut with, when nobody has said.

A swarm of N agents that passes M blocks needs about 1 + 2.2 log2(N) / M times the best possible time, so a version
should have some thousand blocks; many more only cost requests. Bounds are powers of two so that two versions of a
dataset that grows slowly keep the same average: two averages share no block.
"""

from __future__ import annotations

from swarm.errors import UsageError

BLOCKS_WANTED = 1024
"""At N = 1,000 agents, 1,024 equal blocks cost 2.2 % over the fluid limit."""

AVERAGE_CHOSEN_MIN = 256 * 1024
"""Below this a request's round trip is no longer small beside the block's time on the link."""

AVERAGE_CHOSEN_MAX = 1024 * 1024
"""Above this an insertion moves too much, and a receiver holds too much unverified."""

AVERAGE_MIN = 64 * 1024
"""The least that may be asked for."""

AVERAGE_MAX = 4 * 1024 * 1024
"""The most that may be asked for: its blocks are at most 16 MiB, the bound of a block."""


def choose_average(total_bytes: int) -> int:
    """The power of two nearest to `total_bytes` / 1,024 (in ratio), kept between 256 KiB and 1 MiB. Bytes."""
    return min(max(_nearest_power_of_two(total_bytes // BLOCKS_WANTED), AVERAGE_CHOSEN_MIN), AVERAGE_CHOSEN_MAX)


def check_average(average: int) -> int:
    """`average` itself, if a version may be cut with it.

    Raises UsageError, naming the nearest legal one, unless it is a power of two from 64 KiB to 4 MiB.
    """
    nearest = min(max(_nearest_power_of_two(average), AVERAGE_MIN), AVERAGE_MAX)
    if average != nearest:
        raise UsageError(
            f"{average} bytes cannot be an average block length",
            hint=f"it is a power of two from 64 KiB to 4 MiB; the nearest is {nearest // 1024}KiB",
        )
    return average


def _nearest_power_of_two(number: int) -> int:
    """Nearest in ratio: the limit between p and 2p is p times the square root of two. Integers only, so exact."""
    if number < 1:
        return 1
    below = 1 << (number.bit_length() - 1)
    return 2 * below if number * number >= 2 * below * below else below
