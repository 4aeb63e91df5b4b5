"""Who may open a connection now, and who waits."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from swarm.transport.admission import (
    PENDING_AT_ONCE,
    PENDING_PER_ADDRESS,
    WAITING_MAX,
    Admission,
    address_group,
)


async def open_many(admission: Admission, hosts: list[str], seconds: float) -> list[tuple[str, float]]:
    """Everybody at once, each taking `seconds` for its opening; who began when."""
    began: list[tuple[str, float]] = []
    start = trio.current_time()

    async def one(host: str) -> None:
        async with admission.turn(host):
            began.append((host, trio.current_time() - start))
            await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        for host in hosts:
            nursery.start_soon(one, host)
    return began


async def test_one_address_gets_its_places_and_its_others_wait_in_line(autojump_clock: MockClock) -> None:
    admission = Admission()
    began = await open_many(admission, ["192.0.2.1"] * (3 * PENDING_PER_ADDRESS), 5.0)
    for turn in range(3):
        assert sum(at == pytest.approx(5.0 * turn) for _, at in began) == PENDING_PER_ADDRESS
    admission.check()


async def test_an_address_that_says_nothing_keeps_nobody_else_waiting(autojump_clock: MockClock) -> None:
    admission = Admission()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_many, admission, ["192.0.2.66"] * 200, 5.0)
        await wait_all_tasks_blocked()
        began = await open_many(admission, [f"192.0.2.{n}" for n in range(1, 40)], 0.1)
        assert max(at for _, at in began) == pytest.approx(0)
        nursery.cancel_scope.cancel()


async def test_not_more_than_so_many_at_once(autojump_clock: MockClock) -> None:
    hosts = [f"10.0.{n // 250}.{n % 250}" for n in range(2 * PENDING_AT_ONCE)]
    began = await open_many(Admission(), hosts, 1.0)
    assert sum(at < 0.5 for _, at in began) == PENDING_AT_ONCE


async def test_past_its_bound_it_is_full(autojump_clock: MockClock) -> None:
    admission = Admission()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_many, admission, ["192.0.2.1"] * WAITING_MAX, 1000.0)
        await wait_all_tasks_blocked()
        assert admission.is_full
        nursery.cancel_scope.cancel()
    assert not admission.is_full
    admission.check()


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "", True),
    ],
)
def test_whom_to_count_as_one(one: str, other: str, is_same: bool) -> None:
    assert (address_group(one) == address_group(other)) is is_same
