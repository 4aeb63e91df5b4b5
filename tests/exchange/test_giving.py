"""The sender's side: whom a slot is offered to, what is sent, what an origin gives and gives again."""

from __future__ import annotations

from swarm.exchange import commands as c
from swarm.exchange import events as e
from swarm.exchange.bitset import indexes_of
from swarm.exchange.policies import Policies
from swarm.protocol import messages as m
from swarm.protocol.ids import ConnectionId, Index
from tests.exchange.script import LENGTH, VERSION, Script, agent, of, sent


def offers(commands: list[c.Command], *connections: ConnectionId) -> list[tuple[ConnectionId, m.Ready]]:
    return [(each, ready) for each in connections for ready in sent(commands, each, m.Ready)]


def test_a_neighbour_that_lacks_something_is_offered_a_slot() -> None:
    node = Script()
    node.open(have=((0, 8),))
    connection, _ = node.connect(1, sends_blocks=True)
    node.hear(connection, m.Open(0, VERSION))
    node.meet(connection, 0, have=(), want=None)
    ready = sent(node.hear(connection, m.Credit(2, 1 << 20)), connection, m.Ready)
    assert len(ready) == 2
    assert all(each.named is None for each in ready)


def test_nobody_is_offered_what_he_does_not_lack() -> None:
    node = Script()
    node.open(have=((0, 8),))
    whole = node.receiver(1, have=((0, 8),))
    wants_other = node.receiver(2, want=())
    assert offers(node.wait(1.0, alive=[whole, wants_other]), whole, wants_other) == []


def test_closed_credit_is_not_offered_anything_until_it_opens() -> None:
    node = Script()
    node.open(have=((0, 8),))
    connection, _ = node.connect(1, sends_blocks=True)
    node.hear(connection, m.Open(0, VERSION))
    node.meet(connection, 0, have=(), want=None)
    assert offers(node.wait(1.0, alive=[connection]), connection) == []
    assert offers(node.hear(connection, m.Credit(1, 1 << 20)), connection)


def test_never_more_slots_than_the_link_serves_at_once() -> None:
    node = Script()
    node.open(have=((0, 8),))
    receivers = [node.receiver(number) for number in range(1, 6)]
    out = [connection for connection in receivers for _ in sent(node.wait(0.1), connection, m.Ready)]
    assert len(out) <= 2


def test_a_request_binds_the_grant_to_its_blocks() -> None:
    node = Script()
    node.open(have=((0, 8),))
    connection, _ = node.connect(1, sends_blocks=True)
    node.hear(connection, m.Open(0, VERSION))
    node.meet(connection, 0, have=(), want=None)
    ready = sent(node.hear(connection, m.Credit(2, 1 << 20)), connection, m.Ready)[0]
    commands = node.hear(connection, m.Request(7, ready.grant, ready.handle, ((3, 1),)))
    assert of(commands, c.SendBlock) == [c.SendBlock(connection, 7, VERSION, Index(3))]


def test_what_was_never_here_cannot_be_requested() -> None:
    node = Script()
    node.open(have=((0, 4),))
    connection = node.receiver(1)
    grant = 0
    commands = node.hear(connection, m.Request(1, grant, 0, ((6, 1),)))
    assert [each.connection for each in of(commands, c.Disconnect)] == [connection]


def test_a_request_without_a_grant_ends_the_connection() -> None:
    node = Script()
    node.open(have=((0, 8),))
    connection = node.receiver(1)
    commands = node.hear(connection, m.Request(1, 999, 0, ((0, 1),)))
    assert of(commands, c.Disconnect)
    assert not of(commands, c.SendBlock)


def origin(blocks: int = 4) -> Script:
    node = Script(policies=Policies(slots=2))
    node.open(blocks=blocks, have=((0, blocks),), is_origin=True)
    node.wait(4.0)
    return node


def named(commands: list[c.Command], connection: ConnectionId) -> list[tuple[int, int]]:
    """(grant, block) of each offer."""
    found = sent(commands, connection, m.Ready)
    return [(each.grant, each.named[0][0]) for each in found if each.named]


def take(node: Script, connection: ConnectionId, request: int, grant: int, block: int) -> list[c.Command]:
    """The receiver takes what the origin has named, and it is sent."""
    commands = node.hear(connection, m.Request(request, grant, 0, ((block, 1),)))
    assert of(commands, c.SendBlock)
    return node.tell(e.BlockSent(connection, request, VERSION, Index(block), LENGTH))


def test_an_origin_gives_each_block_once() -> None:
    node = origin()
    first = node.receiver(1)
    commands = node.wait(0.2, alive=[first])
    given: list[int] = []
    request = 0
    pending = _all_named(node, first)
    while pending:
        grant, block = pending.pop(0)
        given.append(block)
        pending += named(take(node, first, request, grant, block), first)
        request += 1
    assert commands is not None
    assert sorted(given) == [0, 1, 2, 3]


def _all_named(node: Script, connection: ConnectionId) -> list[tuple[int, int]]:
    """The offers that are out: read from the uplink, since they were made while the neighbour was being met."""
    uplink = node.node._state.uplink
    return [(offer.grant, offer.named.bit_length() - 1) for offer in uplink.offers.values() if offer.named is not None]


def test_a_declined_block_was_never_given() -> None:
    node = origin(blocks=1)
    connection = node.receiver(1)
    [(grant, block)] = _all_named(node, connection)
    node.hear(connection, m.Decline(grant, m.DeclineReason.NOTHING))
    again = [each for _ in range(15) for each in named(node.wait(0.1, alive=[connection]), connection)]
    assert again
    assert again[0][1] == block


