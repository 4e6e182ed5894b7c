"""The same demand against one configuration or several."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from poolwright.domain.simulation import (
    Conditions,
    Configuration,
    DemandSession,
    HashedDraws,
    Outcome,
    Scenario,
    ShapedDemand,
    simulate,
)
from starter.configuration.problems import Problem
from starter.configuration.sources import Source, read_sources
from starter.simulation.reading import Change, configuration_of, read_whole, remarks_on

_BEFORE_A_TRACE: Final = timedelta(hours=1)
"""Time in which what is to be kept ready is made, before the first of a trace comes."""
_AFTER_A_TRACE: Final = timedelta(hours=1)
"""Time for those who had to wait, after the last of a trace would have gone."""


class Alternative(NamedTuple):
    """One configuration of those that are compared."""

    name: str
    files: tuple[str, ...]
    configuration: Configuration
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Played:
    """An alternative, and what became of it."""

    alternative: Alternative
    outcome: Outcome


class Demand(NamedTuple):
    """The sessions that are asked for, and the time that is looked at."""

    begin: datetime
    end: datetime
    sessions: Callable[[HashedDraws], Iterable[DemandSession]]
    description: str


def alternatives(files: Sequence[Path], changes: Sequence[Change], others: Sequence[Path]) -> Sequence[Alternative]:
    """The files together, once with each of the changes or as they stand, then each of the others.

    Raises `ConfigurationRefused` or `UnknownSetting`.
    """
    # Read once, as standard input cannot be read again.
    base = read_sources(files)
    found = [_alternative(files, base, change) for change in changes or (None,)]
    found += [_alternative([other], read_sources([other]), None) for other in others]
    return found


def demand_of_shape(shaped: ShapedDemand) -> Demand:
    """All of the shape's days."""
    mean = f", {shaped.mean_minutes:g} minutes on average" if shaped.mean_minutes else ""
    description = f"{shaped.shape}, {shaped.sessions_per_day} sessions a day{mean}"
    return Demand(shaped.begin, shaped.end, shaped.sessions, description)


def demand_of_trace(sessions: Sequence[DemandSession], name: str) -> Demand:
    """From an hour before the first session to an hour after the last would end without any waiting."""
    last = max(session.start + timedelta(seconds=session.length_seconds) for session in sessions)
    begin, end = sessions[0].start - _BEFORE_A_TRACE, last + _AFTER_A_TRACE
    return Demand(begin, end, lambda _: sessions, f"{name}, {len(sessions)} sessions")


def play_all(
    compared: Iterable[Alternative],
    demand: Demand,
    conditions: Conditions,
    seed: int,
    told: Callable[[Alternative, datetime], None] = lambda _alternative, _now: None,
) -> list[Played]:
    """Each of them, with the same luck. `told` hears now and then how far it is. Raises ValueError for a demand that a
    configuration knows no pool or workspace for."""
    played = []
    for alternative in compared:
        draws = HashedDraws(seed)
        scenario = Scenario(
            configuration=alternative.configuration, conditions=conditions, begin=demand.begin, end=demand.end
        )
        outcome = simulate(scenario, _telling(demand.sessions(draws), alternative, told), draws)
        remarks = (*alternative.remarks, *outcome.remarks)
        played.append(Played(alternative, outcome.model_copy(update={"remarks": remarks})))
    return played


def _alternative(
    files: Sequence[Path], read: tuple[Sequence[Source], Sequence[Problem]], change: Change | None
) -> Alternative:
    sources, problems = read
    whole = read_whole(sources, problems, change)
    names = tuple(str(file) for file in files)
    name = str(change) if change is not None else " + ".join(names)
    return Alternative(name, names, configuration_of(whole), remarks_on(whole))


def _telling(
    sessions: Iterable[DemandSession], alternative: Alternative, told: Callable[[Alternative, datetime], None]
) -> Iterator[DemandSession]:
    for number, session in enumerate(sessions):
        if number % 1000 == 0:
            told(alternative, session.start)
        yield session
