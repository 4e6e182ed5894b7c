"""Everything that a decision has found out, for those who put it into actions, numbers and sentences."""

from dataclasses import dataclass
from datetime import datetime

from poolwright.domain.planning.ages import Ages
from poolwright.domain.planning.demand import Demand
from poolwright.domain.planning.failures import FailureVerdict
from poolwright.domain.planning.growth import Growth, Slots
from poolwright.domain.planning.rotation import Retirement, Rotated
from poolwright.domain.planning.shrinking import Shrinkage
from poolwright.domain.planning.supply import Supply
from poolwright.domain.planning.terms import Terms
from poolwright.domain.room import Amount
from poolwright.domain.scaling import Snapshot


@dataclass(frozen=True, slots=True)
class Deliberation:
    """The steps of one decision, each as its module describes it."""

    snapshot: Snapshot
    now: datetime
    terms: Terms
    ages: Ages
    verdict: FailureVerdict
    supply: Supply
    slots: Slots
    demand: Demand
    retirement: Retirement
    growth: Growth
    ready: Amount
    """Room that runs beside what is seated on it, before anything is drained."""
    coming: Amount
    """The same of what is on the way."""
    rotated: Rotated
    shrinkage: Shrinkage
    left: Amount
    """Room that runs after the drains of this decision."""
