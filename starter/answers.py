"""What the session API and `--json` of the CLI answer. These shapes are a contract: `docs/api.md` describes them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field, PlainSerializer, SecretStr

from poolwright.domain.base import Model
from poolwright.domain.resources import PoolType
from poolwright.domain.scaling import Action
from poolwright.domain.servers import ConnectionDetails, HistoryEntry, Server, SessionKind, SessionState
from poolwright.domain.states import ServerState

ShownSecret = Annotated[
    SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), return_type=str, when_used="json")
]
"""Clear in JSON, because handing it over is its purpose; masked in every `repr` and therefore in logs."""


class ConnectionAnswer(ConnectionDetails):
    """All that a client needs to open the session, credentials in clear."""

    password: ShownSecret | None = None
    private_key: ShownSecret | None = None
    private_key_passphrase: ShownSecret | None = None


class ServerBrief(Model):
    """The server that a session is on."""

    id: str
    hostname: str
    address: str | None
    state: ServerState


class Progress(Model):
    """How far the server is that a waiting session will probably get."""

    percent: int | None
    """As its startup script reported; null before the first report."""
    message: str


class SessionAnswer(Model):
    """A session and, while it waits, why and for how long."""

    id: str
    pool: str
    user: str
    kind: SessionKind
    workspace: str | None
    zone: str | None
    state: SessionState
    server: ServerBrief | None
    """Once assigned, and still so after the end."""
    connection: ConnectionAnswer | None
    """Only of an assigned session that is asked for by itself, and never for the role `read`. Null for containers on
    docker agents."""
    no_connection_because: str | None = None
    """Why an assigned session cannot be opened yet; null if it can."""
    queued_seconds: float
    """From the request to the assignment; to the end if there was none; until now while it waits."""
    position: int | None
    """1 for the next to be served; null unless it waits."""
    waits_because: str | None
    decided: tuple[str, ...] = ()
    """What the pool's autoscale configs last decided, and why. Only of a session that is asked for by itself and waits,
    and only decisions that knew of it."""
    progress: Progress | None
    """Null unless it waits and a server is coming."""
    requested_at: datetime
    assigned_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None


class ConfigExplanation(Model):
    """The decision of one autoscale config."""

    autoscale: str
    at: datetime
    """When it was first made."""
    confirmed_at: datetime
    """When it was last made again with the same figures, actions and reasons."""
    numbers: Mapping[str, float | int | str | bool | None]
    actions: tuple[Action, ...]
    reasons: tuple[str, ...]


class ExplainedAction(Action):
    """An action and the autoscale config that asked for it."""

    autoscale: str


class Explanation(Model):
    """Why a pool is as large as it is.

    A pool with one autoscale config gives that config's figures and sentences. With several they are put together:
    names of figures begin with `<autoscale config>.`, sentences with `<autoscale config>: `.
    """

    pool: str
    autoscale: str | None
    """The only config; null if there are several or none."""
    at: datetime | None
    """The newest decision's time; null before the first decision."""
    numbers: Mapping[str, float | int | str | bool | None]
    actions: tuple[ExplainedAction, ...]
    reasons: tuple[str, ...]
    configs: tuple[ConfigExplanation, ...]
    """Each config by itself, by name; those that have not decided yet are left out."""


class PoolAnswer(Model):
    """A pool with its counts."""

    name: str
    type: PoolType
    description: str
    labels: Mapping[str, str]
    autoscales: tuple[str, ...]
    """Its autoscale configs by name."""
    servers: Mapping[ServerState, int]
    """How many are in each state; states that none is in are left out, and so is `deleted`."""
    sessions: Mapping[SessionState, int]
    """How many are in each state but `ended`; states that none is in are left out."""


class ServerAnswer(Server):
    """A server with its story."""

    story: tuple[HistoryEntry, ...] = Field(description="Each change of state and each note, oldest first.")
