"""What every transport promises: one suite, run on each."""

from __future__ import annotations

import logging

import pytest
import trio

from swarm.errors import InternalError, TransportError
from swarm.protocol.ids import AgentId
from swarm.protocol.messages import AgentProof, Alive, Cancel, Direction, Hello
from swarm.transport.hello import prove_agent
from swarm.transport.transport import OUTBOX_MESSAGES, Connection
from tests.transport.peers import (
    Opener,
    block_frames,
    connect,
    hello_maker,
    key,
    receive_block,
    send_block,
)


@pytest.fixture(params=["memory", "libp2p"])
def opener(request: pytest.FixtureRequest) -> Opener:
    return Opener(request.param)


async def test_messages_arrive_in_order_both_ways(opener: Opener) -> None:
    async with opener.pair() as (dialer, acceptor):
        for number in range(300):
            dialer.send_nowait(Cancel(number))
            acceptor.send_nowait(Cancel(1000 + number))
        assert [await acceptor.receive() for _ in range(300)] == [Cancel(n) for n in range(300)]
        assert [await dialer.receive() for _ in range(300)] == [Cancel(1000 + n) for n in range(300)]


@pytest.mark.parametrize("direction", [Direction.TO_DIALER, Direction.TO_ACCEPTOR])
async def test_a_block_arrives_whole_in_the_direction_of_the_hello(opener: Opener, direction: Direction) -> None:
    data = bytes(range(256)) * 2900
    async with opener.pair(direction) as (dialer, acceptor), trio.open_nursery() as nursery:
        sender, receiver = (acceptor, dialer) if direction is Direction.TO_DIALER else (dialer, acceptor)
        assert sender.sends_blocks
        assert not receiver.sends_blocks
        nursery.start_soon(send_block, sender, 7, data)
        assert await receive_block(receiver) == (7, data)


async def test_frames_of_two_blocks_at_once_stay_whole(opener: Opener) -> None:
    blocks = {index: bytes([index]) * 200_000 for index in (1, 2, 3)}
    got: dict[int, bytearray] = {index: bytearray() for index in blocks}
    async with opener.pair() as (dialer, acceptor), trio.open_nursery() as nursery:
        for index, data in blocks.items():
            nursery.start_soon(send_block, acceptor, index, data)
        for _ in range(sum(len(block_frames(index, data)) for index, data in blocks.items())):
            header, payload = await dialer.receive_frame()
            assert header.offset == len(got[header.index])
            got[header.index] += payload
    assert got == blocks


async def test_a_block_frame_against_the_direction_is_a_defect_here(opener: Opener) -> None:
    async with opener.pair() as (dialer, _):
        (header, payload), *_ = block_frames(1, b"x")
        with pytest.raises(InternalError):
            await dialer.send_frame(header, payload)


async def test_a_control_connection_carries_no_blocks_either_way(opener: Opener) -> None:
    async with opener.pair(Direction.CONTROL) as (dialer, acceptor):
        (header, payload), *_ = block_frames(1, b"x")
        for end in (dialer, acceptor):
            assert not end.sends_blocks
            with pytest.raises(InternalError):
                await end.send_frame(header, payload)
        dialer.send_nowait(Alive())
        assert await acceptor.receive() == Alive()


async def test_both_sides_see_the_others_hello(opener: Opener) -> None:
    async with opener.transport(1) as dialing, opener.transport(2) as accepting:
        dialer = await dialing.dial(
            accepting.addresses, Direction.TO_ACCEPTOR, peer_id=accepting.peer_id, dial_nonce=b"n" * 16
        )
        acceptor = await accepting.accept()
        assert dialer.is_dialer
        assert not acceptor.is_dialer
        assert (dialer.remote.peer_id, acceptor.remote.peer_id) == (key(2).peer_id, key(1).peer_id)
        assert dialer.direction is acceptor.direction is Direction.TO_ACCEPTOR
        assert acceptor.remote.dial_nonce == b"n" * 16
        assert dialer.remote.dial_nonce is None


async def test_without_an_expected_peer_whoever_answers_is_taken(opener: Opener) -> None:
    async with opener.transport(1) as dialing, opener.transport(2) as accepting:
        dialer = await dialing.dial(accepting.addresses, Direction.CONTROL, peer_id=None)
        assert dialer.remote.peer_id == key(2).peer_id


