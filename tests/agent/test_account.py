"""The account of a fetch adds up, whatever came from wherever, once or again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.agent.account import Account, money
from swarm.agent.notices import Receipt
from swarm.exchange import events as e
from swarm.protocol.ids import AgentId, ConnectionId, Index, PeerId, VersionId
from swarm.protocol.index_space import IndexSpace
from swarm.protocol.messages import PeerInfo
from tests.agent.world import KIB, Machine, World, make_data, open_world

VERSION, OTHER = VersionId(b"v" * 32), VersionId(b"o" * 32)
PAGES, SIZE = 2, 8


class Space(IndexSpace):
    """Two pages and six blocks."""

    def __init__(self) -> None:
        self.size = SIZE

    def is_page(self, index: int) -> bool:
        return index < PAGES


def peer(number: int, *, is_origin: bool = False) -> PeerInfo:
    return PeerInfo(AgentId(bytes([number]) * 32), PeerId(f"peer{number}"), (), "", is_origin)


NEAR, FAR, SEEDER = ConnectionId(1), ConnectionId(2), ConnectionId(3)
PEERS = {NEAR: peer(1), FAR: peer(2), SEEDER: peer(3, is_origin=True)}


def account() -> Account:
    return Account(VERSION, Space(), PEERS.get, lambda info: info.peer_id in ("peer1", "peer3"))


def length(index: int) -> int:
    return 100 + index


def arrived(connection: ConnectionId, index: int, version: VersionId = VERSION) -> e.BlockArrived:
    return e.BlockArrived(connection, 0, version, Index(index), length(index))


def read(index: int, version: VersionId = VERSION) -> e.StoreRead:
    return e.StoreRead(version, Index(index), length(index))


INDEXES = st.integers(0, SIZE - 1)
EVENTS = st.one_of(
    st.builds(
        arrived, st.sampled_from([NEAR, FAR, SEEDER, ConnectionId(9)]), INDEXES, st.sampled_from([VERSION, OTHER])
    ),
    st.builds(read, INDEXES, st.sampled_from([VERSION, OTHER])),
)


@given(st.lists(EVENTS, max_size=40))
def test_each_block_counts_once_where_it_came_from_first(events: list[e.BlockArrived | e.StoreRead]) -> None:
    found, here, came = account(), set[int](), 0
    for event in events:
        found.record(event, [])
        if event.version == VERSION:
            here.add(event.index)
            came += event.bytes
    assert found.bytes_peer + found.bytes_origin == sum(length(index) for index in here if index >= PAGES)
    assert found.bytes_manifest == sum(length(index) for index in here if index < PAGES)
    assert found.bytes_came + found.bytes_useless == came
    assert found.bytes_peer == found.bytes_lan + found.bytes_elsewhere
    assert found.bytes_origin == found.bytes_seeder + found.bytes_store
    assert found.bytes_read >= found.bytes_store


@pytest.mark.parametrize(
    ("event", "source"),
    [
        (arrived(NEAR, 5), "bytes_lan"),
        (arrived(FAR, 5), "bytes_elsewhere"),
        (arrived(SEEDER, 5), "bytes_seeder"),
        (read(5), "bytes_store"),
        (read(1), "bytes_manifest"),
        (arrived(NEAR, 1), "bytes_manifest"),
    ],
)
def test_each_source_has_its_own_sum(event: e.BlockArrived | e.StoreRead, source: str) -> None:
    """A seeder counts as one also where it is near."""
    found = account()
    found.record(event, [])
    sources = ("bytes_lan", "bytes_elsewhere", "bytes_seeder", "bytes_store", "bytes_manifest")
    assert {name: getattr(found, name) for name in sources if getattr(found, name)} == {source: length(event.index)}


def test_a_read_moves_bytes_while_it_lasts_and_each_of_them_once() -> None:
    found = account()
    for so_far in (10, 10, 70):
        found.record(e.Progressed((), (), (), ((VERSION, Index(5), so_far), (OTHER, Index(5), 1000))), [])
    assert found.moved == 70
    found.record(read(5), [])
    assert found.moved == length(5)
    found.record(e.Progressed((), (), (), ((VERSION, Index(6), 50),)), [])
    found.record(e.StoreFailed(VERSION, Index(6), "slow_down", ""), [])
    found.record(e.Progressed((), (), (), ((VERSION, Index(6), 20),)), [])
    assert found.moved == length(5) + 70, "what came in vain has come too"


def test_money_needs_a_price() -> None:
    assert money(10**9, None) is None
    assert money(2 * 10**9, 0.09) == pytest.approx(0.18)
    assert money(0, 0.09) == 0.0


# --- receipts ------------------------------------------------------------------------------------


def adds_up(receipt: Receipt) -> None:
    assert receipt.bytes == receipt.bytes_local + receipt.bytes_peer + receipt.bytes_origin
    assert receipt.bytes_origin == receipt.bytes_seeder + receipt.bytes_store
    assert receipt.bytes_lan <= receipt.bytes_peer
    assert receipt.origin_copies == pytest.approx(receipt.bytes_origin / receipt.bytes)
    came = receipt.bytes_peer + receipt.bytes_origin + receipt.bytes_manifest
    assert receipt.store_alone_bytes == came
    assert 0 <= receipt.saved_bytes <= came
    assert receipt.link_share is None or 0 < receipt.link_share <= 1
    assert (receipt.link_share is None) == (receipt.link_rate is None)
    assert 0 < receipt.seconds_exchange <= receipt.seconds


async def test_a_receipt_adds_up_wherever_the_data_came_from(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", files=4, size=200 * KIB)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder = await world.seeder(publication)
        from_store = await fetched(world, tmp_path, reads_store=True)
        from_seeder = await fetched(world, tmp_path, seeder)
        near = await world.machine(reads_store=True)
        await near.fetch("data:1.0.0", tmp_path / "near")
        from_peer = await fetched(world, tmp_path, near)
        from_neighbour = await fetched(world, tmp_path, near, is_near=True)
    receipts = {"store": from_store, "seeder": from_seeder, "peer": from_peer, "near": from_neighbour}
    for receipt in receipts.values():
        adds_up(receipt)
        assert receipt.bytes_wasted == 0
    whole = publication.version.root.totals.block_bytes
    assert {name: (r.bytes_lan, r.bytes_peer, r.bytes_seeder, r.bytes_store) for name, r in receipts.items()} == {
        "store": (0, 0, 0, whole),
        "seeder": (0, 0, whole, 0),
        "peer": (0, whole, 0, 0),
        "near": (whole, whole, 0, 0),
    }
    assert from_store.saved_bytes == 0
    assert from_peer.saved_bytes == from_peer.store_alone_bytes
    assert from_peer.saved == pytest.approx(from_peer.store_alone_bytes / 1e9 * 0.09) == from_peer.store_alone_cost
    assert from_store.saved == 0.0


async def fetched(
    world: World, path: Path, other: Machine | None = None, *, reads_store: bool = False, is_near: bool = False
) -> Receipt:
    machine = await world.machine(reads_store=reads_store)
    if is_near:
        machine.agent.is_near = bool  # type: ignore[assignment,method-assign]
    if other is not None:
        machine.meet(other)
    return await machine.fetch("data:1.0.0", path / f"copy-{id(machine)}", price_per_gb=0.09)


@pytest.mark.slow
async def test_a_limited_link_is_used_for_almost_all_that_it_has_shown(tmp_path: Path) -> None:
    """Two seconds at a limit: the limit is what the link has shown."""
    from swarm.agent.pacing import Limits, Pacer  # noqa: PLC0415

    data = make_data(tmp_path / "data", files=4, size=400 * KIB)
    async with open_world(tmp_path) as world:
        publication = await world.publish(data, "data:1.0.0")
        seeder = await world.seeder(publication)
        consumer = await world.machine(limits=Limits(download=Pacer(300 * KIB)))
        consumer.meet(seeder)
        receipt = await consumer.fetch("data:1.0.0", tmp_path / "copy")
    adds_up(receipt)
    assert receipt.link_rate is not None
    assert 0.5 * 300 * KIB <= receipt.link_rate <= 300 * KIB
    assert receipt.link_share is not None
    assert receipt.link_share > 0.5
