"""What may have been meant by a name or a tag that does not exist."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from swarm.protocol import bounds
from swarm.protocol.names import nearest
from swarm.tracker.commands import TagQuestion
from swarm.tracker.events import LookedUp

NAMES_SEEN_MAX = 16_384
TAGS_SEEN_MAX = 256
"""Names, and names' tags, that the store listed: for suggestions only."""


class Suggestions:
    """Names and tags that the store has listed when something was looked for and not found."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._tags: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def remember(self, event: LookedUp) -> None:
        """What an answer of the store lists beside it."""
        if event.names:
            self._names = event.names[:NAMES_SEEN_MAX]
        if event.tags and isinstance(event.question, TagQuestion):
            self._tags[event.question.name] = event.tags[:TAGS_SEEN_MAX]
            if len(self._tags) > TAGS_SEEN_MAX:
                self._tags.popitem(last=False)

    def near(self, name: str, tag: str | None, tags: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
        """Other tags of a known name, else other names. `tags`: those known of `name`; `names`: all that are known."""
        found = {*tags, *self._tags.get(name, ())}
        if found and tag is not None:
            near = [f"{name}:{other}" for other in nearest(tag, found)]
            return tuple(text for text in near if len(text) <= bounds.NAME_BYTES_MAX)
        return nearest(name, {*names, *self._names} - {name})