async def test_somebody_else_at_the_address_is_refused(opener: Opener) -> None:
    async with opener.transport(1) as dialing, opener.transport(2) as accepting:
        with pytest.raises(TransportError, match=accepting.addresses[0]):
            await dialing.dial(accepting.addresses, Direction.CONTROL, peer_id=key(3).peer_id)


async def test_a_dial_that_reaches_nobody_names_every_address(opener: Opener) -> None:
    async with opener.transport(1) as dialing:
        async with opener.transport(2) as accepting:
            gone = accepting.addresses
        with pytest.raises(TransportError, match=gone[0]):
            await dialing.dial(gone, Direction.CONTROL, peer_id=None)
        with pytest.raises(TransportError, match="no address"):
            await dialing.dial((), Direction.CONTROL, peer_id=None)


async def test_a_dead_address_does_not_hide_a_good_one(opener: Opener) -> None:
    async with opener.transport(1) as dialing, opener.transport(2) as accepting:
        async with opener.transport(3) as leaving:
            gone = leaving.addresses
        dialer = await dialing.dial((*gone, *accepting.addresses), Direction.CONTROL, peer_id=accepting.peer_id)
        assert dialer.remote.peer_id == accepting.peer_id


async def test_the_same_two_peers_may_have_a_connection_for_each_direction(opener: Opener) -> None:
    async with opener.transport(1) as one, opener.transport(2) as two, trio.open_nursery() as nursery:
        first, first_far = await connect(one, two)
        second, second_far = await connect(two, one)
        nursery.start_soon(send_block, first_far, 1, b"a" * 100_000)
        nursery.start_soon(send_block, second_far, 2, b"b" * 100_000)
        assert await receive_block(first) == (1, b"a" * 100_000)
        assert await receive_block(second) == (2, b"b" * 100_000)
        assert first.id != second.id


# --- secret, agent, required ------------------------------------------------------------------------


async def test_the_same_secret_opens(opener: Opener) -> None:
    async with opener.transport(1, secret=b"open") as dialing, opener.transport(2, secret=b"open") as accepting:
        dialer, acceptor = await connect(dialing, accepting)
        dialer.send_nowait(Alive())
        assert await acceptor.receive() == Alive()


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (b"one", b"two", "different secrets"),
        (None, b"two", "none is set here"),
        (b"one", None, "a secret is set here"),
    ],
)
async def test_secrets_that_differ_are_told_to_the_dialer_and_nobody_is_accepted(
    opener: Opener, ours: bytes | None, theirs: bytes | None, reason: str
) -> None:
    async with opener.transport(1, secret=ours) as dialing, opener.transport(2, secret=theirs) as accepting:
        with pytest.raises(TransportError, match=reason):
            await dialing.dial(accepting.addresses, Direction.CONTROL, peer_id=accepting.peer_id)
        with trio.move_on_after(0.1) as scope:
            await accepting.accept()
        assert scope.cancelled_caught


async def test_an_agent_key_that_signed_the_peer_id_is_believed(opener: Opener) -> None:
    agent = key(9)
    proven = hello_maker(key(1), agent_id=agent.agent_id, agent_proof=prove_agent(agent, key(1).peer_id))
    async with opener.transport(1, make_hello=proven) as dialing, opener.transport(2) as accepting:
        _, acceptor = await connect(dialing, accepting)
        assert acceptor.remote.agent_id == agent.agent_id


@pytest.mark.parametrize(
    "lie",
    [
        {"agent_id": AgentId(bytes(32))},
        {"agent_id": key(9).agent_id},
        {"agent_id": key(9).agent_id, "agent_proof": AgentProof(key(9).public_key, bytes(64))},
        {"agent_id": key(9).agent_id, "agent_proof": prove_agent(key(9), key(3).peer_id)},
        {"agent_id": key(8).agent_id, "agent_proof": prove_agent(key(9), key(1).peer_id)},
        {"required": (4_000,)},
    ],
    ids=["no agent", "another's agent", "no signature", "for another peer", "another agent's key", "required"],
)
async def test_a_hello_that_is_not_true_is_refused_on_both_sides(opener: Opener, lie: dict[str, object]) -> None:
    liar = hello_maker(key(1), **lie)
    async with opener.transport(1, make_hello=liar) as lying, opener.transport(2) as honest:
        with pytest.raises(TransportError):
            await lying.dial(honest.addresses, Direction.CONTROL, peer_id=honest.peer_id)
        with pytest.raises(TransportError):
            await honest.dial(lying.addresses, Direction.CONTROL, peer_id=lying.peer_id)


