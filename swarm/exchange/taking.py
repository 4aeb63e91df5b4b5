"""The receiver's side: an offered slot is answered with the rarest block that nobody has promised, or declined.

A promise ends with its block, with two seconds without a byte, with its sender's death or its connection's end; every
one of these gives the credit back and tells those who were told that it is closed.
"""

from __future__ import annotations

from swarm.exchange.bitset import indexes_of, mask_of, runs_of
from swarm.exchange.commands import ExpectBlocks, ForgetRequest
from swarm.exchange.events import BlockAborted, BlockArrived, BlockRefused, Transfer
from swarm.exchange.ledger import Reception
from swarm.exchange.openings import Openings
from swarm.exchange.peers import Channel, Link
from swarm.exchange.rates import Pace
from swarm.exchange.session import Session
from swarm.exchange.state import State
from swarm.protocol.ids import ConnectionId, Index
from swarm.protocol.messages import Cancel, Credit, Decline, DeclineReason, Ready, Request
from swarm.protocol.runs import is_normal, span


class Taking:
    """Answers offers and keeps the promises. Methods that return a reason have met nonsense on the wire."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._next_request = 0
        self.looks_at = float("-inf")
        """When credit is to be looked at again."""
        self._pace = Pace()
        """Of single receptions, whoever sends."""
        self._openings = Openings()
        self._flying: dict[tuple[ConnectionId, int], tuple[Session, Reception]] = {}
        """Every request in flight, of any version: transfers are reported without theirs."""

    # --- offers ---------------------------------------------------------------------------------

    def on_ready(self, link: Link, message: Ready) -> str | None:
        """A sender has a free slot."""
        state = self._state
        version = link.versions.get(message.handle)
        if version is None or link.sends_blocks:
            return "offered on a handle that is not open"
        session, channel = state.sessions.get(version), link.channels.get(version)
        if session is None or channel is None or channel.is_denied:
            state.send(link, Decline(message.grant, DeclineReason.ENDED))
            return None
        if problem := _problem(message, session):
            return problem
        if message.new_haves and channel.is_met:
            session.peer_has(link.peer, mask_of(message.new_haves), state.now)
        self._answer(channel, session, message)
        return None

    def _answer(self, channel: Channel, session: Session, message: Ready) -> None:
        state, link = self._state, channel.link
        if state.is_leaving or not session.lacks_anything or not channel.is_met:
            state.send(link, Decline(message.grant, DeclineReason.NOTHING))
        elif state.sites.needs_lease(link.peer):
            self._answer_across(channel, session, message.grant)
        elif not self.slots_left(is_slow=self._is_slow(link)):
            self.close_credit(link)
            state.send(link, Decline(message.grant, DeclineReason.NO_CREDIT))
        elif picked := self._pick(session, link, message):
            self._request(channel, session, message.grant, picked)
        else:
            state.send(link, Decline(message.grant, DeclineReason.NOTHING))

    def _answer_across(self, channel: Channel, session: Session, grant: int) -> None:
        """A foreign agent is asked only for what may be taken over the border. What is leased waits for no slot."""
        link = channel.link
        picked = session.picker.pick(self._across(link, session), 1)
        if picked and session.length_of(picked[0]) <= self._state.credit.bytes_left():
            self._request(channel, session, grant, picked)
            return
        self.close_credit(link)
        self._state.send(link, Decline(grant, DeclineReason.NO_CREDIT))

    def _across(self, link: Link, session: Session) -> int:
        """What may be taken from a foreign agent."""
        possession = session.possession(link.peer)
        permitted = self._state.crossings.get(session.version, 0) & session.picker.free
        return permitted & possession.have if possession is not None else 0

    def _slots_across(self, link: Link) -> int:
        sessions = [self._state.sessions.get(version) for version in link.channels]
        return int(any(session is not None and self._across(link, session) for session in sessions))

    def slots_left(self, *, is_slow: bool) -> int:
        """Receptions that may begin now, from a slow sender or another; what ends within the lead no longer counts.

        Slow receptions keep out other slow ones alone: eight of them would keep out everybody for as long as they take
        (64 peers, 13 of them slow, 1,024 cut blocks, seeds 1 to 3, simulated: the 99th percentile of the fast at 0.99
        to 1.05 of their limit, and at 1.01 to 1.13 where slow ones count for all).
        """
        state = self._state
        soon, free = state.now + state.lead_in_s, state.slots_in
        for _, reception in self._flying.values():
            if reception.due <= soon or (not is_slow and self._is_slow(reception.link)):
                free += 1
        return state.credit.slots_left(free, state.longest)

    def _is_slow(self, link: Link) -> bool:
        return 0 < link.pace.rate < self._state.slow_pace

    def _next_end(self) -> float:
        """When the next reception will be about to end."""
        now, lead_s, first = self._state.now, self._state.lead_in_s, float("inf")
        for _, reception in self._flying.values():
            end = reception.due - lead_s
            if now < end < first:
                first = end
        return first

    def _pick(self, session: Session, link: Link, message: Ready) -> list[int]:
        if message.named is not None:
            return list(indexes_of(mask_of(message.named) & session.picker.free))
        possession = session.meet(link.peer)
        picked = session.picker.pick(possession.have, self._state.run_length)
        # Only as many of a run as their bytes allow; the first always fits, or credit would be closed.
        left = self._state.credit.bytes_left() - session.length_of(picked[0]) if picked else 0
        kept = picked[:1]
        for index in picked[1:]:
            left -= session.length_of(index)
            if left < 0:
                break
            kept.append(index)
        return sorted(kept)

    def _request(self, channel: Channel, session: Session, grant: int, picked: list[int]) -> None:
        state, link = self._state, channel.link
        lengths = {index: session.length_of(index) for index in picked}
        mask = sum(1 << index for index in picked)
        session.picker.promise(mask)
        if link.peer.info.is_origin:
            state.entering[session.version] = state.entering.get(session.version, 0) | mask
        number = self._next_request
        self._next_request = (self._next_request + 1) & 0xFFFFFFFF
        self._flying[link.id, number] = session, session.ledger.open(number, link, lengths, state.now)
        state.credit.take(sum(lengths.values()), state.now)
        state.took_slot_in()
        self.wake()
        indexes = tuple(Index(index) for index in picked)
        state.commands.append(ExpectBlocks(link.id, number, session.version, indexes))
        state.send(link, Request(number, grant, channel.handle, runs_of(mask)))

    # --- what becomes of promises ---------------------------------------------------------------

    def on_moved(self, transfers: tuple[Transfer, ...]) -> int:
        """Bytes came; returns how many."""
        state = self._state
        total = 0
        for transfer in transfers:
            total += transfer.bytes
            if flying := self._flying.get((transfer.connection, transfer.request)):
                session, reception = flying
                session.ledger.moved(reception, transfer.index, transfer.bytes, state.now)
        if total:
            state.down.add(total, state.now)
            self.wake()
        return total

    def on_arrived(self, event: BlockArrived) -> None:
        """A block is here; it may also be one that was given up meanwhile."""
        session = self._state.sessions.get(event.version)
        if session is None:
            return
        self._settle(session, event.connection, event.request, event.index, is_arrived=True)
        if event.index < session.size and session.got(event.index, self._state.now):
            session.bytes_received += event.bytes

    def on_aborted(self, event: BlockAborted | BlockRefused) -> None:
        """A promised block will not come."""
        session = self._state.sessions.get(event.version)
        if session is None:
            return
        if self._settle(session, event.connection, event.request, event.index):
            session.picker.unpromise(1 << event.index)
        link = self._state.peers.link(event.connection)
        if isinstance(event, BlockAborted) and event.is_lost and link is not None:
            session.peer_lost(link.peer, 1 << event.index)

    def _settle(
        self, session: Session, connection: ConnectionId, number: int, index: int, *, is_arrived: bool = False
    ) -> bool:
        reception = session.ledger.get(connection, number)
        if reception is None or index not in reception.lengths:
            return False
        count = session.ledger.settle(reception, index)
        if not reception.lengths and is_arrived:
            for pace in (reception.link.pace, self._pace):
                pace.note(reception.total, self._state.now - reception.asked_at)
        reception.moved_at = reception.link.moved_at = self._state.now
        reception.look_ahead()
        self._ended(reception, count)
        return True

    def _ended(self, reception: Reception, count: int) -> None:
        self.wake()
        is_over = not reception.lengths
        self._state.credit.give_back(count, self._state.now, is_slot=is_over)
        if is_over:
            self._flying.pop((reception.link.id, reception.number), None)

    def give_up(self, session: Session, reception: Reception) -> None:
        """Asks elsewhere for what this request promises."""
        session.picker.unpromise(reception.mask)
        link = reception.link
        self._ended(reception, session.ledger.close(reception))
        if self._state.peers.link(link.id) is link:
            self._state.commands.append(ForgetRequest(link.id, reception.number))
            self._state.send(link, Cancel(reception.number))

    def drop(self, link: Link) -> None:
        """A connection is gone, and with it what was asked on it."""
        self._openings.drop(link)
        for session in self._state.sessions.values():
            for reception in session.ledger.of_link(link):
                session.picker.unpromise(reception.mask)
                self._ended(reception, session.ledger.close(reception))

    def close(self, session: Session) -> None:
        """The version is given up."""
        for reception in list(session.ledger):
            self.give_up(session, reception)

    def cancel(self, session: Session, mask: int) -> None:
        """These came otherwise, or are no longer wanted: requests for nothing else are cancelled."""
        for reception in list(session.ledger):
            if not reception.mask & ~mask:
                self.give_up(session, reception)

    def came(self, session: Session, index: int) -> None:
        """The same of one block, which is seldom promised by anybody by now."""
        if session.ledger.of(index) is not None:
            self.cancel(session, 1 << index)

    def tick(self) -> list[Link]:
        """Breaks promises that no byte came for; returns connections whose bytes only trickle."""
        self.wake()
        sessions = list({id(session): session for session, _ in self._flying.values()}.values())
        for session in sessions:
            for reception in session.ledger.overdue(self._state.now):
                self.give_up(session, reception)
        return [
            reception.link
            for session in sessions
            for reception in session.ledger.late(self._state.now, self._pace.rate)
            if not self._state.sites.is_foreign(reception.link.peer)  # what crosses a thin border takes longer
            and all(_is_elsewhere(session, reception.link, index) for index in reception.lengths)
        ]

    # --- credit ---------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something changed that credit depends on, or somebody is to be told of it."""
        self.looks_at = float("-inf")

    def announce_credit(self) -> None:
        """Tells senders who were declined that credit is open again: as many as there are slots, the next ones a step
        later if it still is.

        Called after every event, so it looks only when something has changed or a reception is about to end.
        """
        state = self._state
        if state.now < self.looks_at:
            return
        self.looks_at = self._next_end()
        if state.is_leaving or not self._openings or not state.longest:
            return
        own, step_s = self.slots_left(is_slow=False), state.credit_step_s
        if not own and not state.sites.has_foreign:
            return
        told: list[Link] = []
        for link in self._openings.in_turn(state.now):
            if state.sites.needs_lease(link.peer):
                slots = self._slots_across(link)
            else:
                slots = self.slots_left(is_slow=True) if self._is_slow(link) else own
            if not slots:
                continue
            if step_s and len(told) >= slots:
                self.looks_at = min(self.looks_at, state.now + step_s)
                break
            told.append(link)
            state.send(link, Credit(slots, state.credit.bytes_left()))
        self._openings.tell(told)

    def open_credit(self, link: Link) -> None:
        """A sender that may give something: it believes our credit closed until it is told."""
        self._openings.add(link)
        self.wake()

    def close_credit(self, link: Link) -> None:
        """A sender is being told by declining that our credit is closed."""
        self._openings.declined(link, self._state.now)
        self.wake()

    def check(self) -> None:
        """Raises AssertionError where credit differs from the requests in flight."""
        receptions = [(s, r) for s in self._state.sessions.values() for r in s.ledger]
        assert len(self._flying) == len(receptions)
        for session, reception in receptions:
            assert self._flying[reception.link.id, reception.number] == (session, reception)
            assert self._state.peers.link(reception.link.id) is reception.link
        assert self._state.credit.slots_taken == len(receptions)
        self._openings.check(self._state.peers)


def _problem(message: Ready, session: Session) -> str | None:
    for runs in (message.new_haves, message.named or ()):
        if not is_normal(runs) or span(runs) > session.size:
            return "offered blocks out of the index space"
    return None


def _is_elsewhere(session: Session, link: Link, index: int) -> bool:
    """Whether another neighbour has the block too."""
    possession = session.possession(link.peer)
    is_counted = possession is not None and not possession.is_origin and possession.have >> index & 1
    return session.picker.availability.count(index) > (1 if is_counted else 0)
