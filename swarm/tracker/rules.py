"""What a tracker's mind is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swarm.tracker.agents.handout import Degree
from swarm.tracker.leasing.budget import OriginBudget
from swarm.tracker.leasing.pace import Pace
from swarm.tracker.leasing.rules import LeaseRules, Signer, Verifier

SiteOf = Callable[[str, tuple[str, ...]], str]


def _said_site(said: str, addresses: tuple[str, ...]) -> str:  # noqa: ARG001  # a tracker with a table looks at them
    return said


@dataclass(frozen=True, slots=True)
class TrackerRules:
    """What a tracker is told once. `epoch` is when it started, in Unix ms; `unix_s` is the wall clock where `now` is 0.

    `first_number`: of its leases, random, so that a forerunner's do not recur. `presigns`: its driver can make URLs
    for agents without credentials. `site_of`: the site of an agent that says one and has these addresses.
    `is_first_start`: there was no forerunner whose leases could still be out.
    """

    epoch: int
    key: bytes
    sign: Signer
    verify: Verifier
    first_number: int = 1
    unix_s: float = 0.0
    presigns: bool = False
    site_of: SiteOf = _said_site
    is_first_start: bool = False
    degree: Degree = field(default_factory=Degree)
    budget: OriginBudget = field(default_factory=OriginBudget)
    pace: Pace = field(default_factory=Pace)

    @property
    def for_leases(self) -> LeaseRules:
        return LeaseRules(self.epoch, self.sign, self.verify, self.first_number, self.unix_s, self.budget, self.pace)
