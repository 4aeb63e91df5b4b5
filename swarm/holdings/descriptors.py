"""A bounded number of open files, shared by threads: the least recently used one is closed first."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from swarm.errors import InternalError

FILES_OPEN_MAX = 64
"""Per cache. A process may have 1,024 by default, connections to peers want most of them, and eight blocks at a time
seldom touch more than eight large files; small files are opened once for the one block they are in."""


class Descriptors:
    """Keys to open descriptors. One that is in use is never closed; so `threads` more than the bound can be open."""

    def __init__(self, capacity: int = FILES_OPEN_MAX) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._open: OrderedDict[Hashable, _Shared] = OrderedDict()

    def borrow(self, key: Hashable, opener: Callable[[], int]) -> Borrowed:
        """A context manager that gives the descriptor of `key`, opened by `opener` if it is not open yet."""
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                return self._lend(key, found)
        # Opened outside the lock: the disk may be slow. Two threads may both open; the second one's is closed.
        descriptor = opener()
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                os.close(descriptor)
                return self._lend(key, found)
            found = self._open[key] = _Shared(descriptor)
            lent = self._lend(key, found)
            self._evict()
            return lent

    def forget(self, key: Hashable) -> None:
        """Closes the descriptor of `key`, now or when its last user is done."""
        with self._lock:
            found = self._open.pop(key, None)
            if found is not None:
                found.is_forgotten = True
                found.close_if_idle()

    def close(self) -> None:
        """Closes all; the cache can be used again."""
        with self._lock:
            keys = list(self._open)
        for key in keys:
            self.forget(key)

    def give_back(self, shared: _Shared) -> None:
        with self._lock:
            shared.users -= 1
            shared.close_if_idle()
            self._evict()

    def _lend(self, key: Hashable, shared: _Shared) -> Borrowed:
        shared.users += 1
        self._open.move_to_end(key)
        return Borrowed(self, shared)

    def _evict(self) -> None:
        excess = len(self._open) - self._capacity
        if excess <= 0:
            return
        idle = [key for key, shared in self._open.items() if not shared.users]
        for key in idle[:excess]:
            shared = self._open.pop(key)
            shared.is_forgotten = True
            shared.close_if_idle()

    def check(self) -> None:
        """Raises InternalError where more idle descriptors are open than allowed, or users are not counted right."""
        with self._lock:
            idle = sum(1 for shared in self._open.values() if not shared.users)
            is_sound = all(shared.users >= 0 and not shared.is_forgotten for shared in self._open.values())
        if idle > self._capacity or not is_sound:
            raise InternalError(f"{idle} idle descriptors of {self._capacity}")


class Borrowed:
    """`with cache.borrow(...) as descriptor`."""

    __slots__ = ("_cache", "_shared")

    def __init__(self, cache: Descriptors, shared: _Shared) -> None:
        self._cache = cache
        self._shared = shared

    def __enter__(self) -> int:
        return self._shared.descriptor

    def __exit__(self, *exception: object) -> None:
        self._cache.give_back(self._shared)


class _Shared:
    """One open descriptor and how many threads use it just now."""

    __slots__ = ("descriptor", "is_forgotten", "users")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.users = 0
        self.is_forgotten = False

    def close_if_idle(self) -> None:
        if self.is_forgotten and not self.users and self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