async def test_another_version_of_the_protocol_is_refused_and_each_side_hears_who_is_to_update(
    opener: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    newer = hello_maker(key(1), v=2)
    async with opener.transport(1, make_hello=newer) as later, opener.transport(2) as earlier:
        with pytest.raises(TransportError, match=r"speaks version 1 .*, and this program version 2") as caught:
            await later.dial(earlier.addresses, Direction.CONTROL, peer_id=earlier.peer_id)
        assert caught.value.hint == "update swarm there"
        with pytest.raises(TransportError, match=r"speaks version 2 .*, and this program version 1") as caught:
            await earlier.dial(later.addresses, Direction.CONTROL, peer_id=later.peer_id)
        assert caught.value.hint == "update swarm here"
        with trio.move_on_after(0.1):
            await earlier.accept()
    told = [record.getMessage() for record in caplog.records if "was refused" in record.getMessage()]
    assert len(told) == 2
    assert "update swarm here" in told[0], "who accepted is the older one"
    assert "update swarm there" in told[1]


async def test_what_a_hello_maker_says_of_its_peer_id_and_nonce_is_not_taken(opener: Opener) -> None:
    careless = hello_maker(key(1), peer_id=key(3).peer_id, nonce=b"same" * 4)
    async with opener.transport(1, make_hello=careless) as dialing, opener.transport(2) as accepting:
        hellos: list[Hello] = []
        for _ in range(2):
            _, acceptor = await connect(dialing, accepting)
            hellos.append(acceptor.remote)
    assert {hello.peer_id for hello in hellos} == {key(1).peer_id}
    assert len({hello.nonce for hello in hellos}) == 2


async def test_a_handlers_exception_kills_neither_host_nor_other_connections(opener: Opener) -> None:
    is_broken = False

    def make(direction: Direction, dial_nonce: bytes | None) -> Hello:
        if is_broken:
            raise ZeroDivisionError("a defect in somebody's hello")
        return hello_maker(key(2))(direction, dial_nonce)

    async with opener.transport(1) as dialing, opener.transport(2, make_hello=make) as accepting:
        dialer, acceptor = await connect(dialing, accepting)
        is_broken = True
        with pytest.raises(TransportError):
            await dialing.dial(accepting.addresses, Direction.CONTROL, peer_id=accepting.peer_id)
        dialer.send_nowait(Alive())
        assert await acceptor.receive() == Alive()
        is_broken = False
        await connect(dialing, accepting)


# --- cancelling -------------------------------------------------------------------------------------


async def test_a_cancelled_receive_loses_no_message(opener: Opener) -> None:
    async with opener.pair() as (dialer, acceptor):
        for number in range(30):
            with trio.move_on_after(0.001):
                await acceptor.receive()
            dialer.send_nowait(Cancel(number))
            with trio.fail_after(5):
                assert await acceptor.receive() == Cancel(number)


async def test_a_cancelled_receive_frame_loses_no_frame(opener: Opener) -> None:
    data = bytes(range(251)) * 20_000
    async with opener.pair() as (dialer, acceptor), trio.open_nursery() as nursery:
        nursery.start_soon(send_block, acceptor, 1, data)
        got = bytearray()
        cancelled = 0
        while len(got) < len(data):
            with trio.move_on_after(0.0002) as scope:
                _, payload = await dialer.receive_frame()
                got += payload
            cancelled += scope.cancelled_caught
        assert bytes(got) == data


# --- ends -------------------------------------------------------------------------------------------


async def _ends(connection: Connection) -> str:
    with trio.fail_after(10):
        while True:
            try:
                await connection.receive()
            except TransportError as error:
                return error.message


async def test_a_closed_connection_says_so_on_both_sides_and_in_every_method(opener: Opener) -> None:
    async with opener.pair() as (dialer, acceptor):
        await dialer.aclose("enough")
        assert await _ends(dialer) == "enough"
        await _ends(acceptor)
        (header, payload), *_ = block_frames(1, b"x")
        with pytest.raises(TransportError):
            dialer.send_nowait(Alive())
        with pytest.raises(TransportError):
            await dialer.receive_frame()
        with pytest.raises(TransportError):
            await acceptor.send_frame(header, payload)
        await dialer.aclose("twice is once")


async def test_who_waits_when_the_connection_ends_is_told(opener: Opener) -> None:
    async with opener.pair() as (dialer, acceptor), trio.open_nursery() as nursery:
        nursery.start_soon(_ends, acceptor)

        async def frame_waiter() -> None:
            with pytest.raises(TransportError):
                await dialer.receive_frame()

        nursery.start_soon(frame_waiter)
        await trio.sleep(0.01)
        await dialer.aclose("now")


async def test_a_graceful_end_loses_nothing_that_was_sent_before(opener: Opener) -> None:
    blocks = [bytes([index]) * 300_000 for index in range(8)]
    async with opener.pair() as (dialer, acceptor), trio.open_nursery() as nursery:

        async def give_all_and_leave() -> None:
            for index, data in enumerate(blocks):
                await send_block(acceptor, index, data)
            for number in range(500):
                acceptor.send_nowait(Cancel(number))
            await acceptor.aclose("leaving", is_graceful=True)

        nursery.start_soon(give_all_and_leave)
        with trio.fail_after(20):
            assert [await receive_block(dialer) for _ in blocks] == list(enumerate(blocks))
            assert [await dialer.receive() for _ in range(500)] == [Cancel(number) for number in range(500)]
        assert "leaving" in await _ends(dialer)


async def test_two_graceful_ends_at_once_both_end(opener: Opener) -> None:
    async with opener.pair() as (dialer, acceptor):
        with trio.fail_after(3):
            async with trio.open_nursery() as nursery:
                for end in (dialer, acceptor):
                    nursery.start_soon(lambda end=end: end.aclose("both", is_graceful=True))


async def test_the_end_of_a_transport_ends_its_connections(opener: Opener) -> None:
    async with opener.transport(1) as dialing:
        async with opener.transport(2) as accepting:
            dialer, _ = await connect(dialing, accepting)
        await _ends(dialer)


async def test_an_outbox_that_nobody_empties_is_bounded_and_ends_the_connection(opener: Opener) -> None:
    async with opener.pair() as (dialer, _):
        for number in range(OUTBOX_MESSAGES):
            dialer.send_nowait(Cancel(number))
        with pytest.raises(TransportError, match="outbox"):
            dialer.send_nowait(Cancel(OUTBOX_MESSAGES))
        assert "outbox" in await _ends(dialer)


async def test_goodbye_and_its_answer_are_never_seen_by_the_user(opener: Opener) -> None:
    async with opener.pair() as (dialer, acceptor):
        seen = []

        async def listen() -> None:
            try:
                while True:
                    seen.append(await acceptor.receive())
            except TransportError:
                return

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            dialer.send_nowait(Alive())
            await dialer.aclose("done", is_graceful=True)
        assert seen == [Alive()]


# --- statistics -------------------------------------------------------------------------------------


async def test_statistics_count_bytes_and_say_when_something_was_heard(opener: Opener) -> None:
    async with opener.pair() as (dialer, acceptor):
        before = dialer.statistics()
        await trio.sleep(0.02)
        await send_block(acceptor, 1, bytes(150_000))
        await receive_block(dialer)
        after = dialer.statistics()
        assert after.bytes_received - before.bytes_received >= 150_000
        assert after.last_received_at > before.last_received_at
        assert acceptor.statistics().bytes_sent >= 150_000
        assert 0 <= after.rtt_s < 1


async def test_what_the_body_raises_comes_out_as_it_is(opener: Opener) -> None:
    """Not in an ExceptionGroup: a command's error is caught by its class."""
    with pytest.raises(ZeroDivisionError):
        async with opener.transport(1):
            raise ZeroDivisionError
