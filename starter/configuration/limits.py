"""Numbers that can never be reached: floors and standby above the caps, and schedules that contradict each other."""

from collections.abc import Iterator, Mapping

from poolwright.domain.autoscale import ConnectionType, DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.schedules import ScheduleTargets, check_schedules
from starter.configuration.problems import Path, shown
from starter.configuration.whole import Autoscale, Finding, Subject, Whole

_OF_SERVERS = ("minimum_available_sessions",)
_OF_AGENTS = ("standby_cores", "standby_gpus", "standby_memory_mib")


def unreachable(whole: Whole) -> Iterator[Finding]:
    """Every number that the config's caps or sizes rule out."""
    for autoscale in whole.autoscales():
        for message in check_schedules(autoscale.schedules):
            yield Finding((Subject("autoscale", autoscale.name, ("schedules",)),), message, "")
        caps = _caps(whole, autoscale)
        if caps:
            yield from _above_caps(autoscale, caps)
        yield from _floor_above_ceilings(autoscale)
        yield from _without_effect(autoscale)


def room_per_server(autoscale: ServerAutoscale) -> int:
    """Sessions of different people that one server takes."""
    if autoscale.connection.type in (ConnectionType.RDP, ConnectionType.SSH):
        return min(autoscale.max_sessions_per_server, autoscale.max_users_per_server)
    return autoscale.max_sessions_per_server


def _caps(whole: Whole, autoscale: Autoscale) -> Mapping[str, int]:
    """Every cap on this config's servers by where it is set; empty while a VM provider config is unknown."""
    names = dict.fromkeys((autoscale.vm_provider, *autoscale.fallback_vm_providers))
    providers = [whole.vm_provider(name) for name in names]
    known = [provider for provider in providers if provider is not None]
    if len(known) < len(providers):
        return {}
    where = " and ".join(f"vm_provider {provider.name!r}" for provider in known)
    caps = {f"max_instances of {where}": sum(provider.max_instances for provider in known)}
    if autoscale.max_instances is not None:
        caps["max_instances"] = autoscale.max_instances
    if autoscale.total_ceiling is not None:
        caps["total_ceiling"] = autoscale.total_ceiling
    return caps


def _above_caps(autoscale: Autoscale, caps: Mapping[str, int]) -> Iterator[Finding]:
    for ceiling, path, value in _wishes(autoscale):
        # A schedule's ceiling stands in place of the config's own, be it lower or higher.
        in_force = caps if ceiling is None else {**caps, "total_ceiling": ceiling}
        where, servers = min(in_force.items(), key=lambda cap: cap[1])
        limits = _limits(autoscale, servers)
        limit = limits.get(str(path[-1]) if path[-1] in limits else "total_floor")
        if limit is None or value <= limit:
            continue
        yield Finding(
            subjects=(
                Subject("autoscale", autoscale.name, path),
                *(Subject("vm_provider", name, ("max_instances",)) for name in _providers(autoscale)),
            ),
            what=f"can never be reached: at most {limit:g} fit into the {servers} servers that {where} allows",
            remedy="Lower it, or raise that cap.",
            value=shown(value),
        )


def _floor_above_ceilings(autoscale: Autoscale) -> Iterator[Finding]:
    """The config's own floor in the hours of a schedule that sets a ceiling and no floor of its own."""
    for index, schedule in enumerate(autoscale.schedules):
        targets = schedule.targets or ScheduleTargets()
        if targets.total_ceiling is None or targets.total_floor is not None or targets.hourly_floor:
            continue
        if targets.total_ceiling < autoscale.total_floor:
            yield Finding(
                subjects=(Subject("autoscale", autoscale.name, ("schedules", index, "targets", "total_ceiling")),),
                what=f"is below total_floor of the autoscale config, which is {autoscale.total_floor}",
                remedy="Raise it, or give this schedule a lower total_floor of its own.",
                value=shown(targets.total_ceiling),
            )


def _providers(autoscale: Autoscale) -> tuple[str, ...]:
    return (autoscale.vm_provider, *autoscale.fallback_vm_providers)


def _limits(autoscale: Autoscale, servers: int) -> Mapping[str, float]:
    if isinstance(autoscale, ServerAutoscale):
        return {"total_floor": servers, "minimum_available_sessions": servers * room_per_server(autoscale)}
    return {
        "total_floor": servers,
        "standby_cores": servers * autoscale.agent_cores_override,
        "standby_gpus": servers * autoscale.agent_gpus_override,
        "standby_memory_mib": servers * autoscale.agent_memory_override_mib,
    }


def _wishes(autoscale: Autoscale) -> Iterator[tuple[int | None, Path, float]]:
    """Every number of the config and of its schedules that asks for servers, with the ceiling of its schedule."""
    for key in ("total_floor", *(_OF_SERVERS if isinstance(autoscale, ServerAutoscale) else _OF_AGENTS)):
        yield None, (key,), getattr(autoscale, key)
    for index, schedule in enumerate(autoscale.schedules):
        targets = schedule.targets or ScheduleTargets()
        start: Path = ("schedules", index, "targets")
        for key in ("total_floor", *_OF_SERVERS, *_OF_AGENTS):
            value = getattr(targets, key)
            if value is not None and hasattr(autoscale, key):
                yield targets.total_ceiling, (*start, key), value
        for at, floor in targets.hourly_floor.items():
            yield targets.total_ceiling, (*start, "hourly_floor", at), floor


def _without_effect(autoscale: Autoscale) -> Iterator[Finding]:
    for index, schedule in enumerate(autoscale.schedules):
        for key in (*_OF_SERVERS, *_OF_AGENTS):
            value = getattr(schedule.targets, key, None)
            if value is not None and not hasattr(autoscale, key):
                yield Finding(
                    subjects=(Subject("autoscale", autoscale.name, ("schedules", index, "targets", key)),),
                    what=f"has no effect on an autoscale config of type {autoscale.type}",
                    remedy="Leave it out.",
                    value=shown(value),
                )
    if isinstance(autoscale, DockerAgentAutoscale) and autoscale.standby_gpus and not autoscale.agent_gpus_override:
        yield Finding(
            subjects=(Subject("autoscale", autoscale.name, ("standby_gpus",)),),
            what="can never be reached: agent_gpus_override is 0, so no agent counts as having a GPU",
            remedy="Set agent_gpus_override to the GPUs of one agent, or standby_gpus to 0.",
            value=shown(autoscale.standby_gpus),
        )
