"""What an agent answers to strangers: bounded, one at a time per thread, and never at the price of the agent."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from swarm.agent import answering
from swarm.agent.answering import ANSWERS_MAX
from swarm.protocol import bounds
from swarm.protocol import messages as m
from swarm.protocol.ids import VersionId
from swarm.protocol.records import decode_tag_record
from swarm.transport.transport import Connection
from tests.agent.signing import ALICES, tagged
from tests.agent.test_strangers import answer, dial
from tests.agent.world import Machine, World, make_data, open_world


async def ask(connection: Connection, message: m.Message) -> m.Message:
    connection.send_nowait(message)
    return await answer(connection)


async def meet(world: World) -> tuple[Machine, Connection]:
    machine, stranger = await world.machine(reads_store=True), await world.stranger()
    return machine, await dial(stranger, machine)


def fill(machine: Machine, *names: str, tags: tuple[str, ...] = ("latest",)) -> None:
    for name in names:
        for tag in tags:
            machine.agent.recordbook.keep(name, tag, tagged(tag=tag), ALICES)


async def test_a_tag_comes_with_its_chain_and_the_root_that_is_kept(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=2)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        machine, connection = await meet(world)
        await machine.fetch("data:1.0.0", tmp_path / "copy")
        found = await ask(connection, m.Resolve(7, "data", "1.0.0"))
        assert isinstance(found, m.Resolved)
        assert (found.request, found.root) == (7, publication.version.root_bytes)
        assert decode_tag_record(found.tag_records[0]).root == publication.version.id
        root = await ask(connection, m.RootRequest(8, publication.version.id))
        assert root == m.RootReply(8, publication.version.root_bytes)
        assert await ask(connection, m.RootRequest(9, VersionId(b"x" * 32))) == m.RootReply(9, None)


async def test_what_is_not_known_comes_with_what_is_near(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        machine, connection = await meet(world)
        fill(machine, "data", tags=("stable", "latest"))
        assert await ask(connection, m.Resolve(1, "data", "stabel")) == m.Resolved(1, (), (), None, ("data:stable",))
        assert await ask(connection, m.Resolve(2, "date", None)) == m.Resolved(2, (), (), None, ("data",))


async def test_a_long_list_is_cut_at_a_name_and_goes_on_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "PAGE_BYTES_MAX", 7 * len(tagged()))
    async with open_world(tmp_path) as world:
        machine, connection = await meet(world)
        names = [f"name{number}" for number in range(5)]
        fill(machine, *names, tags=("a", "b", "c"))
        listed: list[int] = []
        after, is_complete = None, False
        while not is_complete:
            page = await ask(connection, m.ListDatasets(1, None, after))
            assert isinstance(page, m.Listing)
            listed.append(len(page.tag_records))
            is_complete = page.is_complete
            after = names[sum(listed) // 3 - 1]
        assert listed == [6, 6, 3]


async def test_a_name_with_more_tags_than_fit_is_cut_at_a_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "PAGE_BYTES_MAX", 3 * len(tagged()) + 10)
    async with open_world(tmp_path) as world:
        machine, connection = await meet(world)
        fill(machine, "data", tags=("a", "b", "c", "d"))
        first = await ask(connection, m.ListDatasets(1, "data"))
        rest = await ask(connection, m.ListDatasets(2, "data", "c"))
        assert isinstance(first, m.Listing)
        assert isinstance(rest, m.Listing)
        assert (len(first.tag_records), first.is_complete) == (3, False)
        assert (len(rest.tag_records), rest.is_complete) == (1, True)


async def test_more_records_than_a_message_may_carry_are_cut(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        machine, connection = await meet(world)
        fill(machine, "data", tags=tuple(f"t{number}" for number in range(bounds.LISTING_RECORDS_MAX + 1)))
        found = await ask(connection, m.Resolve(1, "data", None))
        assert isinstance(found, m.Resolved)
        assert len(found.tag_records) == bounds.LISTING_RECORDS_MAX


async def test_an_answer_too_long_for_the_wire_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_world(tmp_path) as world:
        machine, connection = await meet(world)
        root_of = machine.agent.catalog._answering

        async def endless(_version: VersionId) -> bytes:
            return bytes(2 << 20)

        monkeypatch.setattr(root_of, "_root_of", endless)
        failed = await ask(connection, m.RootRequest(1, VersionId(b"v" * 32)))
        assert failed == m.Failed(1, "unavailable", "this machine cannot say now")
        assert isinstance(await ask(connection, m.ListDatasets(2, None)), m.Listing)


@pytest.mark.parametrize("damage", ["garbage", "unreadable"])
async def test_a_book_that_cannot_be_read_fails_the_question_alone(tmp_path: Path, damage: str) -> None:
    async with open_world(tmp_path) as world:
        machine, connection = await meet(world)
        fill(machine, "data", "other")
        record = machine.agent.parts.home / "records" / "data" / "tags" / "latest"
        if damage == "garbage":
            record.write_bytes(b"garbage")
        else:
            record.unlink()
            record.mkdir()
        failed = await ask(connection, m.Resolve(1, "data", "latest"))
        assert isinstance(failed, m.Failed)
        assert isinstance(await ask(connection, m.Resolve(2, "other", "latest")), m.Resolved)


async def test_too_many_questions_at_once_are_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_world(tmp_path) as world:
        machine, connection = await meet(world)
        go_on = trio.Event()

        async def slow(_version: VersionId) -> None:
            await go_on.wait()

        monkeypatch.setattr(machine.agent.catalog._answering, "_root_of", slow)
        for number in range(ANSWERS_MAX + 1):
            connection.send_nowait(m.RootRequest(number, VersionId(b"v" * 32)))
        assert await answer(connection) == m.Failed(ANSWERS_MAX, "unavailable", "too many questions at once")
        go_on.set()
        for _ in range(ANSWERS_MAX):
            assert isinstance(await answer(connection), m.RootReply)
        monkeypatch.undo()
        assert isinstance(await ask(connection, m.ListDatasets(99, None)), m.Listing)


@pytest.mark.parametrize("question", [m.Publish(1, b"r", (), None), m.Subscribe(1, "data", None)])
async def test_what_is_for_trackers_is_refused_politely(tmp_path: Path, question: m.Message) -> None:
    async with open_world(tmp_path) as world:
        _machine, connection = await meet(world)
        assert await ask(connection, question) == m.Failed(1, "bad", "this is an agent: ask a tracker")


async def test_answers_that_nobody_asked_for_are_ignored(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        _machine, connection = await meet(world)
        for message in (m.Resolved(1, (), (), None), m.RootReply(2, b"root"), m.TagMoved(b"r", None)):
            connection.send_nowait(message)
        assert isinstance(await ask(connection, m.ListDatasets(3, None)), m.Listing)
