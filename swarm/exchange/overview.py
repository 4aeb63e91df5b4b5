"""A node at a glance: its statistics, read from the parts that keep them."""

from __future__ import annotations

from swarm.exchange.dialling import Dialling
from swarm.exchange.leasing import Leasing
from swarm.exchange.session import Session
from swarm.exchange.state import State
from swarm.exchange.statistics import NodeStatistics, SessionStatistics
from swarm.exchange.tracking import Tracking


def statistics_of(state: State, dialling: Dialling, leasing: Leasing, tracking: Tracking) -> NodeStatistics:
    """A snapshot."""
    return NodeStatistics(
        sessions=tuple(_of_session(session) for session in state.sessions.values()),
        peers=len(state.peers),
        connections=sum(1 for _ in state.peers.links()),
        known=dialling.known_count,
        banned=state.bans.items(),
        slots_out=state.slots_out,
        slots_in=state.slots_in,
        offers=len(state.uplink.offers),
        sending=len(state.uplink.sendings),
        receiving=state.credit.slots_taken,
        store_reads=len(leasing.reads),
        leases=len(leasing.held),
        rate_up=state.up.rate(state.now),
        rate_down=state.down.rate(state.now),
        capacity_up=state.up.capacity(state.now),
        capacity_down=state.down.capacity(state.now),
        rtt_s=state.rtt_s,
        has_tracker=tracking.is_connected,
    )


def _of_session(session: Session) -> SessionStatistics:
    picker = session.picker
    return SessionStatistics(
        version=session.version,
        size=session.size,
        have=session.have.bit_count(),
        lacking=picker.lacking.bit_count(),
        promised=picker.promised.bit_count(),
        orphaned=(picker.free & ~picker.availability.held()).bit_count(),
        neighbours=len(session.neighbours),
        bytes_from_peers=session.bytes_received,
        bytes_from_store=session.bytes_from_store,
        bytes_wasted=session.ledger.bytes_wasted,
    )
