"""The actions of a plan, each with its reason, and one sentence per group of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from poolwright.domain.planning.deliberation import Deliberation
from poolwright.domain.scaling import Action, ActionKind, DrainReason, ServerView
from poolwright.domain.wording import agree, counted, duration, listed, moment


@dataclass(frozen=True, slots=True)
class Group:
    """Actions for one reason."""

    actions: tuple[Action, ...]
    summary: str
    """Sentences for the whole group."""


def groups_of(done: Deliberation) -> tuple[Group, ...]:
    """Every action, in the order in which they are to be done: what must go, what is had back, what is made, what is
    replaced, what is too much."""
    steps = (_delete_overdue, _drain_spent, _undrain, _create, _drain_replaced, _drain_too_many)
    return tuple(group for step in steps for group in step(done))


def _delete_overdue(done: Deliberation) -> Iterator[Group]:
    if not done.supply.overdue:
        return
    limit = done.terms.autoscale.rotation.hard_age_seconds
    actions = tuple(
        Action(
            kind=ActionKind.DELETE,
            server_id=server.id,
            reason=f"Made at {moment(server.created_at)}, it has reached the hard age of {duration(limit or 0)}; "
            f"{counted(len(server.sessions), 'session')} on it {agree(len(server.sessions), 'ends', 'end')}.",
        )
        for server in done.supply.overdue
    )
    names = listed([server.hostname for server in done.supply.overdue])
    yield Group(actions, f"Delete {names}: past the hard age of {duration(limit or 0)}, whoever is on it.")


def _drain_spent(done: Deliberation) -> Iterator[Group]:
    spent = done.supply.spent
    if not spent:
        return
    reason = "It is not reusable, a session on it has ended and none is left."
    names = listed([server.hostname for server in spent])
    yield Group(
        tuple(_drain(server, DrainReason.SPENT, reason) for server in spent),
        f"Drain {names}: not reusable, and used.",
    )


def _undrain(done: Deliberation) -> Iterator[Group]:
    servers = [server.view for server in done.growth.undrain]
    if not servers:
        return
    reason = "Room is short again, and it was drained only because there was too much."
    actions = tuple(Action(kind=ActionKind.UNDRAIN, server_id=server.id, reason=reason) for server in servers)
    yield Group(actions, f"Take {listed([server.hostname for server in servers])} back. {reason}")


def _create(done: Deliberation) -> Iterator[Group]:
    places = done.slots.places()
    for count, reason in _wants(done):
        actions = tuple(
            Action(kind=ActionKind.CREATE, vm_provider=vm_provider, place=place, reason=reason)
            for _, (vm_provider, place) in zip(range(count), places, strict=False)
        )
        where = listed(list(dict.fromkeys(_site_text(action) for action in actions)))
        yield Group(actions, f"Create {counted(count, done.terms.noun)} on {where}. {reason}")


def _wants(done: Deliberation) -> Iterator[tuple[int, str]]:
    growth, terms = done.growth, done.terms
    if growth.for_waiting:
        yield growth.for_waiting, _waiting_reason(done)
    if growth.for_staging:
        missing = sum(need.missing for need in done.snapshot.staging)
        yield growth.for_staging, f"Staging lacks {counted(missing, 'session')}, more than there is room for."
    retiring = len(done.retirement.retiring)
    beside = (
        f" The {counted(retiring, terms.noun)} to be replaced {agree(retiring, 'does', 'do')} not count."
        if retiring
        else ""
    )
    if growth.for_standby:
        ready = f"Ready: {terms.room_text(done.ready)}; on the way: {terms.room_text(done.coming)}"
        yield growth.for_standby, f"{ready}; wanted ready: {terms.room_text(terms.standby)}.{beside}"
    if growth.for_floor:
        yield growth.for_floor, f"At least {counted(terms.floor, terms.noun)} in all are wanted.{beside}"


def _waiting_reason(done: Deliberation) -> str:
    ours = done.demand.ours
    mode = f", and each is to get {'an agent' if done.terms.noun == 'agent' else 'a server'} of its own"
    return (
        f"{counted(ours, 'waiting session')} {agree(ours, 'finds', 'find')} no room on what there is"
        f"{mode if done.terms.autoscale.aggressive else ''}."
    )


def _drain_replaced(done: Deliberation) -> Iterator[Group]:
    for drain_reason, cause in (
        (DrainReason.ROTATION, "has reached its soft age"),
        (DrainReason.ROLLOUT, "is marked for replacement"),
    ):
        servers = [server.view for server, reason in done.rotated.drained if reason is drain_reason]
        if not servers:
            continue
        dips = done.rotated.for_the_slot
        end = (
            "no cap leaves a slot for a replacement, so it goes first although its room is wanted"
            if dips is not None and any(server.id == dips.view.id for server in servers)
            else "enough room runs without it"
        )
        reason = f"It {cause}, and {end}."
        yield Group(
            tuple(_drain(server, drain_reason, reason) for server in servers),
            f"Drain {listed([server.hostname for server in servers])}. {reason}",
        )


def _drain_too_many(done: Deliberation) -> Iterator[Group]:
    servers = [server.view for server in done.shrinkage.drained]
    if not servers:
        return
    terms = done.terms
    if done.shrinkage.over_ceiling:
        reason = f"Idle, and there are {done.shrinkage.over_ceiling} more than the ceiling of {terms.ceiling}."
    else:
        stays, wanted = terms.room_text(done.left), terms.room_text(terms.standby)
        reason = f"Idle and not needed. What stays ready: {stays}; wanted: {wanted}."
    if not terms.active:
        reason = f"Idle, and nothing is kept ready: {terms.why}"
    yield Group(
        tuple(_drain(server, DrainReason.SCALE_DOWN, reason) for server in servers),
        f"Drain {listed([server.hostname for server in servers])}. {reason}",
    )


def _drain(server: ServerView, drain_reason: DrainReason, reason: str) -> Action:
    return Action(kind=ActionKind.DRAIN, server_id=server.id, drain_reason=drain_reason, reason=reason)


def _site_text(action: Action) -> str:
    return f"{action.vm_provider!r}" if action.place is None else f"{action.vm_provider!r} in {action.place}"
