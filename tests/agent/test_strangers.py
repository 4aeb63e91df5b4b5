"""Strangers who connect and say what they like: nothing of it ends the agent, moves it to obey, or fills its memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.lowlevel
import trio.testing

from swarm.errors import InternalError, TransportError
from swarm.exchange import events as e
from swarm.protocol import messages as m
from swarm.protocol.ids import AgentId, Realm, VersionId
from swarm.protocol.messages import Direction, PeerInfo
from swarm.transport.memory import MemoryTransport
from swarm.transport.transport import OUTBOX_MESSAGES, Connection
from tests.agent.world import Machine, make_data, open_world, raised_by, same_trees


async def dial(stranger: MemoryTransport, machine: Machine, direction: Direction = Direction.CONTROL) -> Connection:
    return await stranger.dial(machine.peer.addresses, direction, peer_id=machine.peer.peer_id)


async def end_of(connection: Connection) -> str:
    """Why the other side closed."""
    with trio.fail_after(10):
        while True:
            try:
                await connection.receive()
            except TransportError as error:
                return error.message


async def test_whoever_says_unasked_that_it_is_a_tracker_is_turned_away(tmp_path: Path) -> None:
    heard: list[e.Event] = []
    async with open_world(tmp_path) as world:
        stranger = await world.stranger(is_tracker=True)
        machine = await world.machine(trace=lambda event, _now, _commands: heard.append(event))
        assert await end_of(await dial(stranger, machine)) == "trackers do not dial"
    assert not any(isinstance(event, e.TrackerConnected | e.PeerConnected) for event in heard)


async def test_an_agent_that_was_named_and_is_somebody_else_is_not_taken_for_it(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    failed: list[AgentId] = []

    def watch(event: e.Event, _commands: object) -> None:
        if isinstance(event, e.DialFailed):
            failed.append(event.agent)

    async with open_world(tmp_path) as world:
        stranger = await world.stranger()
        publication = await world.publish(data, "data:1.0.0")
        machine, seeder = await world.machine(), await world.seeder(publication)
        named = PeerInfo(AgentId(b"n" * 32), stranger.peer_id, stranger.addresses, "", False)
        with machine.agent.watched_by(watch):
            machine.agent.driver.submit(e.PeersFound(None, (named,)))
            machine.meet(seeder)
            await machine.fetch("data:1.0.0", tmp_path / "copy")
    assert failed[:1] == [named.agent_id]
    assert same_trees(data, tmp_path / "copy")


@pytest.mark.parametrize(
    "message",
    [
        m.Welcome(1, b"k" * 32),
        m.HandOut(VersionId(b"v" * 32), ()),
        m.Bitfield(7, b"", None),
        m.Request(1, 1, 1, ((0, 1),)),
        m.Ready(1, 1, (), None),
        m.Haves(((9, ((0, 1),)),)),
        m.Open(1, VersionId(b"v" * 32)),
        m.LeaseGrant(b"lease"),
    ],
    ids=lambda message: type(message).__name__,
)
async def test_nonsense_ends_the_connection_and_nothing_else(tmp_path: Path, message: m.Message) -> None:
    async with open_world(tmp_path) as world:
        stranger = await world.stranger()
        machine = await world.machine()
        connection = await dial(stranger, machine)
        connection.send_nowait(message)
        assert await end_of(connection)
        again = await dial(stranger, machine)
        again.send_nowait(m.ListDatasets(1, None))
        assert isinstance(await answer(again), m.Listing)


async def answer(connection: Connection) -> m.Message:
    with trio.fail_after(5):
        while isinstance(message := await connection.receive(), m.Alive):
            pass
        return message


async def test_a_node_that_fails_on_a_message_loses_that_connection_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(tmp_path) as world:
        one, other = await world.stranger(), await world.stranger()
        machine = await world.machine()
        node = machine.agent.driver.node
        healthy, hit = await dial(one, machine), await dial(other, machine)
        await trio.testing.wait_all_tasks_blocked()
        handle = node.handle

        def fail_on_decline(event: e.Event, now: float) -> object:
            if isinstance(event, e.MessageReceived) and isinstance(event.message, m.Decline):
                raise KeyError("a defect")
            return handle(event, now)

        monkeypatch.setattr(node, "handle", fail_on_decline)
        hit.send_nowait(m.Decline(1, m.DeclineReason.NOTHING))
        assert await end_of(hit) == "internal error"
        healthy.send_nowait(m.ListDatasets(1, None))
        assert isinstance(await answer(healthy), m.Listing)
    assert "the node failed on MessageReceived" in caplog.text


async def test_a_node_that_fails_by_itself_ends_the_agent_with_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raised_by(InternalError) as caught, open_world(tmp_path) as world:
        machine = await world.machine()
        monkeypatch.setattr(machine.agent.driver.node, "handle", lambda _event, _now: 1 / 0)
        machine.agent.driver.submit(e.Ticked())
        await trio.sleep_forever()
    assert "ZeroDivisionError" in str(caught[0])


async def test_a_handler_that_fails_ends_its_link_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(tmp_path) as world:
        stranger = await world.stranger()
        machine = await world.machine()
        monkeypatch.setattr(machine.agent.catalog, "_answering", None)
        connection = await dial(stranger, machine)
        connection.send_nowait(m.ListDatasets(1, None))
        assert await end_of(connection) == "internal error"
        monkeypatch.undo()
        again = await dial(stranger, machine)
        again.send_nowait(m.ListDatasets(1, None))
        assert isinstance(await answer(again), m.Listing)
    assert "failed" in caplog.text


async def test_an_unknown_message_of_ours_is_no_offence(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        stranger = await world.stranger()
        machine = await world.machine()
        connection = await dial(stranger, machine)
        for _ in range(10):
            connection.send_nowait(m.Unsupported(77))
        connection.send_nowait(m.ListDatasets(1, None))
        assert isinstance(await answer(connection), m.Listing)


async def test_who_asks_and_never_reads_is_cut_off_at_the_outbox(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        stranger = await world.stranger()
        machine = await world.machine()
        connection = await dial(stranger, machine)
        await trio.testing.wait_all_tasks_blocked()
        link = next(iter(machine.agent.driver.links))
        with trio.fail_after(30):
            for number in range(2 * OUTBOX_MESSAGES):
                try:
                    connection.send_nowait(m.Publish(number, b"record", (), None))
                except TransportError:
                    break
                if number % 64 == 0:
                    await trio.lowlevel.checkpoint()
            await link.ended.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert not list(machine.agent.driver.links)


async def test_a_message_too_long_for_the_wire_ends_its_link_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(tmp_path) as world:
        stranger = await world.stranger()
        machine = await world.machine()
        connection = await dial(stranger, machine)
        await trio.testing.wait_all_tasks_blocked()
        link = next(iter(machine.agent.driver.links))
        link.send(m.RootReply(1, bytes(2 << 20)))
        assert await end_of(connection) == "internal error"
    assert "RootReply could not be sent" in caplog.text


async def test_readers_of_another_realms_store_are_no_owners_of_our_blocks(tmp_path: Path) -> None:
    connected: list[e.PeerConnected] = []

    def watch(event: e.Event, _commands: object) -> None:
        if isinstance(event, e.PeerConnected):
            connected.append(event)

    async with open_world(tmp_path) as world:
        ours, theirs = await world.machine(reads_store=True), await world.machine(reads_store=True)
        machine = await world.machine()
        theirs.agent.parts.me.realm = Realm(b"x" * 16)
        with machine.agent.watched_by(watch):
            for other in (ours, theirs):
                transport = other.agent.parts.transport
                await transport.dial(machine.peer.addresses, Direction.CONTROL, peer_id=machine.peer.peer_id)
            await trio.sleep(0.05)
    assert [event.reads_store for event in connected] == [True, False]
