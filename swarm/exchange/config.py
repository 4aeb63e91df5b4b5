"""What a node is told once, and the bounds it keeps. Every number has its reason beside it."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.ids import PeerId

DEGREE = 16
"""Neighbours to look for, per version that lacks something: 16 to 32 are within 0.015 of each other (simulated)."""

NEIGHBOURS_MAX = 60
"""Agents connected at once. Others are told `busy`, with the names of some who are not."""

RECEIVE_BYTES_MAX = 48 << 20
"""Bytes promised to us and not yet stored: they are in memory until they are verified."""

TICK_S = 0.1
"""How often idle slots and waiting requests are looked at."""

IDLE_TICK_S = 1.0
"""The same while nobody is connected."""

HAVES_S = 0.25
HAVES_LAST_S = 1.0
HAVES_PARTS = 64
"""News is sent in batches so far apart: a 64th of the time that what is lacking will take, within these bounds. READY
carries the newest. With 0.5 s throughout a last block now and then came half a second late (64 peers, 128 blocks: 1.16
and not 1.13); with a 16th instead 32 peers took 1.110 for 256 blocks and not 1.097. Long versions save by it: 64 peers
with 1,024 blocks ended at 1.046, with 15 messages a block."""

PROMISE_S = 2.0
"""A promised block without a byte for this long is asked for elsewhere."""

STORE_SILENCE_S = 10.0
"""A read from the store without a byte for this long fails: the stores' own time-out (`swarm.store.options`)."""

LATE_S = 10.0
LATE_TIMES = 10.0
"""A block that will need this much longer, and so many times what blocks usually take, is asked for elsewhere where
somebody else has it: bytes that trickle keep a promise alive, but not for ever."""

OFFER_S = 2.0
"""An offer without an answer for this long frees its slot."""

STALLED_SEND_S = 10.0
"""A receiver that takes no byte of what it asked for, for this long, holds a slot for nothing and is dropped."""

LINGER_S = 10.0
"""How long a complete agent stays while a neighbour lacks something."""

LEAVE_S = 5.0
"""What is being sent when the agent wants to end is finished, within this."""

SHARE_WAIT_S = 5.0
"""A seeder whose tracker tells no share for this long gives as if there were none."""

COUNT_S = 3.0
"""How often the tracker hears how far we are."""

LEASES_S = 1.0
"""How often the tracker hears of held leases."""

NEED_PEERS_S = 2.0
"""How often the tracker is asked for more neighbours, while there are too few."""

DIAL_RETRY_FIRST_S = 1.0
DIAL_RETRY_LAST_S = 30.0
"""An agent that could not be reached is tried again, ever more seldom."""

SESSIONS_MAX = 4096
"""Versions open at once: an agent that holds more serves those that are asked for."""

PENDING_OPENS_MAX = 256
"""Opens of versions that are being looked up."""

HANDLES_MAX = 4096
"""Versions that one connection may open."""

OFFENCES_MAX = 3
"""Nonsense on the wire ends a connection; from this often on it ends the acquaintance."""

ADDRESSES_MAX = 4096
"""Agents that are known and not connected, per node."""

OTHERS_MAX = 16
"""Agents named in `busy` and `denied`."""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What a node is told once. `addresses` are ours; `has_tracker` says that one is configured, connected or not;
    `waits_for_lan` that others may be about to be discovered.
    """

    peer_id: PeerId
    addresses: tuple[str, ...] = ()
    has_tracker: bool = False
    waits_for_lan: bool = True
    degree: int = DEGREE
    neighbours_max: int = NEIGHBOURS_MAX
    receive_bytes_max: int = RECEIVE_BYTES_MAX
    linger_s: float = LINGER_S
