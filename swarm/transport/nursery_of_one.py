"""A nursery around a context manager's body: it ends with the body, and the body's exception comes out as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def nursery_of_one() -> AsyncIterator[trio.Nursery]:
    """Cancels the tasks when the body is over.

    A plain nursery wraps whatever the body raises in an ExceptionGroup; who writes `async with open_transport(...)`
    knows nothing of a nursery and expects the error itself.
    """
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except Exception as error:  # raised again below, outside of the nursery
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
