"""Names that several rooms must agree on: workflow ids, task queues, signals, search attributes, the owner mark.

Pure strings, so that activities can start a workflow by name without importing it.
"""

from collections.abc import Mapping
from typing import Final

from poolwright.domain.base import Model

TASK_QUEUE: Final = "poolwright"
"""Task queue of all workflows and of the activities that touch only the store."""

SERVER_LIFECYCLE: Final = "ServerLifecycle"
POOL_SCALING: Final = "PoolScaling"
SWEEP: Final = "Sweep"
WATCHDOG: Final = "Watchdog"
WATCHDOG_ID: Final = "watchdog"

SEARCH_ATTRIBUTES: Final[Mapping[str, str]] = {
    "Pool": "Keyword",
    "Zone": "Keyword",
    "Provider": "Keyword",
    "ServerState": "Keyword",
    "ServerId": "Keyword",
    "Hostname": "Keyword",
}
"""Search attribute name -> Temporal type. SQL visibility allows ten keywords in a namespace: four are left over."""


def server_workflow_id(server_id: str) -> str:
    """Id of the one workflow that is the life of this server."""
    return f"server-{server_id}"


def scaling_workflow_id(autoscale: str) -> str:
    """Id of the one scaling loop of this autoscale config."""
    return f"scale-{autoscale}"


def sweep_workflow_id(kind: str, config: str) -> str:
    """Id of the one sweep loop of this config; its kind tells `corp` of the DNS providers from `corp` of the LDAP
    configs (`sweep-dns_provider-corp`, `sweep-ldap-corp`)."""
    return f"sweep-{kind}-{config}"


def zone_task_queue(zone: str) -> str:
    """Task queue of everything that touches a provider, directory or DNS server: a zone's worker runs where it can
    reach them."""
    return f"poolwright-zone-{zone}"


def machine_name(server_id: str) -> str:
    """Name of the VM at its provider: a function of the server's id, so that the name alone finds the VM again."""
    return f"pw-{server_id}"


class OwnerMark(Model):
    """What everything that we create anywhere carries (as tag, label, metadata, description or TXT record).

    Nothing is ever adopted or deleted without it.
    """

    controller_id: str
    """Random id of this installation, made with its database."""
    server_id: str
    """The server that the thing was made for."""

    def text(self) -> str:
        """One-line form for places that hold only text."""
        return f"poolwright/{self.controller_id}/{self.server_id}"

    @classmethod
    def parse(cls, text: str) -> "OwnerMark | None":
        """The mark in `text`, or None when the text is not one of ours."""
        parts = text.strip().strip('"').split("/")
        if len(parts) != 3 or parts[0] != "poolwright" or not all(parts):
            return None
        return cls(controller_id=parts[1], server_id=parts[2])
