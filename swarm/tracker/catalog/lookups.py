"""Questions on their way to the store: each asked once, however many wait for it, and not again for a moment after.

A fleet that boots asks the same thing a thousand times within a second; the store hears it once. An answer, "no such
thing" and a failure included, stands for `FRESH_S`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from swarm.protocol.ids import ConnectionId
from swarm.protocol.messages import ListDatasets, Publish, Resolve, RootRequest, Subscribe
from swarm.tracker.commands import Question

FRESH_S = 1.0
"""A tag that was moved without telling the tracker is seen this much later, at most."""

FRESH_MAX = 16_384
"""Remembered answers' times; more questions a second are asked again."""

UNDER_WAY_MAX = 64
"""Look-ups at once: a store's client has fewer connections than this."""

WAITING_MAX = 65_536
"""Messages that wait for an answer, in all."""

_NEVER = (0.0, "", "")

Asked = Resolve | ListDatasets | RootRequest | Publish | Subscribe


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who waits for an answer, and with which message it asked; None: nobody does, the tracker itself wants it."""

    connection: ConnectionId
    message: Asked | None


class LookUps:
    """What is under way and what is fresh."""

    def __init__(self) -> None:
        self._under_way: dict[Question, list[Waiting]] = {}
        self._waiting_count = 0
        self._answered: OrderedDict[Question, tuple[float, str, str]] = OrderedDict()

    def is_fresh(self, question: Question, now: float) -> bool:
        """Whether the store has just answered, or failed to."""
        answered = self._answered.get(question)
        return answered is not None and now < answered[0] + FRESH_S

    def failure(self, question: Question) -> str:
        """Why the newest look-up failed; empty where it did not."""
        return self._answered.get(question, _NEVER)[1]

    def cut_at(self, question: Question) -> str:
        """After which tag or name the newest look-up stopped; empty where it saw all."""
        return self._answered.get(question, _NEVER)[2]

    def wait(self, question: Question, waiting: Waiting) -> bool | None:
        """Waits for an answer. True: the question must be asked now. False: it is under way. None: there is no room."""
        if self._waiting_count >= WAITING_MAX:
            return None
        is_new = question not in self._under_way
        if is_new and len(self._under_way) >= UNDER_WAY_MAX:
            return None
        self._under_way.setdefault(question, []).append(waiting)
        self._waiting_count += 1
        return is_new

    def answered(self, question: Question, failure: str, now: float, *, cut_at: str = "") -> list[Waiting]:
        """The answer is here: who has waited for it."""
        waiting = self._under_way.pop(question, [])
        self._waiting_count -= len(waiting)
        self._answered[question] = (now, failure, cut_at)
        self._answered.move_to_end(question)
        if len(self._answered) > FRESH_MAX:
            self._answered.popitem(last=False)
        return waiting

    def check(self) -> None:
        assert self._waiting_count == sum(map(len, self._under_way.values())) <= WAITING_MAX
        assert len(self._under_way) <= UNDER_WAY_MAX
