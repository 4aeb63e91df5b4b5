"""How much may be unsent: followed over imagined links."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.transport.pacing import UNSENT_BYTES_MIN, UNSENT_S_MAX, UNSENT_S_MIN, Pacing


class Link:
    """A queue that drains at a rate; the sender asks before each frame and waits as it is told."""

    def __init__(self, bytes_per_s: float, rtt_s: float) -> None:
        self.bytes_per_s, self.rtt_s = bytes_per_s, rtt_s
        self.now = self.sent = self.acknowledged = 0.0
        self.pacing = Pacing()
        self.longest_queue = 0.0

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            unsent = int(self.sent - self.acknowledged)
            if self.pacing.is_open(self.now, int(self.sent), unsent, self.rtt_s):
                self.sent += 65_507
                self.longest_queue = max(self.longest_queue, self.sent - self.acknowledged)
                self._pass(0.0002)
            else:
                self._pass(self.pacing.wait_s(unsent, self.rtt_s))

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self.acknowledged = min(self.sent, self.acknowledged + seconds * self.bytes_per_s)


@pytest.mark.parametrize("bytes_per_s", [125_000, 1_250_000, 6_250_000, 125_000_000])
@pytest.mark.parametrize("rtt_s", [0.0001, 0.05])
def test_a_link_is_kept_full_and_no_more_than_a_second_is_in_front_of_it(bytes_per_s: float, rtt_s: float) -> None:
    link = Link(bytes_per_s, rtt_s)
    link.run(3)
    before, link.longest_queue = link.acknowledged, 0.0
    link.run(5)
    possible = min(bytes_per_s, 65_507 / 0.0002)
    assert link.acknowledged - before >= 0.95 * 5 * possible
    assert link.longest_queue <= UNSENT_BYTES_MIN + UNSENT_S_MAX * possible + 65_507


def test_a_link_that_becomes_slow_gets_a_shorter_queue() -> None:
    link = Link(10_000_000, 0.001)
    link.run(3)
    link.bytes_per_s = 500_000
    link.run(4)
    link.longest_queue = 0.0
    link.run(2)
    assert link.longest_queue <= UNSENT_BYTES_MIN + UNSENT_S_MIN * 500_000 + 65_507


def test_a_pause_is_not_taken_for_a_slow_link() -> None:
    link = Link(10_000_000, 0.001)
    link.run(3)
    limit = link.pacing.limit_bytes(0.001)
    link.now += 1.0
    link.acknowledged = link.sent
    link.pacing.is_open(link.now, int(link.sent), 0, 0.001)
    assert link.pacing.limit_bytes(0.001) >= limit / 2


def test_before_anything_is_known_two_frames_may_wait() -> None:
    assert Pacing().is_open(0.0, 0, UNSENT_BYTES_MIN, 0.01)
    assert not Pacing().is_open(0.0, 0, UNSENT_BYTES_MIN + 1, 0.01)


@given(st.integers(0, 1 << 40), st.floats(0, 10))
def test_a_wait_is_short_enough_to_be_cancelled(unsent: int, rtt_s: float) -> None:
    assert 0 < Pacing().wait_s(unsent, rtt_s) <= 0.05
