"""Errors of ours come out of trio's groups bare, the most telling one; anything foreign leaves the group as it is."""

from __future__ import annotations

import pytest
import trio

from swarm.agent.unwrapping import unwrapped
from swarm.errors import NoSpaceError, SwarmError, TransportError, TrustError


def failing(*errors: BaseException) -> BaseExceptionGroup[BaseException]:
    return BaseExceptionGroup("", [BaseExceptionGroup("", [error]) for error in errors])


@unwrapped
async def service(error: BaseException) -> None:
    raise error


async def test_a_full_disk_says_more_than_the_connection_that_was_lost_before() -> None:
    full = NoSpaceError("full")
    with pytest.raises(NoSpaceError) as raised:
        await service(failing(TransportError("lost"), full))
    assert raised.value is full


async def test_one_error_alone_comes_out_bare_and_as_it_was() -> None:
    with pytest.raises(TrustError):
        await service(failing(TrustError("another key")))


@pytest.mark.parametrize("foreign", [KeyError("x"), KeyboardInterrupt()])
async def test_what_is_not_ours_stays_in_its_group(foreign: BaseException) -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        await service(failing(TrustError("another key"), foreign))
    assert raised.group_contains(type(foreign))


async def test_a_cancellation_is_not_swallowed() -> None:
    async def fail_late() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise SwarmError("while it ended")

    @unwrapped
    async def two() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_late)
            nursery.start_soon(trio.sleep_forever)

    with trio.move_on_after(0), pytest.raises(BaseExceptionGroup) as raised:
        await two()
    assert raised.group_contains(SwarmError)
    assert raised.group_contains(trio.Cancelled)
