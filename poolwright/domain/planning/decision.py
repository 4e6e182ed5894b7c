"""The scaling decision: `plan`."""

from collections.abc import Iterator
from datetime import datetime

from poolwright.domain.planning.actions import groups_of
from poolwright.domain.planning.ages import ages_at
from poolwright.domain.planning.deliberation import Deliberation
from poolwright.domain.planning.demand import demand_of
from poolwright.domain.planning.explanation import explain, explain_pause
from poolwright.domain.planning.failures import judge_failures
from poolwright.domain.planning.figures import figures_of
from poolwright.domain.planning.growth import growth_of, slots_of
from poolwright.domain.planning.rotation import ready_room, retirement_of, rotate
from poolwright.domain.planning.shrinking import shrinkage_of
from poolwright.domain.planning.supply import room_of, supply_of
from poolwright.domain.planning.terms import terms_at
from poolwright.domain.scaling import Plan, Snapshot


def plan(snapshot: Snapshot, now: datetime) -> Plan:
    """What to do now for one autoscale config, and why nothing more and nothing less.

    Pure and total: the same snapshot and time give the same plan, whatever the order of the servers. `now` has a time
    zone. The caller acts on the plan unless the config is observed; a paused config's plan has no actions.

    The numbers of a plan. Room is what is left beside live and waiting sessions; counts are of this config unless the
    pool is named.

    | name | meaning |
    |---|---|
    | `wanted_available_sessions` | server pools: room to keep ready, by the schedule if it says |
    | `ready_sessions` | room on running servers, before this plan |
    | `coming_sessions` | room on servers on their way |
    | `wanted_cores`, `wanted_memory_mib`, `wanted_gpus` | docker agents: standby, on top of staging |
    | `ready_cores`, ..., `coming_cores`, ... | the same for agents, beside what is to be staged |
    | `staging_missing_sessions` | docker agents: sessions to stage |
    | `live_sessions` | sessions on this config's servers |
    | `waiting_sessions` | sessions that wait in the pool; the next six add up to it |
    | `waiting_for_ready` | fit on running servers of the pool |
    | `waiting_for_coming` | fit on servers of the pool on their way |
    | `waiting_for_undrained` | fit on servers of the pool that are taken back from draining |
    | `waiting_for_new` | this config makes servers for them |
    | `waiting_for_other_configs` | another config of the pool makes servers for them |
    | `waiting_unserved` | nobody may or can make a server for them |
    | `servers_total` | not deleted: what the caps count |
    | `servers_running`, `servers_coming`, `servers_draining`, ... | of these, by state |
    | `servers_retiring` | running, and their replacement is due |
    | `servers_marked_for_rollout` | running, marked and not yet drained |
    | `servers_drifted` | running, of an older configuration |
    | `servers_not_needed` | idle and too many, whether they go now or later |
    | `total_floor`, `total_ceiling` | in force now; the ceiling with `max_instances` in it, or None |
    | `cap_left` | servers that all caps together still allow |
    | `slots_left` | servers that may be made now: less than `cap_left` in a pause or without capacity |
    | `recent_failures` | failures that count against the budget |
    | `active`, `paused`, `observed` | schedule and `enabled`; by an operator; observe mode |
    | `created`, `undrained`, `drained`, `deleted` | actions of this plan |
    | `unmet_servers` | servers for staging, standby and floor that no slot is left for |
    """
    done = _deliberate(snapshot, now)
    groups = () if snapshot.paused is not None else groups_of(done)
    actions = tuple(action for group in groups for action in group.actions)
    paused = snapshot.paused is not None
    return Plan(
        at=now,
        numbers=figures_of(done, actions),
        actions=actions,
        reasons=explain_pause(done) if paused else explain(done, groups),
        failures=done.verdict.record,
        downscale_wanted_since=None if paused else done.shrinkage.since,
        next_decision_at=min((at for at in _known_changes(done) if at > now), default=None),
    )


def _deliberate(snapshot: Snapshot, now: datetime) -> Deliberation:
    terms = terms_at(snapshot.autoscale, now)
    ages = ages_at(terms.autoscale.rotation, now)
    verdict = judge_failures(snapshot.failures, terms.autoscale.failure, now)
    supply = supply_of(snapshot, terms, ages)
    slots = slots_of(snapshot, terms, supply, verdict, now)
    demand = demand_of(snapshot, terms, supply, slots.count)
    retirement = retirement_of(supply, ages)
    growth = growth_of(snapshot, terms, supply, retirement.fresh, demand, slots)
    ready = ready_room(supply, retirement, terms)
    before = ready.room
    coming = room_of(supply.coming, terms)
    rotated = rotate(terms, supply, retirement, ready, slots, growth)
    shrinkage = shrinkage_of(snapshot, terms, supply, retirement, rotated, ready, now)
    return Deliberation(
        snapshot=snapshot,
        now=now,
        terms=terms,
        ages=ages,
        verdict=verdict,
        supply=supply,
        slots=slots,
        demand=demand,
        retirement=retirement,
        growth=growth,
        ready=before,
        coming=coming,
        rotated=rotated,
        shrinkage=shrinkage,
        left=ready.room,
    )


def _known_changes(done: Deliberation) -> Iterator[datetime]:
    """Moments from which the same servers and sessions would lead to another decision."""
    if done.terms.next_change is not None:
        yield done.terms.next_change
    if done.verdict.paused_until is not None:
        yield done.verdict.paused_until
    for cap in done.snapshot.providers:
        yield from cap.unavailable_until.values()
    crossing = done.ages.next_crossing(done.supply.own, done.now)
    if crossing is not None:
        yield crossing
    if done.shrinkage.due_at is not None:
        yield done.shrinkage.due_at
    if done.shrinkage.grown_at is not None:
        yield done.shrinkage.grown_at
