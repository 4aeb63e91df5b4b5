"""How much a sender may leave unsent: so little that `Alive` and the next grant are not stuck behind blocks.

Pure: the caller asks the kernel how much is unsent and says so with the time. The rate is what the other side has
acknowledged lately, so a link that slows down shortens the queue in front of it.
"""

from __future__ import annotations

from collections import deque

UNSENT_S_MAX = 1.0
"""The design's promise: dead is who is silent for 5 s, so a queue of 1 s leaves room for four lost messages."""

UNSENT_S_MIN = 0.5
"""Enough for TCP to find out that the link can do more, also while it repairs a loss and nothing is acknowledged: with
0.2 s a link of 100 Mbit/s, 50 ms and 0.1 % loss carried 4 % less, and messages came no sooner."""

UNSENT_ROUND_TRIPS = 4
"""Two fill the wire and two let the congestion window double."""

UNSENT_BYTES_MIN = 2 * 65_507
"""Two frames: with less, the wire is idle between one look and the next. At 1 Mbit/s it is one second."""

SAMPLE_S = 0.1
WINDOW_S = 2.0
"""The rate is the greatest over a second or so within this: a pause of the sender is not taken for a slow link."""


class Pacing:
    """`is_open` says whether one more frame may be written."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._rate_bytes_per_s = 0.0

    def is_open(self, now: float, sent: int, unsent: int, rtt_s: float) -> bool:
        """`sent` counts all bytes ever handed to the kernel, `unsent` those of them not acknowledged yet."""
        self._sample(now, sent - unsent)
        return unsent <= self.limit_bytes(rtt_s)

    def limit_bytes(self, rtt_s: float) -> int:
        seconds = min(UNSENT_S_MAX, max(UNSENT_S_MIN, UNSENT_ROUND_TRIPS * rtt_s))
        return max(UNSENT_BYTES_MIN, int(self._rate_bytes_per_s * seconds))

    def wait_s(self, unsent: int, rtt_s: float) -> float:
        """How long until the queue may have shrunk enough; between 1 and 50 ms, so that cancelling stays quick."""
        excess = unsent - self.limit_bytes(rtt_s)
        return min(0.05, max(0.001, excess / max(self._rate_bytes_per_s, UNSENT_BYTES_MIN)))

    def _sample(self, now: float, acknowledged: int) -> None:
        samples = self._samples
        if samples and now - samples[-1][0] < SAMPLE_S:
            return
        samples.append((now, acknowledged))
        while len(samples) > 2 and now - samples[0][0] > WINDOW_S:
            samples.popleft()
        self._rate_bytes_per_s = max(
            ((after - before) / (later - earlier) for (earlier, before), (later, after) in _neighbours(samples)),
            default=0.0,
        )


def _neighbours(
    samples: deque[tuple[float, int]],
) -> list[tuple[tuple[float, int], tuple[float, int]]]:
    """Pairs about half a window apart, and never less than one sample: short bursts of acknowledgements are no rate."""
    apart = max(1, min(len(samples) - 1, round(WINDOW_S / SAMPLE_S / 4)))
    listed = list(samples)
    return list(zip(listed, listed[apart:], strict=False))
