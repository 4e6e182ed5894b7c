"""Simulation: a demand in, waiting times and VM-hours out, with the decisions and placements of production.

`simulate` plays it. The demand comes from a trace (`read_trace`) or has a known shape (`ShapedDemand`); the rest is a
`Scenario`; chance comes from `Draws`.
"""

from poolwright.domain.simulation.demand import DemandSession
from poolwright.domain.simulation.draws import Draws, HashedDraws
from poolwright.domain.simulation.engine import simulate
from poolwright.domain.simulation.results import Outcome
from poolwright.domain.simulation.scenario import BootFailures, Conditions, Configuration, Scenario
from poolwright.domain.simulation.shapes import SHAPES, ShapedDemand
from poolwright.domain.simulation.trace import TraceRefused, read_trace

__all__ = [
    "SHAPES",
    "BootFailures",
    "Conditions",
    "Configuration",
    "DemandSession",
    "Draws",
    "HashedDraws",
    "Outcome",
    "Scenario",
    "ShapedDemand",
    "TraceRefused",
    "read_trace",
    "simulate",
]
