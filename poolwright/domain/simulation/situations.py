"""When two decisions must come out the same, so that the second need not be asked for."""

from typing import Final

from poolwright.domain.simulation.records import ConfigState, Units
from poolwright.domain.states import ServerState

Situation = tuple[object, ...]

_CAN_RETIRE: Final = frozenset({ServerState.RUNNING, ServerState.DRAINING})


def situation_of(config: ConfigState, now: int) -> Situation | None:
    """All that a decision of this config can depend on now, with whatever cannot matter taken off; None if that is
    too much to say in short.

    In short it can be said as long as nothing retires, nothing drains that could be had back, no failure counts, and
    nobody waits but plain sessions in a server pool of one config. Then servers on their way are all alike, and so are
    idle ones that have reached their minimum life, or have not. What cannot matter:

    - Room above the standby, beyond what all idle servers together have: they can all go then. While the wish to
      shrink has not lasted long enough, one idle server is as good as many, since none goes.
    - Likewise servers above the floor.
    - Servers on their way, and slots, beyond what anybody could ask for now.
    """
    if not _is_plain(config):
        return None
    waiting = len(config.pool.waiting)
    since = config.downscale_wanted_since
    pending = now < (now if since is None else since) + config.downscale_backoff
    idle = len(config.idle)
    if pending and idle:
        idle = 1
    most_wanted = waiting + config.servers_wanted + 1
    above_floor = len(config.open) - config.terms.floor
    coming = len(config.coming)
    return (
        config.terms_number,
        since is None,
        pending,
        idle,
        0 if pending else config.idle_young,
        min(idle, above_floor),
        _room_above_standby(config, idle, waiting),
        min(most_wanted, coming),
        waiting,
        bool(config.spent),
        _slots(config, most_wanted),
    )


def next_change(config: ConfigState, downscale_wanted_since: int | None, now: int) -> int | None:
    """When time alone changes the decision, in a situation that can be said in short; `downscale_wanted_since` is what
    has just been decided."""
    times = []
    if downscale_wanted_since is not None:
        times.append(downscale_wanted_since + config.downscale_backoff)
        if _too_many_are_young(config):
            young = (server for server in config.idle.values() if server.is_young)
            times += [(server.running_at or 0) + config.minimum_life for server in young]
    retirement = next_retirement(config)
    if retirement is not None:
        times.append(retirement)
    return min((at for at in times if at > now), default=None)


def next_retirement(config: ConfigState) -> int | None:
    """When the next of the running servers retires; None if none does, or all have."""
    if config.first_age is None:
        return None
    ageing = config.ageing
    while ageing and ageing[0].id not in config.servers:
        ageing.popleft()
    ages = (server for server in ageing if server.state in _CAN_RETIRE and server.id in config.servers)
    oldest = next(ages, None)
    return None if oldest is None else oldest.created_at + config.first_age


def _too_many_are_young(config: ConfigState) -> bool:
    """Whether idle servers that are not needed have not reached their minimum life: of all that are not needed these
    go last."""
    if not config.idle_young:
        return False
    spare = min(len(config.idle), len(config.open) - config.terms.floor)
    for room, wanted, one in zip(config.open_room, config.standby, config.new_room, strict=True):
        if one:
            spare = min(spare, (room - wanted) // one)
    return spare > len(config.idle) - config.idle_young


def _is_plain(config: ConfigState) -> bool:
    failures, pool, ceiling = config.failures, config.pool, config.terms.ceiling
    if config.retiring or config.draining or failures.failed_at or failures.pauses:
        return False
    if ceiling is not None and len(config.open) + len(config.coming) > ceiling:
        return False
    if not pool.waiting:
        return True
    return pool.counts_sessions and len(pool.stocks) == 1 and pool.waits_plainly()


def _room_above_standby(config: ConfigState, idle: int, waiting: int) -> Units:
    if config.pool.counts_sessions:
        above, most = config.open_room[0] - config.standby[0], idle * config.new_room[0] + waiting
        return (min(most, above),)
    return tuple(
        min(room - wanted, idle * one)
        for room, wanted, one in zip(config.open_room, config.standby, config.new_room, strict=True)
    )


def _slots(config: ConfigState, most_wanted: int) -> tuple[int, ...]:
    ceiling = config.terms.ceiling
    left = most_wanted if ceiling is None else min(max(0, ceiling - len(config.servers)), most_wanted)
    return (left, *[min(max(0, one.max_instances - one.in_use), most_wanted) for one in config.providers])
