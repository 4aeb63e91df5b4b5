"""What this machine has: the only way to local blocks."""

from swarm.holdings.commit import Committed
from swarm.holdings.holdings import Holdings, open_holdings
from swarm.holdings.plan import Plan
from swarm.holdings.record import HoldingKind, HoldingRecord
from swarm.holdings.removal import Removed
from swarm.holdings.report import Report
from swarm.holdings.space import Space
from swarm.holdings.staging import Staging

__all__ = [
    "Committed",
    "HoldingKind",
    "HoldingRecord",
    "Holdings",
    "Plan",
    "Removed",
    "Report",
    "Space",
    "Staging",
    "open_holdings",
]
