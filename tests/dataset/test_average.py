"""The average block length: chosen by size, or checked."""

from __future__ import annotations

import pytest

from swarm.dataset.average import check_average, choose_average
from swarm.errors import UsageError

KIB, MIB, GIB = 1024, 1024**2, 1024**3


@pytest.mark.parametrize(
    ("total", "average"),
    [
        (0, 256 * KIB),
        (1, 256 * KIB),
        (256 * MIB, 256 * KIB),
        (362 * MIB, 256 * KIB),
        (363 * MIB, 512 * KIB),  # the square root of two times 256 MiB is 362.04 MiB
        (512 * MIB, 512 * KIB),
        (724 * MIB, 512 * KIB),
        (725 * MIB, MIB),
        (5 * GIB, MIB),
        (2**60, MIB),
    ],
)
def test_the_average_is_near_a_thousandth_and_within_bounds(total: int, average: int) -> None:
    assert choose_average(total) == average


@pytest.mark.parametrize("average", [64 * KIB << shift for shift in range(7)])
def test_powers_of_two_between_64_kib_and_4_mib_are_legal(average: int) -> None:
    assert check_average(average) == average


@pytest.mark.parametrize(
    ("average", "nearest"),
    [
        (0, "64KiB"),
        (-5, "64KiB"),
        (32 * KIB, "64KiB"),
        (8 * MIB, "4096KiB"),
        (1000 * 1000, "1024KiB"),
        (65537, "64KiB"),
    ],
)
def test_other_averages_are_refused_with_the_nearest(average: int, nearest: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_average(average)
    assert caught.value.hint.endswith(nearest)
