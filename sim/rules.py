"""Rules of the exchange that can be left out, one at a time, to see what each is worth: `--without RULE`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from swarm.exchange.patience import Patience
from swarm.exchange.picker import AnyOrder
from swarm.exchange.policies import Policies
from swarm.exchange.slots import SLOTS_MAX, SLOTS_MIN, FixedSlots

Change = Callable[[Policies], Policies]

RULES: dict[str, Change] = {
    "rarest-first": lambda policies: replace(policies, order=AnyOrder()),
    "two-slots": lambda policies: replace(policies, slots=1),
    "round-trips": lambda policies: replace(policies, slots=SLOTS_MIN),
    "grants": lambda policies: replace(policies, grant_s=0.0),
    "reviews": lambda policies: replace(policies, reviews=False),
    "extra-slots": lambda policies: replace(policies, slot_rule=FixedSlots),
    "receive-limit": lambda policies: replace(policies, receive_slots=SLOTS_MAX),
    "matched-slots": lambda policies: replace(policies, receive_slots=1),
    "slow-senders": lambda policies: replace(policies, slow_part=0.0),
    "successors": lambda policies: replace(policies, successors=False),
    "early-offers": lambda policies: replace(policies, lead_rtts=0.0, lead_in_rtts=0.0),
    "answer-times": lambda policies: replace(policies, answers=False),
    "credit-steps": lambda policies: replace(policies, credit_step_s=0.0),
    "naming": lambda policies: replace(policies, has_share=False),
    "borders": lambda policies: replace(policies, borders=False),
    "suspicion": lambda policies: replace(policies, suspects=False),
    "linger": lambda policies: replace(policies, lingers=False),
    "owners": lambda policies: replace(policies, patience=Patience(owner_s=0.0, lan_s=0.0)),
}


def without(policies: Policies, names: list[str]) -> Policies:
    """The policies with some rules left out. Raises KeyError for a rule that there is not."""
    for name in names:
        policies = RULES[name](policies)
    return policies
