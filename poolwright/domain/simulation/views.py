"""What `plan` and `assign_queue` are shown: the simulated pool in the shapes that they see a real one in."""

from collections.abc import Iterable

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.planning.siblings import sibling_of
from poolwright.domain.scaling import (
    ProviderCap,
    ServerView,
    SessionView,
    SiblingConfig,
    Snapshot,
    WaitingSession,
)
from poolwright.domain.servers import Size
from poolwright.domain.simulation.clock import Clock
from poolwright.domain.simulation.records import (
    CORE,
    ConfigState,
    SimulatedServer,
    SimulatedSession,
    Units,
    minus,
)
from poolwright.domain.states import ServerState


class Views:
    """Makes them from models that were checked once: copies with what differs, which costs no further check."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._servers: dict[int, ServerView] = {}
        self._session = SessionView(user="")
        self._waiting = WaitingSession(id="", user="", requested_at=clock.moment(0))
        self._snapshots: dict[int, Snapshot] = {}

    def server(self, server: SimulatedServer) -> ServerView:
        """The server."""
        config = server.config
        pattern = self._servers.get(config.number)
        if pattern is None:
            pattern = self._servers[config.number] = _pattern(config, self._clock)
        sessions = tuple(self._live(session) for session in server.sessions.values())
        return pattern.model_copy(
            update={
                "id": server.id,
                "hostname": server.hostname,
                "vm_provider": None if server.vm_provider is None else server.vm_provider.name,
                "state": server.state,
                "created_at": self._clock.moment(server.created_at),
                "running_at": None if server.running_at is None else self._clock.moment(server.running_at),
                "sessions": sessions,
                "served": server.served,
                "drain_reason": server.drain_reason,
                "accepts_sessions": config.accepts,
            }
        )

    def waiting(self, session: SimulatedSession) -> WaitingSession:
        """The session in the queue."""
        if session.view is None:
            session.view = self._waiting.model_copy(
                update={
                    "id": session_id(session),
                    "user": session.user,
                    "kind": session.kind,
                    "requested_at": self._clock.moment(session.requested_at),
                    "priority": session.priority,
                    "zone": session.zone,
                    "workspace": session.workspace,
                    "image": session.image,
                    "size": session.size,
                }
            )
        return session.view

    def snapshot(self, config: ConfigState, now: int) -> Snapshot:
        """All that a decision of this config may depend on, as production collects it."""
        servers = [server for stock in config.pool.stocks for server in stock.servers.values()]
        return self._snapshot(config, now, servers, config.autoscale)

    def condensed(self, config: ConfigState, now: int) -> Snapshot:
        """The same without the servers that neither can be removed nor take anybody who waits.

        Such a server only adds to sums: its room to what is ready, itself to how many there are. Left out, it is made
        up for in what these sums are held against: the standby, the floor and the ceiling. The plan is the same but for
        its figures and sentences.
        """
        pool = config.pool
        wanted = {session.units for session in pool.waiting.values()}
        kept = {server.id: server for server in config.retiring.values() if server.is_open} | config.idle
        others: list[SimulatedServer] = []
        for key, entered in pool.classes.items() if wanted else ():
            if any(covers(key[1], units) for units in wanted):
                if key[0] == config.number:
                    kept |= entered.members
                else:
                    others += entered.members.values()
        for session in pool.waiting.values() if pool.doubled and pool.counts_sessions else ():
            for server in pool.hosts(session).values():
                if server.config is config:
                    kept[server.id] = server
                else:
                    others.append(server)
        for other in pool.stocks if wanted else ():
            if other is not config:
                others += [*other.coming.values(), *other.going.values()]
        others = list({server.id: server for server in others}.values())
        own = [*config.coming.values(), *config.going.values(), *config.spent.values(), *kept.values()]
        room = config.open_room
        for server in kept.values():
            room = minus(room, server.room)
        return self._snapshot(config, now, [*own, *others], _made_up_for(config, len(config.open) - len(kept), room))

    def _live(self, session: SimulatedSession) -> SessionView:
        return self._session.model_copy(
            update={"user": session.user, "kind": session.kind, "size": session.size},
        )

    def _snapshot(
        self,
        config: ConfigState,
        now: int,
        servers: Iterable[SimulatedServer],
        autoscale: ServerAutoscale | DockerAgentAutoscale,
    ) -> Snapshot:
        pattern = self._snapshots.get(config.number)
        if pattern is None:
            zones = config.pool.rules.zones
            pattern = self._snapshots[config.number] = Snapshot(
                autoscale=config.autoscale,
                pool_type=config.pool.pool.type,
                load_strategy=zones[config.autoscale.zone].load_strategy,
                zones=zones,
                providers=(),
            )
        since, succeeded_at = config.downscale_wanted_since, config.succeeded_at
        success = None if succeeded_at is None else self._clock.moment(succeeded_at)
        return pattern.model_copy(
            update={
                "autoscale": autoscale,
                "servers": tuple(self.server(server) for server in servers),
                "waiting": tuple(self.waiting(session) for session in config.pool.waiting.values()),
                "providers": tuple(
                    ProviderCap(vm_provider=one.name, max_instances=one.max_instances, in_use=one.in_use)
                    for one in config.providers
                ),
                "siblings": self._siblings(config, now) if config.pool.waiting else (),
                "failures": config.failures.model_copy(update={"last_success_at": success}),
                "downscale_wanted_since": None if since is None else self._clock.moment(since),
            }
        )

    def _siblings(self, config: ConfigState, now: int) -> tuple[SiblingConfig, ...]:
        others = [other for other in config.pool.configs if other is not config and other.autoscale.enabled]
        return tuple(
            sibling_of(
                other.autoscale,
                self._clock.moment(now),
                servers=len(other.servers),
                provider_slots=sum(max(0, one.max_instances - one.in_use) for one in other.providers),
                paused=False,
                failures=other.failures,
            )
            for other in sorted(others, key=lambda other: other.name)
        )


def session_id(session: SimulatedSession) -> str:
    """Ids in the order of the numbers."""
    return f"n{session.number:010}"


def covers(have: Units, need: Units) -> bool:
    """There is at least as much as needed of everything."""
    return all(one >= other for one, other in zip(have, need, strict=True))


def _pattern(config: ConfigState, clock: Clock) -> ServerView:
    autoscale, static = config.autoscale, config.static
    view = ServerView(
        id="",
        hostname="",
        autoscale=None if static else autoscale.name,
        zone=autoscale.zone,
        state=ServerState.BOOTING,
        created_at=clock.moment(0),
        max_sessions=config.max_sessions,
        max_users=config.max_users,
        counts_users=config.counts_users,
        reusable=config.reusable,
        images=frozenset(static.images if static else ()),
    )
    if isinstance(autoscale, ServerAutoscale):
        return view
    size = Size(
        cores=autoscale.agent_cores_override,
        memory_mib=autoscale.agent_memory_override_mib,
        gpus=autoscale.agent_gpus_override,
    )
    return view.model_copy(update={"size": size})


def _made_up_for(config: ConfigState, left_out: int, room: Units) -> ServerAutoscale | DockerAgentAutoscale:
    """The config as it is in force now, asking for less by as much as these servers are and have."""
    terms = config.terms
    in_force: dict[str, object] = {
        "enabled": terms.active,
        "schedules": (),
        "max_instances": None,
        "total_floor": terms.floor - left_out,
        "total_ceiling": None if terms.ceiling is None else terms.ceiling - left_out,
    }
    if terms.counts_sessions:
        in_force["minimum_available_sessions"] = terms.standby[0] - room[0]
    else:
        cores, memory_mib, gpus = terms.standby
        in_force |= {
            "standby_cores": cores - room[0] / CORE,
            "standby_memory_mib": memory_mib - room[1],
            "standby_gpus": gpus - room[2],
        }
    return config.autoscale.model_copy(update=in_force)
