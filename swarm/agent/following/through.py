"""What of a fetch's notices a follower passes on: not the receipt, which ends a fetch's lines, and no warning twice."""

from __future__ import annotations

from collections import OrderedDict

import trio

from swarm.agent.notices import Committed, Level, Note, Notice, Observer, Progress, Receipt, Resolved

SILENT_S = 600.0
"""The same warning again only after so long: what is asked every half a minute may fail for days."""

WARNINGS_MAX = 64


class Once:
    """An observer in front of another one that passes each sentence on once. What a channel means is judged by several
    tasks at a time, and each may be the first that believes its publisher."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._said: OrderedDict[str, None] = OrderedDict()

    def notify(self, notice: Notice, /) -> None:
        """Passes it on, or not. Warnings are `Through`'s, who lets them come again."""
        if isinstance(notice, Note) and notice.level is not Level.WARNING:
            if notice.text in self._said:
                return
            self._said[notice.text] = None
            if len(self._said) > WARNINGS_MAX:
                self._said.popitem(last=False)
        self._observer.notify(notice)


class Through:
    """An observer in front of another one."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._warned: OrderedDict[str, float] = OrderedDict()
        self._done = 0
        self.moved_at = trio.current_time()
        """When a byte came last, as far as the fetch has told."""
        self.waiting: str | None = None
        """What the fetch waits for."""

    def begin(self) -> None:
        """Another fetch."""
        self._done, self.moved_at, self.waiting = 0, trio.current_time(), None

    def notify(self, notice: Notice, /) -> None:
        """Passes it on, or not."""
        match notice:
            case Receipt() | Committed() | Resolved():
                return
            case Note(level=Level.WARNING) if self._was_said(notice.text):
                return
            case Progress():
                self._watch(notice)
        self._observer.notify(notice)

    def _watch(self, progress: Progress) -> None:
        self.waiting = progress.waiting
        if progress.bytes_done != self._done:
            self._done, self.moved_at = progress.bytes_done, trio.current_time()

    def _was_said(self, text: str) -> bool:
        now = trio.current_time()
        if now < self._warned.get(text, float("-inf")) + SILENT_S:
            return True
        self._warned[text] = now
        self._warned.move_to_end(text)
        if len(self._warned) > WARNINGS_MAX:
            self._warned.popitem(last=False)
        return False
