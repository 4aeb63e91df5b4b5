"""The rules of the exchange as values: a test or the simulator can hand a node others, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swarm.exchange.patience import Patience
from swarm.exchange.picker import BlockOrder, RarestFirst
from swarm.exchange.slots import GRANT_S, SLOW_PART, AdaptiveSlots, SlotRule


@dataclass(frozen=True, slots=True)
class Policies:
    """The defaults are the rules of the design; `docs/exchange.md` says why each, with the numbers."""

    order: BlockOrder = field(default_factory=RarestFirst)
    """Which block is picked among those that may be."""

    slot_rule: Callable[[], SlotRule] = AdaptiveSlots
    """How many slots there are above the base; one for each way."""

    slots: int | None = None
    """A fixed base instead of the rule k x block time >= 8 RTT."""

    receive_slots: int | None = None
    """Receptions at once, where they are not to match the uploads."""

    lead_rtts: float = 2.0
    """A slot that will be free within so many round trips is offered already."""

    lead_in_rtts: float = 3.0
    """A reception that will have ended within so many round trips leaves its credit open already."""

    answers: bool = True
    """A round trip is what answers take, with every queue on the way; else what the kernel has seen at the least."""

    grant_s: float = GRANT_S
    """Where blocks are quick a grant is for so many seconds' worth of them; 0 for single ones."""

    credit_step_s: float = 0.002
    """That credit is open is told to as many neighbours at once as there are open slots, to the next ones after so
    long; 0 tells all at once."""

    slow_part: float = SLOW_PART
    """Who gives less than this part of a reception's share of the link is a slow sender, and keeps out only other slow
    ones; 0 lets slow senders keep out everybody."""

    successors: bool = True
    """Who lacks much looks for others beside neighbours that are complete, before those leave."""

    has_share: bool = True
    """An origin names each block itself, once; else it is offered like any neighbour's."""

    borders: bool = True
    """What crosses a site's border crosses it under a lease; else sites mean nothing here."""

    suspects: bool = True
    """An origin gives to last who passes nothing on, and gives what such a one keeps to another."""

    reviews: bool = True
    """An origin gives again what was given, is lacked, and is held by nobody it knows."""

    lingers: bool = True
    """A complete agent stays while a neighbour lacks something."""

    patience: Patience = field(default_factory=Patience)
    """How long to wait before doing what should not be needed."""
