"""Takes errors of ours out of the groups that nurseries wrap them in: a caller catches SwarmError and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from swarm.errors import SwarmError, leaves, most_telling

P = ParamSpec("P")
T = TypeVar("T")


def unwrapped(service: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """A service whose failures come out bare, the most telling first; anything foreign in the group stays a group."""

    @wraps(service)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await service(*args, **kwargs)
        except BaseExceptionGroup as group:
            if all(isinstance(error, SwarmError) for error in leaves(group)):
                raise most_telling(group) from group
            raise

    return run
