"""A tiny pure world in which plans come true, round by round: no store, no clock, no provider."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.placement import PlacementRules, assign_queue
from poolwright.domain.planning import plan, sibling_of
from poolwright.domain.resources import PoolType
from poolwright.domain.scaling import (
    Action,
    ActionKind,
    FailureRecord,
    Plan,
    ProviderCap,
    ServerView,
    SessionView,
    SiblingConfig,
    Snapshot,
    WaitingSession,
)
from poolwright.domain.servers import Size
from poolwright.domain.states import COMING, ServerState
from tests.domain.pools import NOW

Config = ServerAutoscale | DockerAgentAutoscale


class World:
    """One pool with its configs. Servers boot in `boot_rounds`; drained ones go when they are empty."""

    def __init__(self, configs: Sequence[Config], cap: int, boot_rounds: int = 2, round_seconds: int = 60) -> None:
        self.configs = sorted(configs, key=lambda config: config.name)
        self.cap = cap
        self.now: datetime = NOW
        self.servers: dict[str, ServerView] = {}
        self.waiting: list[WaitingSession] = []
        self.plans: dict[str, Plan] = {}
        self.boot_fails: Callable[[ServerView], bool] = lambda _: False
        self._boot_rounds = boot_rounds
        self._round = timedelta(seconds=round_seconds)
        self._made = 0
        self._asked = 0
        self._failures = {config.name: FailureRecord() for config in configs}
        self._wanted_since: dict[str, datetime | None] = dict.fromkeys(self._failures)
        self._booted: Counter[str] = Counter()

    def ask(self, user: str, size: Size | None = None) -> None:
        """A person asks for a desktop."""
        self._asked += 1
        session = WaitingSession(id=f"n{self._asked:05}", user=user, requested_at=self.now, size=size or Size())
        self.waiting.append(session)

    def leave(self, user: str) -> None:
        """The person's sessions end."""
        self.waiting = [session for session in self.waiting if session.user != user]
        for server in self.servers.values():
            left = tuple(session for session in server.sessions if session.user != user)
            self._change(server, sessions=left)

    def step(self) -> list[Action]:
        """One round: time passes, servers move on, people are placed, each config decides. Returns what was done."""
        self.now += self._round
        self._move_on()
        self._place()
        done: list[Action] = []
        for config in self.configs:
            made = plan(self.snapshot(config), self.now)
            self.plans[config.name] = made
            self._failures[config.name] = made.failures
            self._wanted_since[config.name] = made.downscale_wanted_since
            for action in made.actions:
                self._apply(config, action)
            done += made.actions
        return done

    def run(self, rounds: int) -> None:
        """So many rounds."""
        for _ in range(rounds):
            self.step()

    def rounds_until_quiet(self, at_most: int, quiet_for: int = 5) -> int | None:
        """Rounds until nothing is done for a while, or None if that does not happen."""
        quiet = 0
        for number in range(at_most + quiet_for):
            busy = self.step() or any(server.state is not ServerState.RUNNING for server in self.servers.values())
            quiet = 0 if busy else quiet + 1
            if quiet == quiet_for:
                return number + 1 - quiet_for
        return None

    def snapshot(self, config: Config) -> Snapshot:
        """What this config sees."""
        return Snapshot(
            autoscale=config,
            pool_type=PoolType(config.type),
            servers=tuple(self.servers.values()),
            waiting=tuple(self.waiting),
            providers=(ProviderCap(vm_provider="cloud", max_instances=self.cap, in_use=len(self.servers)),),
            siblings=tuple(self._sibling(other) for other in self.configs if other is not config),
            failures=self._failures[config.name],
            downscale_wanted_since=self._wanted_since[config.name],
        )

    def of(self, config: Config, *states: ServerState) -> list[ServerView]:
        """The config's servers, all of them or those in these states."""
        own = [server for server in self.servers.values() if server.autoscale == config.name]
        return [server for server in own if not states or server.state in states]

    def _sibling(self, other: Config) -> SiblingConfig:
        return sibling_of(
            other,
            self.now,
            servers=len(self.of(other)),
            provider_slots=max(0, self.cap - len(self.servers)),
            paused=False,
            failures=self._failures[other.name],
        )

    def _move_on(self) -> None:
        for server in list(self.servers.values()):
            if server.state in COMING:
                self._boot(server)
            elif server.state in {ServerState.DELETING, ServerState.FAILED} or (
                server.state is ServerState.DRAINING and not server.sessions
            ):
                del self.servers[server.id]

    def _boot(self, server: ServerView) -> None:
        self._booted[server.id] += 1
        if self._booted[server.id] < self._boot_rounds:
            return
        name = server.autoscale or ""
        if self.boot_fails(server):
            record = self._failures[name]
            failed = {"failed_at": (*record.failed_at, self.now), "reasons": (*record.reasons, "the image is broken")}
            self._failures[name] = record.model_copy(update=failed)
            self._change(server, state=ServerState.FAILED)
        else:
            self._failures[name] = FailureRecord(last_success_at=self.now)
            self._change(server, state=ServerState.RUNNING, running_at=self.now)

    def _place(self) -> None:
        rules = PlacementRules(pool_type=PoolType(self.configs[0].type))
        result = assign_queue(self.waiting, self.servers.values(), rules)
        by_id = {session.id: session for session in self.waiting}
        for session_id, server_id in result.assignments:
            session, server = by_id.pop(session_id), self.servers[server_id]
            view = SessionView(user=session.user, kind=session.kind, size=session.size)
            self._change(server, sessions=(*server.sessions, view), served=server.served + 1)
        self.waiting = list(by_id.values())

    def _apply(self, config: Config, action: Action) -> None:
        if action.kind is ActionKind.CREATE:
            self._create(config)
            return
        server = self.servers[action.server_id or ""]
        if action.kind is ActionKind.DRAIN:
            self._change(server, state=ServerState.DRAINING, drain_reason=action.drain_reason)
        elif action.kind is ActionKind.UNDRAIN:
            self._change(server, state=ServerState.RUNNING, drain_reason=None)
        else:
            self._change(server, state=ServerState.DELETING, sessions=())

    def _create(self, config: Config) -> None:
        self._made += 1
        facts: dict[str, Any] = {
            "id": f"s{self._made:05}",
            "hostname": f"host-{self._made:05}",
            "autoscale": config.name,
            "zone": config.zone,
            "vm_provider": "cloud",
            "state": ServerState.REQUESTED,
            "created_at": self.now,
        }
        if isinstance(config, ServerAutoscale):
            facts |= {"max_sessions": config.max_sessions_per_server, "reusable": config.reusable}
        else:
            facts |= {"size": _agent_size(config)}
        server = ServerView.model_validate(facts)
        self.servers[server.id] = server

    def _change(self, server: ServerView, **changes: object) -> None:
        self.servers[server.id] = self.servers[server.id].model_copy(update=changes)


def _agent_size(config: DockerAgentAutoscale) -> Size:
    return Size(
        cores=config.agent_cores_override,
        memory_mib=config.agent_memory_override_mib,
        gpus=config.agent_gpus_override,
    )
