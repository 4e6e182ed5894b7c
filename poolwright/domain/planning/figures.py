"""The numbers of a plan."""

from collections.abc import Iterator, Mapping

from poolwright.domain.planning.deliberation import Deliberation
from poolwright.domain.scaling import Action, ActionKind
from poolwright.domain.states import ServerState

Figure = float | int | str | bool | None


def figures_of(done: Deliberation, actions: tuple[Action, ...]) -> Mapping[str, Figure]:
    """By name; the names and meanings stand with `plan`."""
    return dict(
        [
            *_room_figures(done),
            *_session_figures(done),
            *_server_figures(done),
            *_limit_figures(done),
            *_outcome_figures(done, actions),
        ]
    )


def _room_figures(done: Deliberation) -> Iterator[tuple[str, Figure]]:
    if done.terms.counts_sessions:
        yield "wanted_available_sessions", done.terms.standby[0]
        yield "ready_sessions", done.ready[0]
        yield "coming_sessions", done.coming[0]
        return
    names = ("cores", "memory_mib", "gpus")
    for kind, amount in (("wanted", done.terms.standby), ("ready", done.ready), ("coming", done.coming)):
        for name, value in zip(names, amount, strict=True):
            yield f"{kind}_{name}", round(value, 6)


def _session_figures(done: Deliberation) -> Iterator[tuple[str, Figure]]:
    demand = done.demand
    yield "live_sessions", done.supply.live_sessions
    yield "waiting_sessions", len(done.snapshot.waiting)
    yield "waiting_for_ready", demand.on_running
    yield "waiting_for_coming", demand.on_coming
    yield "waiting_for_undrained", demand.on_drained
    yield "waiting_for_new", demand.ours
    yield "waiting_for_other_configs", sum(demand.elsewhere.values())
    unserved = (demand.without_slot, demand.for_others, demand.too_big, demand.out_of_reach)
    yield "waiting_unserved", sum(map(len, unserved))
    if not done.terms.counts_sessions:
        yield "staging_missing_sessions", sum(need.missing for need in done.snapshot.staging)


def _server_figures(done: Deliberation) -> Iterator[tuple[str, Figure]]:
    supply = done.supply
    yield "servers_total", len(supply.own)
    yield "servers_running", supply.in_state[ServerState.RUNNING]
    yield "servers_coming", len(supply.coming)
    yield "servers_draining", supply.in_state[ServerState.DRAINING]
    yield "servers_failed", supply.in_state[ServerState.FAILED]
    yield "servers_deleting", supply.in_state[ServerState.DELETING]
    yield "servers_retiring", len(done.retirement.retiring)
    yield "servers_marked_for_rollout", done.retirement.marked
    yield "servers_drifted", done.supply.drifted
    yield "servers_not_needed", len(done.shrinkage.wished)


def _limit_figures(done: Deliberation) -> Iterator[tuple[str, Figure]]:
    yield "total_floor", done.terms.floor
    yield "total_ceiling", done.terms.ceiling
    yield "cap_left", done.slots.cap_left
    yield "slots_left", done.slots.count
    yield "recent_failures", done.verdict.recent
    yield "active", done.terms.active
    yield "paused", done.snapshot.paused is not None
    yield "observed", done.terms.autoscale.observe


def _outcome_figures(done: Deliberation, actions: tuple[Action, ...]) -> Iterator[tuple[str, Figure]]:
    kinds = [action.kind for action in actions]
    yield "created", kinds.count(ActionKind.CREATE)
    yield "undrained", kinds.count(ActionKind.UNDRAIN)
    yield "drained", kinds.count(ActionKind.DRAIN)
    yield "deleted", kinds.count(ActionKind.DELETE)
    yield "unmet_servers", done.growth.unmet_servers