def test_a_block_given_whose_only_holder_and_only_receiver_leave_together_is_given_again() -> None:
    """One of the prototype's two permanent stalls (scheduling, section 6)."""
    node = origin(blocks=1)
    first, second = node.receiver(1), node.receiver(2)
    [(grant, block)] = _all_named(node, first)
    holder = next(each for each in (first, second) if _offered_to(node, each))
    take(node, holder, 0, grant, block)
    node.hear(holder, m.Haves(((0, ((block, 1),)),)))
    third = node.receiver(3)
    node.tell(e.PeerDisconnected(holder, "gone"))
    node.tell(e.PeerDisconnected(second if holder == first else first, "gone"))
    again = named(node.wait(8.0, alive=[third]), third)
    assert [each for _, each in again][:1] == [block]


def _offered_to(node: Script, connection: ConnectionId) -> bool:
    return any(offer.channel.link.id == connection for offer in node.node._state.uplink.offers.values())


def test_a_newcomer_after_the_last_neighbour_is_given_everything_anew_at_once() -> None:
    node = origin(blocks=2)
    first = node.receiver(1)
    for request, (grant, block) in enumerate(_all_named(node, first)):
        take(node, first, request, grant, block)
    node.tell(e.PeerDisconnected(first, "done"))
    node.now += 3600
    node.receiver(2)
    assert sorted(block for _, block in _all_named(node, first)) == [0, 1]


def test_of_several_that_were_named_those_that_are_not_taken_were_never_given() -> None:
    node = origin(blocks=2560)  # far quicker than 80 ms each: a grant is for ten of them
    connection = node.receiver(1)
    node.wait(0.2, alive=[connection])
    for request, (grant, block) in enumerate(_all_named(node, connection)):
        take(node, connection, request, grant, block)
    offer = next(iter(node.node._state.uplink.offers.values()))
    assert offer.named is not None
    first, *others = indexes_of(offer.named)
    assert len(others) == 9
    commands = node.hear(connection, m.Request(5, offer.grant, 0, ((first, 1),)))
    assert [command.index for command in of(commands, c.SendBlock)] == [first]
    share = node.node._state.sessions[VERSION].share
    assert share is not None
    still_offered = [each.named or 0 for each in node.node._state.uplink.offers.values()]
    assert all(share.to_give >> block & 1 or any(mask >> block & 1 for mask in still_offered) for block in others)
    assert not share.to_give >> first & 1


def test_a_block_beyond_those_that_were_named_is_nonsense() -> None:
    node = origin(blocks=2560)
    connection = node.receiver(1)
    offer = next(iter(node.node._state.uplink.offers.values()))
    other = next(block for block in range(2560) if not (offer.named or 0) >> block & 1)
    commands = node.hear(connection, m.Request(5, offer.grant, 0, ((other, 1),)))
    assert not of(commands, c.SendBlock)
    assert of(commands, c.Disconnect)


def test_a_cancelled_request_is_no_longer_sent() -> None:
    node = origin(blocks=1)
    connection = node.receiver(1)
    [(grant, block)] = _all_named(node, connection)
    node.hear(connection, m.Request(5, grant, 0, ((block, 1),)))
    commands = node.hear(connection, m.Cancel(5))
    assert of(commands, c.CancelSend) == [c.CancelSend(connection, 5, Index(block))]


def test_a_block_that_can_no_longer_be_read_is_told_to_all() -> None:
    node = Script()
    node.open(have=((0, 8),))
    first, second = node.receiver(1), node.receiver(2)
    commands = node.tell(e.BlocksLost(VERSION, ((2, 1),), m.LostReason.EDITED))
    for connection in (first, second):
        assert sent(commands, connection, m.Lost) == [m.Lost(0, ((2, 1),), m.LostReason.EDITED)]


def test_a_block_whose_only_holder_is_believed_by_nobody_is_given_again() -> None:
    """The first receiver lies: others ban it and still lack the block, and to the origin it looks held."""
    node = origin(blocks=1)
    liar, honest = node.receiver(1), node.receiver(2)
    [(grant, block)] = _all_named(node, liar)
    first, second = (liar, honest) if _offered_to(node, liar) else (honest, liar)
    take(node, first, 0, grant, block)
    node.hear(first, m.Haves(((0, ((block, 1),)),)))
    again = named(node.wait(10.0, alive=[first, second]), second)
    assert [each for _, each in again][:1] == [block]


def test_an_origin_gives_to_last_who_passes_nothing_on() -> None:
    node = origin(blocks=12)
    hoarder, other = node.receiver(1), node.receiver(2)
    kept: list[int] = []
    for request in range(4):
        for grant, block in _all_named(node, hoarder):
            if node.node._state.uplink.offers[grant].channel.link.id == hoarder:
                kept.append(block)
            take_of(node, grant, block, request)
        node.wait(0.1, alive=[hoarder, other])
    node.wait(6.0, alive=[hoarder, other])
    share = node.node._state.sessions[VERSION].share
    assert kept
    assert share is not None
    offers = node.node._state.uplink.offers.values()
    offered = [each.named or 0 for each in offers if each.channel.link.id == other]
    assert all((share.to_give | sum(offered)) >> block & 1 for block in kept)
    assert share.spreading.is_suspect(agent(1), node.now)


def take_of(node: Script, grant: int, block: int, request: int) -> None:
    """Whoever was offered it takes it and says so."""
    connection = node.node._state.uplink.offers[grant].channel.link.id
    take(node, connection, 100 * request + block, grant, block)
    node.hear(connection, m.Haves(((0, ((block, 1),)),)))
