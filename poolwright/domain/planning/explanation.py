"""The sentences of a plan: what is done, what is not met, what is not done, and why."""

from collections.abc import Iterator, Sequence

from poolwright.domain.planning.actions import Group
from poolwright.domain.planning.deliberation import Deliberation
from poolwright.domain.planning.shrinking import ready_since
from poolwright.domain.planning.supply import Stock
from poolwright.domain.room import Amount, amount_of
from poolwright.domain.scaling import WaitingSession
from poolwright.domain.wording import agree, counted, duration, listed, moment, size_text


def explain(done: Deliberation, groups: Sequence[Group]) -> tuple[str, ...]:
    """Every sentence, the most important first. There is always at least one."""
    sentences = [*_circumstances(done), *(group.summary for group in groups)]
    outcome = [*_waiting(done), *_unmet(done), *_not_yet(done)]
    if not groups and not outcome:
        outcome = [_nothing_to_do(done)]
    return (*sentences, *outcome, *_drift(done))


def explain_pause(done: Deliberation) -> tuple[str, ...]:
    """The sentences while an operator has paused the config: nothing happens, whatever is needed."""
    waiting = len(done.snapshot.waiting)
    because = done.snapshot.paused or "no reason given"
    paused = f"Paused by an operator: {because.rstrip('.')}. Nothing is created or removed until it is resumed."
    if not waiting:
        return (paused,)
    return (
        paused,
        f"{_waiting_text(waiting)} {agree(waiting, 'gets', 'get')} only room that is there or that other configs make.",
    )


def _circumstances(done: Deliberation) -> Iterator[str]:
    if done.terms.autoscale.observe:
        yield "Only observed: this is what would be done, and none of it is."
    if not done.terms.active:
        yield f"Inactive, so nothing is created and idle {done.terms.noun}s go. {done.terms.why}"
    elif done.terms.autoscale.schedules:
        yield done.terms.why
    if done.verdict.reason is not None:
        yield done.verdict.reason


def _waiting(done: Deliberation) -> Iterator[str]:
    demand, noun = done.demand, done.terms.noun
    if demand.on_running:
        yield f"{_waiting_text(demand.on_running)} {agree(demand.on_running, 'fits', 'fit')} on {noun}s that run."
    if demand.on_coming:
        yield f"{_waiting_text(demand.on_coming)} will be served by {noun}s that are on the way."
    if demand.on_drained:
        yield f"{_waiting_text(demand.on_drained)} will be served by {noun}s that are taken back."
    for name, count in sorted(demand.elsewhere.items()):
        yield f"{_waiting_text(count)} {agree(count, 'is', 'are')} left to {name!r}, whose turn it is to make {noun}s."
    if demand.without_slot:
        count = len(demand.without_slot)
        yield f"{_waiting_text(count)} {agree(count, 'stays', 'stay')} without room: {done.slots.limited_by}."
    if demand.for_others:
        count, others = len(demand.for_others), listed([repr(name) for name in sorted(demand.others)])
        yield (
            f"{_waiting_text(count)} {agree(count, 'stays', 'stay')} without room: only {others} could make {noun}s "
            f"for {agree(count, 'it', 'them')}, and {agree(len(demand.others), 'makes', 'make')} none now."
        )
    for session in _one_of_each(demand.too_big):
        yield (
            f"A waiting session needs {size_text(session.size)}, more than one agent of any config here can hold "
            f"(here: {done.terms.room_text(done.terms.new_server)}): make agents bigger or the workspace smaller."
        )
    for zone in sorted({session.zone or "" for session in demand.out_of_reach}):
        yield f"Sessions wait for zone {zone!r}: the pool has no config there, and that zone does not search others."


def _unmet(done: Deliberation) -> Iterator[str]:
    growth, terms = done.growth, done.terms
    if growth.unmet_servers:
        yield (
            f"{counted(growth.unmet_servers, f'more {terms.noun}')} {agree(growth.unmet_servers, 'is', 'are')} wanted "
            f"to be ready and cannot be made: {done.slots.limited_by}."
        )
    for need in growth.staging_too_big:
        yield (
            f"Staging {need.staging!r} lacks {counted(need.missing, 'session')} of {size_text(need.size)}, more than "
            f"one agent holds ({terms.room_text(terms.new_server)}): they are never staged here."
        )
    if any(growth.unreachable):
        yield (
            f"Of the standby, {_named(growth.unreachable)} cannot be had, as a new agent has none. "
            "Raise the agent override, or set the standby to 0."
        )


def _not_yet(done: Deliberation) -> Iterator[str]:
    noun = done.terms.noun
    if done.rotated.wait:
        count = len(done.rotated.wait)
        yield (
            f"{_names(done.rotated.wait)} {agree(count, 'is', 'are')} to be replaced and "
            f"{agree(count, 'stays', 'stay')} until the room that is wanted runs without {agree(count, 'it', 'them')}."
        )
    shrinkage = done.shrinkage
    if shrinkage.due_at is not None:
        count = len(shrinkage.wished)
        yield (
            f"{counted(count, f'idle {noun}')} {agree(count, 'is', 'are')} not needed ({_names(shrinkage.wished)}); "
            f"if that lasts, {agree(count, 'it goes', 'they go')} from {moment(shrinkage.due_at)} on."
        )
    elif shrinkage.young:
        minimum_life = duration(done.terms.autoscale.minimum_life_seconds)
        first = min(ready_since(server.view) for server in shrinkage.young)
        yield (
            f"Not needed, but younger than the minimum life of {minimum_life}: {_names(shrinkage.young)}, "
            f"the first since {moment(first)}."
        )
    above = shrinkage.over_ceiling - len(shrinkage.wished)
    if above > 0:
        yield (
            f"{counted(above, noun)} more than the ceiling of {done.terms.ceiling} {agree(above, 'stays', 'stay')} "
            f"until {agree(above, 'it is', 'they are')} idle."
        )


def _nothing_to_do(done: Deliberation) -> str:
    terms = done.terms
    ready, wanted = terms.room_text(done.ready), terms.room_text(terms.standby)
    if any(done.coming):
        return f"Ready: {ready}; on the way: {terms.room_text(done.coming)}; wanted: {wanted}. Nothing to do."
    return f"Ready: {ready}; wanted: {wanted}. Nothing to do."


def _drift(done: Deliberation) -> Iterator[str]:
    count = done.supply.drifted
    if count and count > done.retirement.marked:
        yield (
            f"{counted(count, f'running {done.terms.noun}')} {agree(count, 'was', 'were')} made from an older "
            "configuration; a rollout would replace them."
        )


def _waiting_text(count: int) -> str:
    return counted(count, "waiting session")


def _one_of_each(sessions: Sequence[WaitingSession]) -> list[WaitingSession]:
    by_size = {amount_of(session.size): session for session in sessions}
    return [by_size[size] for size in sorted(by_size)]


def _names(stock: Stock) -> str:
    return listed([server.view.hostname for server in stock])


def _named(amount: Amount) -> str:
    nouns = ("core", "MiB of memory", "GPU")
    return listed([counted(value, noun) for value, noun in zip(amount, nouns, strict=True) if value])
