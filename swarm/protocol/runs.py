"""Sets of indexes as runs: ascending, disjoint, not adjacent (first, count) pairs. Linear in the runs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from swarm.protocol.ids import Run, Runs

EMPTY: Runs = ()


def normalise(items: Iterable[Run | int]) -> Runs:
    """Runs of any runs or single indexes, in any order, overlapping or not. Empty runs (count <= 0) vanish."""
    pairs = [(item, 1) if isinstance(item, int) else item for item in items]
    pairs.sort()
    result: list[Run] = []
    first = end = -1
    for start, count in pairs:
        if count <= 0:
            continue
        if start > end or first < 0:
            if first >= 0:
                result.append((first, end - first))
            first, end = start, start + count
        elif start + count > end:
            end = start + count
    if first >= 0:
        result.append((first, end - first))
    return tuple(result)


def is_normal(runs: Runs) -> bool:
    """Ascending, disjoint, not adjacent, none empty or negative."""
    end = -1
    for first, count in runs:
        if first <= end or count < 1:
            return False
        end = first + count
    return True


def count(runs: Runs) -> int:
    """How many indexes."""
    return sum(length for _, length in runs)


def iterate(runs: Runs) -> Iterator[int]:
    """Each index, ascending."""
    for first, length in runs:
        yield from range(first, first + length)


def contains(runs: Runs, index: int) -> bool:
    """Whether `index` is in one of the runs: binary search."""
    place = bisect_right(runs, (index, 1 << 62)) - 1
    return place >= 0 and index < runs[place][0] + runs[place][1]


def span(runs: Runs) -> int:
    """One past the greatest index; 0 where there is none."""
    return runs[-1][0] + runs[-1][1] if runs else 0


def union(left: Runs, right: Runs) -> Runs:
    """What is in either."""
    if not left or not right:
        return left or right
    return normalise((*left, *right))


def intersect(left: Runs, right: Runs) -> Runs:
    """What is in both."""
    result: list[Run] = []
    i = j = 0
    while i < len(left) and j < len(right):
        first = max(left[i][0], right[j][0])
        left_end, right_end = left[i][0] + left[i][1], right[j][0] + right[j][1]
        end = min(left_end, right_end)
        if first < end:
            result.append((first, end - first))
        if left_end <= right_end:
            i += 1
        else:
            j += 1
    return tuple(result)


def subtract(left: Runs, right: Runs) -> Runs:
    """What is in `left` and not in `right`."""
    result: list[Run] = []
    j = 0
    for first, length in left:
        start, end = first, first + length
        while j < len(right) and right[j][0] + right[j][1] <= start:
            j += 1
        k = j
        while k < len(right) and right[k][0] < end:
            if right[k][0] > start:
                result.append((start, right[k][0] - start))
            start = max(start, right[k][0] + right[k][1])
            k += 1
        if start < end:
            result.append((start, end - start))
    return tuple(result)


def clip(runs: Runs, first: int, end: int) -> Runs:
    """What lies in [first, end)."""
    return intersect(runs, ((first, end - first),)) if end > first else EMPTY
