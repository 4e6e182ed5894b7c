"""Servers that are registered by hand: placed with the rest, never created and never deleted."""

from typing import Literal

from pydantic import Field

from poolwright.domain.autoscale import Connection
from poolwright.domain.base import Model
from poolwright.domain.resources import Name
from poolwright.domain.servers import Size


class StaticServer(Model):
    """A machine that exists already and belongs to a pool, under no cap and no autoscale config."""

    kind: Literal["static_server"] = "static_server"
    name: Name
    """Also its host name."""
    pool: Name
    zone: Name
    address: str = Field(min_length=1)
    """Host name or address at which sessions reach it."""
    enabled: bool = True
    """False: it takes no new session; those that it has go on."""
    max_sessions: int = Field(default=1, ge=1)
    """Pools of type `server`: sessions at once."""
    max_users: int = Field(default=1, ge=1)
    """Pools of type `server`, RDP and SSH: distinct people at once."""
    connection: Connection = Connection()
    """Pools of type `server`: how sessions reach it."""
    size: Size = Size()
    """Pools of type `docker_agent`: what it has to give."""
    images: tuple[str, ...] = ()
    """Pools of type `docker_agent`: container images that it already has; preferred for sessions of these."""
