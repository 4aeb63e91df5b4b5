"""Takes errors of ours out of the groups that nurseries wrap them in: a caller catches SwarmError and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

from swarm.errors import InternalError, SwarmError

P = ParamSpec("P")
T = TypeVar("T")


def unwrapped(service: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """A service whose failures come out bare, the most telling first; anything foreign in the group stays a group."""

    @wraps(service)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await service(*args, **kwargs)
        except BaseExceptionGroup as group:
            leaves = list(_leaves(group))
            ours = [error for error in leaves if isinstance(error, SwarmError)]
            if len(ours) != len(leaves):
                raise
            telling = [error for error in ours if not isinstance(error, InternalError)]
            raise (telling or ours)[0] from group

    return run


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
