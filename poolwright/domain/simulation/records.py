"""What a simulation remembers: servers, sessions, autoscale configs, pools and VM provider configs as they change.

Everything that decisions and placement need again and again is kept up to date here, so that no event looks at more
than the server that it is about. All times are in the microseconds of the simulation's clock.
"""

from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from operator import attrgetter

from poolwright.domain.autoscale import ConnectionType, DockerAgentAutoscale, Rotation, ServerAutoscale
from poolwright.domain.placement import PlacementRules
from poolwright.domain.planning.terms import Terms
from poolwright.domain.resources import Pool, PoolType
from poolwright.domain.scaling import DrainReason, FailureRecord, WaitingSession
from poolwright.domain.servers import SessionKind, Size
from poolwright.domain.simulation.clock import microseconds
from poolwright.domain.simulation.measuring import PoolMeter
from poolwright.domain.states import ServerState
from poolwright.domain.static_servers import StaticServer

Units = tuple[int, ...]
"""Whole numbers for what `room.Amount` has as fractions: `(sessions,)`, or `(millionths of a core, MiB, GPUs)`."""

CORE = 1_000_000
"""Units of a core. Sums of whole numbers stay exact however many sessions come and go."""

NO_FAILURES = FailureRecord()

ClassKey = tuple[int, Units, int]
"""Servers that only their names tell apart for placement: number of the config, room, sessions (agents)."""


def units_of(size: Size) -> Units:
    """The size of a session or of an agent."""
    return (round(size.cores * CORE), size.memory_mib, size.gpus)


def plus(one: Units, other: Units) -> Units:
    """The sum."""
    if len(one) == 1:
        return (one[0] + other[0],)
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def minus(one: Units, other: Units) -> Units:
    """The difference."""
    if len(one) == 1:
        return (one[0] - other[0],)
    return (one[0] - other[0], one[1] - other[1], one[2] - other[2])


@dataclass(slots=True, eq=False)
class SimulatedSession:
    """One session, from its request to its end."""

    number: int
    pool: "PoolState"
    user: str
    kind: SessionKind
    priority: int
    zone: str | None
    workspace: str | None
    image: str | None
    size: Size
    units: Units
    requested_at: int
    length: int
    server: "SimulatedServer | None" = None
    assigned_at: int = 0
    view: WaitingSession | None = None
    """As placement and planning see it while it waits; made when first needed."""


@dataclass(slots=True, eq=False)
class SimulatedServer:
    """One server, from the decision to create it until its slot is free."""

    id: str
    hostname: str
    host_number: int
    config: "ConfigState"
    vm_provider: "ProviderState | None"
    """None: registered by hand."""
    created_at: int
    state: ServerState = ServerState.BOOTING
    running_at: int | None = None
    drain_reason: DrainReason | None = None
    sessions: dict[int, SimulatedSession] = field(default_factory=dict)
    served: int = 0
    used: Units = ()
    """Room that its sessions take, on docker agents."""
    room: Units = ()
    """What is left for sessions of people who are not on it; nothing unless it runs."""
    class_key: ClassKey | None = None
    """Where placement finds it; None: it takes nobody."""
    is_open: bool = False
    """Runs, and is not spent without sessions."""
    is_young: bool = False
    """Runs, and had not reached its minimum life when last looked at."""
    boot_ended_at: int = 0
    leaving_at: int = 0
    busy_since: int = 0
    busy_microseconds: int = 0


class OpenClass:
    """Servers of one class, the one with the first host name at hand."""

    __slots__ = ("_heap", "members")

    def __init__(self) -> None:
        self.members: dict[str, SimulatedServer] = {}
        self._heap: list[tuple[str, str]] = []

    def add(self, server: SimulatedServer) -> None:
        self.members[server.id] = server
        if len(self._heap) > 2 * len(self.members) + 64:
            self._heap = [(member.hostname, member.id) for member in self.members.values()]
            heapify(self._heap)
        else:
            heappush(self._heap, (server.hostname, server.id))

    def first(self) -> SimulatedServer:
        """The one with the first host name. There must be one."""
        while self._heap[0][1] not in self.members:
            heappop(self._heap)
        return self.members[self._heap[0][1]]

    def first_but(self, excluded: Container[str]) -> "SimulatedServer | None":
        """The one with the first host name among all but these."""
        first = self.first()
        if first.id not in excluded:
            return first
        others = (server for server in self.members.values() if server.id not in excluded)
        return min(others, key=attrgetter("hostname", "id"), default=None)


@dataclass(slots=True, eq=False)
class ProviderState:
    """A VM provider config: what its cap leaves."""

    name: str
    max_instances: int
    in_use: int = 0
    peak: int = 0
    version: int = 0
    """Counts the changes of `in_use`."""


