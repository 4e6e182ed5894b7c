"""Azure's two SDK clients for DNS, behind one face: that for public zones and that for private ones."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from azure.core import MatchConditions
from azure.core.rest import HttpRequest
from azure.mgmt.dns import DnsManagementClient
from azure.mgmt.privatedns import PrivateDnsManagementClient

from poolwright.dns.azure.settings import Settings, Visibility
from poolwright.vendors.azure import client_options, credential

_PERMISSIONS_PATH: Final = "/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"


class Client(Protocol):
    """The calls that are needed. Each raises the SDK's errors; lists are the SDK's own, page by page."""

    models: Any
    """The SDK's models."""
    kinds: tuple[str, ...]
    """Every kind of record set that a host name can have."""
    resource_type: str
    """As in a role's actions."""

    def zones(self, group: str | None) -> Any:
        """The zones of the resource group, or of the whole subscription."""
        ...

    def every_set(self, group: str, zone: str) -> Any:
        """All record sets of a zone."""
        ...

    def get(self, group: str, zone: str, name: str, kind: str) -> Any:
        """One record set. `name` is relative to the zone, here as below."""
        ...

    def put(self, group: str, zone: str, name: str, kind: str, body: Any, etag: str) -> Any:
        """Write a record set in place of the one with this etag; without one, if there is none."""
        ...

    def delete(self, group: str, zone: str, name: str, kind: str, etag: str) -> None:
        """Remove the record set if it has this etag."""
        ...

    def permissions(self, resource_id: str) -> Any:
        """The answer that says what we may do with this resource."""
        ...


def open_client(settings: Settings) -> Client:
    """The client for the zones that are meant. Nothing is sent before the first call."""
    login, options = credential(settings), client_options(settings)
    private = PrivateDnsManagementClient(login, settings.subscription_id, **options)
    if settings.visibility is Visibility.PRIVATE:
        return _PrivateZones(private)
    return _PublicZones(DnsManagementClient(login, settings.subscription_id, **options), private)


class _PublicZones:
    kinds: tuple[str, ...] = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT")
    resource_type = "Microsoft.Network/dnsZones"

    def __init__(self, client: DnsManagementClient, any_resource: PrivateDnsManagementClient) -> None:
        from azure.mgmt.dns import models

        self.models: Any = models
        self._client, self._any_resource = client, any_resource

    def zones(self, group: str | None) -> Any:
        return self._client.zones.list_by_resource_group(group) if group else self._client.zones.list()

    def every_set(self, group: str, zone: str) -> Any:
        return self._client.record_sets.list_by_dns_zone(group, zone)

    def get(self, group: str, zone: str, name: str, kind: str) -> Any:
        return self._client.record_sets.get(group, zone, name, kind)

    def put(self, group: str, zone: str, name: str, kind: str, body: Any, etag: str) -> Any:
        condition: Mapping[str, str] = {"if_match": etag} if etag else {"if_none_match": "*"}
        return self._client.record_sets.create_or_update(group, zone, name, kind, body, **condition)

    def delete(self, group: str, zone: str, name: str, kind: str, etag: str) -> None:
        self._client.record_sets.delete(group, zone, name, kind, if_match=etag)

    def permissions(self, resource_id: str) -> Any:
        return _permissions(self._any_resource, resource_id)


class _PrivateZones:
    kinds: tuple[str, ...] = ("A", "AAAA", "CNAME", "MX", "PTR", "SRV", "TXT")
    resource_type = "Microsoft.Network/privateDnsZones"

    def __init__(self, client: PrivateDnsManagementClient) -> None:
        from azure.mgmt.privatedns import models

        self.models: Any = models
        self._client = client

    def zones(self, group: str | None) -> Any:
        return self._client.private_zones.list_by_resource_group(group) if group else self._client.private_zones.list()

    def every_set(self, group: str, zone: str) -> Any:
        return self._client.record_sets.list(group, zone)

    def get(self, group: str, zone: str, name: str, kind: str) -> Any:
        return self._client.record_sets.get(group, zone, kind, name)

    def put(self, group: str, zone: str, name: str, kind: str, body: Any, etag: str) -> Any:
        condition = MatchConditions.IfNotModified if etag else MatchConditions.IfMissing
        return self._client.record_sets.create_or_update(
            group, zone, kind, name, body, etag=etag or None, match_condition=condition
        )

    def delete(self, group: str, zone: str, name: str, kind: str, etag: str) -> None:
        self._client.record_sets.delete(
            group, zone, kind, name, etag=etag, match_condition=MatchConditions.IfNotModified
        )

    def permissions(self, resource_id: str) -> Any:
        return _permissions(self._client, resource_id)


def _permissions(client: PrivateDnsManagementClient, resource_id: str) -> Any:
    # No SDK of ours has this call; any client's way to Azure Resource Manager will do.
    response = client.send_request(HttpRequest("GET", f"{resource_id}{_PERMISSIONS_PATH}"))
    response.raise_for_status()
    return response.json()
