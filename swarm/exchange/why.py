"""What a block waits for, in one sentence with its bound: nothing waits in silence."""

from __future__ import annotations

from swarm.exchange.config import PROMISE_S
from swarm.exchange.leasing import Leasing
from swarm.exchange.session import Session
from swarm.exchange.state import State
from swarm.exchange.tracking import Tracking
from swarm.protocol.ids import VersionId, short


def why(state: State, tracking: Tracking, leasing: Leasing, *, version: VersionId, index: int, now: float) -> str:
    """The state of one block of one version, for people."""
    session = state.sessions.get(version)
    if session is None:
        return "the version is not open here"
    if not 0 <= index < session.size:
        return "there is no such block"
    if session.have >> index & 1:
        return "it is here"
    if not session.want >> index & 1:
        return "it is not wanted"
    return (
        _promised(session, index, now)
        or _reading(leasing, session, index, now)
        or _held(state, session, index)
        or _unheld(state, tracking, session, now)
    )


def _promised(session: Session, index: int, now: float) -> str | None:
    reception = session.ledger.of(index)
    if reception is None:
        return None
    idle = now - max(reception.moved_at, reception.link.moved_at)
    moved = reception.bytes_by_index.get(index, 0)
    return (
        f"asked of {short(reception.link.peer.agent)} {now - reception.asked_at:.1f} s ago, {moved} bytes came, "
        f"the last {idle:.1f} s ago; asked for elsewhere after {PROMISE_S:g} s without any"
    )


def _reading(leasing: Leasing, session: Session, index: int, now: float) -> str | None:
    reading = leasing.reads.get(session.version, index)
    if reading is not None:
        return f"read from the store since {now - reading.began_at:.1f} s, {reading.bytes} bytes came"
    if leasing.held.of(session.version, index) is not None:
        return "leased from the store, and about to be read"
    return None


def _held(state: State, session: Session, index: int) -> str | None:
    holders = session.picker.availability.count(index)
    if not holders:
        return None
    who = "1 neighbour has it" if holders == 1 else f"{holders} neighbours have it"
    if not state.credit.slots_left(state.slots_in, state.longest):
        return f"{who}; all {state.slots_in} receptions are taken by other blocks"
    return f"{who}; waiting for a free slot to be offered"


def _unheld(state: State, tracking: Tracking, session: Session, now: float) -> str:
    since = now - session.news_at
    origins = sum(peer.possessions[session.version].is_origin for peer in session.neighbours.values())
    if origins:
        who = "a seeder is" if origins == 1 else f"{origins} seeders are"
        return f"no neighbour has it; {who} to give it; the last new block was seen {since:.1f} s ago"
    if session.reads_store and tracking.is_connected:
        budget = " (the tracker's origin budget fails closed: what would exceed it is not read)"
        waits = f"waiting for a lease{budget if tracking.fails_closed else ''}"
        return f"no neighbour has it; {waits}; the last new block was seen {since:.1f} s ago"
    if session.reads_store and tracking.fails_closed:
        return (
            "no neighbour has it, and the tracker is away, whose origin budget fails closed: the store is not read "
            f"until it grants leases again; the last new block was seen {since:.1f} s ago"
        )
    if session.reads_store:
        patience = state.policies.patience.owner_s
        return (
            f"no neighbour has it; its owner is to read it from the store, the next in line {patience:g} s "
            f"after the last new block, which was seen {since:.1f} s ago"
        )
    count = len(session.neighbours)
    who = f"none of {count} neighbours has it" if count else "there is no neighbour"
    if tracking.is_connected:
        patience = state.policies.patience.orphans_s
        return f"{who}, and no store to read it from; the tracker is asked for somebody who has it every {patience:g} s"
    return f"{who}, no tracker and no store to ask"