class ConfigState:
    """An autoscale config with its servers, and what its last decision left behind.

    A server that was registered by hand has one of its own, which never decides anything.
    """

    def __init__(
        self,
        number: int,
        autoscale: ServerAutoscale | DockerAgentAutoscale,
        pool: "PoolState",
        providers: tuple[ProviderState, ...],
        terms: Terms,
        static: StaticServer | None = None,
    ) -> None:
        self.number = number
        self.static = static
        self.autoscale = autoscale
        self.name = autoscale.name
        self.pool = pool
        self.providers = providers
        self.terms = terms
        self.terms_number = 0
        """Another one whenever the schedule asks for something else."""
        self.accepts = True
        """False: docker agents of an inactive config, on which nothing new is placed."""
        self.reusable = True
        self.max_sessions = self.max_users = 0
        self.counts_users = False
        if isinstance(autoscale, ServerAutoscale):
            self.reusable = autoscale.reusable
            self.max_sessions, self.max_users = autoscale.max_sessions_per_server, autoscale.max_users_per_server
            self.counts_users = autoscale.connection.type in (ConnectionType.RDP, ConnectionType.SSH)
        self.new_room = _new_room(autoscale)
        """Room of one new server."""
        self.standby: Units = ()
        """Room to keep ready by the terms."""
        self.servers_wanted = 0
        """Servers that standby and floor need at most."""
        self.minimum_life = microseconds(autoscale.minimum_life_seconds)
        self.scaling_period = microseconds(autoscale.scaling_period_seconds)
        self.boot_deadline = microseconds(autoscale.failure.boot_deadline_seconds)
        self.downscale_backoff = microseconds(autoscale.downscale_backoff_seconds)
        self.first_age = _first_age(autoscale.rotation)
        """The age from which a server retires; None: never."""
        self.host_pattern = _host_pattern(autoscale)
        """The pattern of host names with everything filled in but `{id}` and `{n}`."""
        self.take_terms(terms)
        self.servers: dict[str, SimulatedServer] = {}
        """All that are not deleted, in the order of their creation."""
        self.made = 0
        """Servers ever created."""
        self.coming: dict[str, SimulatedServer] = {}
        self.open: dict[str, SimulatedServer] = {}
        """Running, those apart that are spent."""
        self.idle: dict[str, SimulatedServer] = {}
        """Of these, without sessions."""
        self.spent: dict[str, SimulatedServer] = {}
        """Running, not reusable, used and without sessions."""
        self.going: dict[str, SimulatedServer] = {}
        """Draining, failed or deleting."""
        self.open_room: Units = (0,) * len(self.new_room)
        """Room of all that are open."""
        self.draining: dict[str, SimulatedServer] = {}
        """Of these, with sessions left."""
        self.young: deque[SimulatedServer] = deque()
        """Those that had not reached their minimum life when last looked at, in the order in which they do."""
        self.idle_young = 0
        """Idle ones among these."""
        self.ageing: deque[SimulatedServer] = deque()
        """Those below the first age of rotation, oldest first; only if there is a rotation."""
        self.retiring: dict[str, SimulatedServer] = {}
        """Those past it."""
        self.failures = NO_FAILURES
        """Since the last success."""
        self.succeeded_at: int | None = None
        """When the newest server that is known as a success became ready."""
        self.downscale_wanted_since: int | None = None
        self.decided_version = -1
        """The version of everything around it at its last decision."""
        self.is_woken = False
        """It decides in this instant."""
        self.decide_at: int | None = None
        """When it decides again although nothing happens."""
        self.alarms: set[int] = set()
        """Instants at which it looks whether it is to decide."""
        self.quiet_until = 0
        """Wakes by people share the round that is held then."""
        self.round_at: int | None = None
        self.used = 0
        """Microseconds of sessions that are over, times their first unit."""
        self.paid = 0
        """Microseconds of servers that are gone."""

    def take_terms(self, terms: Terms) -> None:
        """What the schedule asks for has changed."""
        self.terms = terms
        self.terms_number += 1
        self.accepts = self.pool.counts_sessions or terms.active
        if len(self.new_room) == 1:
            self.standby = (int(terms.standby[0]),)
        else:
            cores, memory_mib, gpus = terms.standby
            self.standby = (round(cores * CORE), int(memory_mib), int(gpus))
        for_standby = [-(-wanted // one) for wanted, one in zip(self.standby, self.new_room, strict=True) if one]
        self.servers_wanted = max(for_standby) + terms.floor

    def version(self) -> int:
        """Grows whenever anything changes that a decision of this config may depend on, the time apart."""
        version = self.pool.version
        for provider in self.providers:
            version += provider.version
        return version


class PoolState:
    """A pool: its configs, its queue and its people."""

    def __init__(self, number: int, pool: Pool, rules: PlacementRules, meter: PoolMeter) -> None:
        self.number = number
        self.pool = pool
        self.name = pool.name
        self.rules = rules
        self.meter = meter
        self.counts_sessions = pool.type is PoolType.SERVER
        self.queue_expiry = microseconds(pool.queue_expiry_seconds)
        self.configs: list[ConfigState] = []
        """Those that decide."""
        self.stocks: list[ConfigState] = []
        """These, and those of servers that were registered by hand."""
        self.waiting: dict[int, SimulatedSession] = {}
        """In the order of their requests."""
        self.newcomers: list[SimulatedSession] = []
        """Those that came in this instant."""
        self.has_priorities = False
        self.room_grew = False
        """Since the queue was last offered what there is."""
        self.people: dict[str, list[SimulatedSession]] = {}
        """Person -> their sessions that wait or live."""
        self.doubled: set[str] = set()
        """People with more than one of these."""
        self.kept_for: dict[str, str] = {}
        """Person -> server that is kept for them, where the pool says so."""
        self.classes: dict[ClassKey, OpenClass] = {}
        self.signature: tuple[ClassKey, ...] | None = None
        """The classes in order; None: to be put in order again."""
        self.in_use: Units = (0,) if self.counts_sessions else (0, 0, 0)
        """What live sessions take, whatever becomes of their servers."""
        self.wanted: Units = self.in_use
        """What waiting sessions would take."""
        self.servers = 0
        self.version = 0
        """Counts the changes of anything in it."""

    def queue(self) -> list[SimulatedSession]:
        """Who waits, in the order in which they are served."""
        if not self.has_priorities:
            return list(self.waiting.values())
        return sorted(self.waiting.values(), key=queue_order)

    def is_plain(self, session: SimulatedSession) -> bool:
        """To placement the person is like anybody else: they have no other session here, waiting or live, or are in a
        pool in which that makes no difference."""
        return not self.doubled or not self.counts_sessions or session.user not in self.doubled

    def waits_plainly(self) -> bool:
        """Nobody waits but plain sessions."""
        if not self.doubled or not self.counts_sessions:
            return True
        return not any(one.number in self.waiting for user in self.doubled for one in self.people[user])

    def hosts(self, session: SimulatedSession) -> dict[str, SimulatedServer]:
        """The open servers on which the session's person is already."""
        servers = (one.server for one in self.people[session.user])
        return {server.id: server for server in servers if server is not None and server.is_open}

    def kept_server(self, user: str) -> SimulatedServer | None:
        """The server that is kept for this person, if it is still there."""
        server_id = self.kept_for.get(user)
        if server_id is None:
            return None
        found = (stock.servers.get(server_id) for stock in self.stocks)
        return next((server for server in found if server is not None), None)

    def enter(self, session: SimulatedSession) -> None:
        """Somebody asks for a session and waits for a server."""
        self.waiting[session.number] = session
        self.newcomers.append(session)
        self.wanted = plus(self.wanted, session.units)
        sessions = self.people.setdefault(session.user, [])
        sessions.append(session)
        if len(sessions) == 2:
            self.doubled.add(session.user)

    def leave_queue(self, session: SimulatedSession) -> None:
        """The session waits no more."""
        del self.waiting[session.number]
        self.wanted = minus(self.wanted, session.units)

    def leave(self, session: SimulatedSession) -> None:
        """The session is over."""
        sessions = self.people[session.user]
        if len(sessions) == 1:
            del self.people[session.user]
        else:
            sessions.remove(session)
            if len(sessions) == 1:
                self.doubled.remove(session.user)

    def record(self, now: int) -> None:
        """Put the present levels into the time series."""
        in_use = self.in_use[0]
        ready, booting = in_use, 0
        for stock in self.stocks:
            booting += len(stock.coming) * stock.new_room[0]
            if stock.accepts:
                ready += stock.open_room[0]
        self.meter.series.record(now, (in_use + self.wanted[0], ready, booting, self.servers, len(self.waiting)))


def queue_order(session: SimulatedSession) -> tuple[int, int]:
    """Sort key: the higher priority first, then who asked first."""
    return (-session.priority, session.number)


def _first_age(rotation: Rotation) -> int | None:
    age = rotation.hard_age_seconds if rotation.soft_age_seconds is None else rotation.soft_age_seconds
    return None if age is None else microseconds(max(0, age - rotation.pre_warm_seconds))


def _host_pattern(autoscale: ServerAutoscale | DockerAgentAutoscale) -> str:
    known = {"{pool}": autoscale.pool, "{zone}": autoscale.zone, "{autoscale}": autoscale.name}
    pattern = autoscale.hostname_pattern
    for field_name, value in known.items():
        pattern = pattern.replace(field_name, value)
    return pattern


def _new_room(autoscale: ServerAutoscale | DockerAgentAutoscale) -> Units:
    if isinstance(autoscale, DockerAgentAutoscale):
        return (
            round(autoscale.agent_cores_override * CORE),
            autoscale.agent_memory_override_mib,
            autoscale.agent_gpus_override,
        )
    if autoscale.connection.type in (ConnectionType.RDP, ConnectionType.SSH):
        return (min(autoscale.max_sessions_per_server, autoscale.max_users_per_server),)
    return (autoscale.max_sessions_per_server,)
