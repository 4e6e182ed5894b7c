"""Keeping the numbers of a config and the classes of a pool in step with every change of a server.

Each function is about one server and takes the same time whatever the size of the pool.
"""

from poolwright.domain.simulation.records import (
    ClassKey,
    ConfigState,
    OpenClass,
    SimulatedServer,
    SimulatedSession,
    Units,
    minus,
    plus,
)
from poolwright.domain.states import ServerState


def add_coming(server: SimulatedServer) -> None:
    """The server has been created."""
    config = server.config
    config.servers[server.id] = config.coming[server.id] = server
    server.room = server.used = (0,) * len(config.new_room)
    if config.first_age is not None:
        config.ageing.append(server)
    config.pool.servers += 1


def add_static(server: SimulatedServer) -> None:
    """The server was registered by hand, and runs."""
    config = server.config
    config.servers[server.id] = server
    server.room = server.used = (0,) * len(config.new_room)
    server.state = ServerState.RUNNING
    open_up(server)


def open_up(server: SimulatedServer) -> None:
    """The server runs and takes sessions, for the first time or again."""
    config = server.config
    config.coming.pop(server.id, None)
    config.going.pop(server.id, None)
    config.draining.pop(server.id, None)
    server.is_open = True
    config.open[server.id] = server
    if not server.sessions:
        _enter_idle(server)
    refresh(server)


def seat(server: SimulatedServer, session: SimulatedSession) -> None:
    """The session is on the server now."""
    if not server.sessions:
        _leave_idle(server)
    server.sessions[session.number] = session
    server.served += 1
    if len(server.used) > 1:
        server.used = plus(server.used, session.units)
    refresh(server)


def unseat(server: SimulatedServer, session: SimulatedSession) -> None:
    """The session is over."""
    config = server.config
    del server.sessions[session.number]
    if len(server.used) > 1:
        server.used = minus(server.used, session.units)
    if not server.is_open:
        return
    if not server.sessions:
        if _is_spent(server):
            close(server)
            config.spent[server.id] = server
            return
        _enter_idle(server)
    refresh(server)


def close(server: SimulatedServer) -> None:
    """The server takes nobody any more."""
    config = server.config
    if server.is_open:
        server.is_open = False
        del config.open[server.id]
        _leave_idle(server)
        config.open_room = minus(config.open_room, server.room)
        server.room = (0,) * len(config.new_room)
        _enter_class(server, None)


def leave_to_go(server: SimulatedServer) -> None:
    """The server is on its way out: draining, failed or being deleted."""
    close(server)
    config = server.config
    config.coming.pop(server.id, None)
    config.spent.pop(server.id, None)
    config.going[server.id] = server
    if server.state is ServerState.DRAINING:
        config.draining[server.id] = server


def forget(server: SimulatedServer) -> None:
    """The server is gone."""
    config = server.config
    del config.servers[server.id]
    del config.going[server.id]
    config.retiring.pop(server.id, None)
    config.pool.servers -= 1


def refresh(server: SimulatedServer) -> None:
    """Count the room of an open server anew, after its sessions or what it accepts have changed."""
    config = server.config
    room = _room(server)
    if room != server.room:
        config.open_room = plus(minus(config.open_room, server.room), room)
        if any(new > old for new, old in zip(room, server.room, strict=True)):
            config.pool.room_grew = True
        server.room = room
    _enter_class(server, _class_of(server, config, room))


def settle_ages(config: ConfigState, now: int) -> None:
    """Let those grow up and retire whose time has come."""
    while config.young and (config.young[0].running_at or 0) + config.minimum_life <= now:
        server = config.young.popleft()
        server.is_young = False
        if server.id in config.idle:
            config.idle_young -= 1
    while config.ageing and config.ageing[0].created_at + (config.first_age or 0) <= now:
        server = config.ageing.popleft()
        if server.id in config.servers:
            config.retiring[server.id] = server


def _enter_idle(server: SimulatedServer) -> None:
    server.config.idle[server.id] = server
    server.config.idle_young += server.is_young


def _leave_idle(server: SimulatedServer) -> None:
    if server.config.idle.pop(server.id, None) is not None:
        server.config.idle_young -= server.is_young


def _is_spent(server: SimulatedServer) -> bool:
    return not server.config.reusable and server.served > len(server.sessions)


def _room(server: SimulatedServer) -> Units:
    config = server.config
    if len(config.new_room) > 1:
        size, used = config.new_room, server.used
        return (max(0, size[0] - used[0]), max(0, size[1] - used[1]), max(0, size[2] - used[2]))
    sessions = server.sessions
    if not config.reusable and server.served > len(sessions):
        return (0,)
    left = config.max_sessions - len(sessions)
    if config.counts_users:
        left = min(left, config.max_users - len({session.user for session in sessions.values()}))
    return (max(0, left),)


def _class_of(server: SimulatedServer, config: ConfigState, room: Units) -> ClassKey | None:
    if not config.accepts or not room[0]:
        return None
    return (config.number, room, 0 if len(room) == 1 else len(server.sessions))


def _enter_class(server: SimulatedServer, key: ClassKey | None) -> None:
    if key == server.class_key:
        return
    pool = server.config.pool
    if server.class_key is not None:
        members = pool.classes[server.class_key].members
        del members[server.id]
        if not members:
            del pool.classes[server.class_key]
            pool.signature = None
    if key is not None:
        entered = pool.classes.get(key)
        if entered is None:
            entered = pool.classes[key] = OpenClass()
            pool.signature = None
        entered.add(server)
    server.class_key = key
