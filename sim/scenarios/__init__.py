"""Every scenario by its name; each file holds those of one kind."""

from __future__ import annotations

from sim.scenario import Scenario
from sim.scenarios.crowds import CROWDS
from sim.scenarios.faults import FAULTS
from sim.scenarios.origins import ORIGINS, SITES

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in (*CROWDS, *FAULTS, *ORIGINS, *SITES)}
