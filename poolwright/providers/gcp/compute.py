"""Compute Engine's calls, one by one: paced, each made once, with errors of the tree."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar, cast

from google.auth.credentials import Credentials
from google.cloud import compute_v1

from poolwright.providers.errors import NotFound, Transient
from poolwright.providers.gcp.errors import translated
from poolwright.providers.gcp.names import owned_filter
from poolwright.providers.gcp.settings import Settings
from poolwright.vendors import gcp

_PAGE: Final = 500
_QUOTA_PERIOD_SECONDS: Final = 15
"""So much of the quota, which is counted by the minute, may be used at once after a rest."""

Client = TypeVar("Client")


class Compute:
    """One project. Threads may share it: each has clients of its own, all have one login and one pace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._project = settings.project
        self._pace = gcp.pace_of(
            settings,
            "compute",
            settings.calls_per_second,
            max(1, int(settings.calls_per_second * _QUOTA_PERIOD_SECONDS)),
        )
        self._login: Credentials | None = None
        self._lock = threading.Lock()
        self._own = threading.local()

    def insert(self, request: compute_v1.InsertInstanceRequest) -> compute_v1.Operation:
        """Ask for a VM; the operation may still fail. Raises `Conflict` for a name that is taken."""
        name = request.instance_resource.name
        doing = f"creating {name} in {request.zone}"
        operation = self.call(doing, compute_v1.InstancesClient, "insert_unary", request, creating=True)
        if not operation.name:
            # What some gateway says in JSON would be a VM that is waited for and never comes.
            raise Transient(f"{doing} got an answer that is no operation, so it is not Google's; it is tried again")
        return cast("compute_v1.Operation", operation)

    def instance(self, zone: str, name: str) -> compute_v1.Instance | None:
        """The instance of this name; None when Google says that there is none."""
        request = compute_v1.GetInstanceRequest(project=self._project, zone=zone, instance=name)
        try:
            found = self.call(f"reading {name} in {zone}", compute_v1.InstancesClient, "get", request)
        except NotFound as error:
            if f"/instances/{name}'" in str(error):
                return None
            # The same answer is given for a project that is gone or not seen: nothing is known of the VM then.
            raise Transient(f"{error}, so nothing is known of {name}") from None
        if found.name != name:
            raise Transient(f"reading {name} in {zone} got something else, so it is not Google's; it is tried again")
        return cast("compute_v1.Instance", found)

    def instances(self, controller_id: str, server_id: str | None = None) -> list[compute_v1.Instance]:
        """All instances that this controller owns, in whatever zone, or those of one server. All or an error."""
        request = compute_v1.AggregatedListInstancesRequest(
            project=self._project, filter=owned_filter(controller_id, server_id), max_results=_PAGE
        )
        pages = self._pages("listing VMs", compute_v1.InstancesClient, request)
        return [instance for scope in pages for instance in scope.instances]

    def disks(self, controller_id: str, server_id: str | None = None) -> list[compute_v1.Disk]:
        """As `instances`, for disks."""
        request = compute_v1.AggregatedListDisksRequest(
            project=self._project, filter=owned_filter(controller_id, server_id), max_results=_PAGE
        )
        pages = self._pages("listing disks", compute_v1.DisksClient, request)
        return [disk for scope in pages for disk in scope.disks]

    def operations_on(self, zone: str, name: str) -> Sequence[compute_v1.Operation]:
        """What was done to the instance of this name, in the last days."""
        return self._operations(zone, f'targetLink eq ".*/instances/{name}"')

    def creations_under_way(self, zone: str) -> Sequence[compute_v1.Operation]:
        """Creations of instances, whoever's, that are neither done nor failed yet."""
        return self._operations(zone, '(operationType = "insert") AND (status != "DONE")')

    def delete_instance(self, zone: str, name: str) -> None:
        """Ask for deletion. Raises `NotFound`, and `Conflict` while something else is done to it."""
        request = compute_v1.DeleteInstanceRequest(project=self._project, zone=zone, instance=name)
        self.call(f"deleting {name} in {zone}", compute_v1.InstancesClient, "delete_unary", request)

    def delete_disk(self, disk: compute_v1.Disk) -> None:
        """As `delete_instance`, for a disk of a zone or, if an override asked for one, of a region."""
        doing = f"deleting disk {disk.name}"
        if disk.region:
            region = disk.region.rpartition("/")[2]
            of_region = compute_v1.DeleteRegionDiskRequest(project=self._project, region=region, disk=disk.name)
            self.call(doing, compute_v1.RegionDisksClient, "delete_unary", of_region)
            return
        zone = disk.zone.rpartition("/")[2]
        of_zone = compute_v1.DeleteDiskRequest(project=self._project, zone=zone, disk=disk.name)
        self.call(f"{doing} in {zone}", compute_v1.DisksClient, "delete_unary", of_zone)

    def call(self, doing: str, client: type[Any], method: str, request: Any, *, creating: bool = False) -> Any:
        """One call of one method. Raises only errors of the tree."""
        with translated(doing, creating=creating), gcp.paced(self._pace):
            return getattr(self._client(client), method)(request=request, retry=None)

    def _operations(self, zone: str, which: str) -> list[compute_v1.Operation]:
        request = compute_v1.ListZoneOperationsRequest(
            project=self._project, zone=zone, filter=which, max_results=_PAGE
        )
        found: list[compute_v1.Operation] = []
        while True:
            page = self._page(f"listing operations in {zone}", compute_v1.ZoneOperationsClient, "list", request)
            found += page.items
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def _pages(self, doing: str, client: type[Any], request: Any) -> Iterator[Any]:
        while True:
            page = self._page(doing, client, "aggregated_list", request)
            unseen = [*page.unreachables, *(name for name, scope in page.items.items() if _is_unreachable(scope))]
            if unseen or page.warning.code == "UNREACHABLE":
                raise Transient(
                    f"{doing} is incomplete: Google did not reach {', '.join(unseen) or 'all zones'}; it is tried again"
                )
            yield from page.items.values()
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _page(self, doing: str, client: type[Any], method: str, request: Any) -> Any:
        # A pager would fetch its later pages by itself, past the pace and the error table.
        try:
            page = next(iter(self.call(doing, client, method, request).pages))
        except NotFound as error:
            # A project that is gone or not seen: whoever deletes a VM would take this for its end.
            raise Transient(f"{error}, so nothing is known of what is there") from None
        if not (page.kind or page.id):
            # What some gateway says in JSON becomes an empty list, which would prove that everything is gone.
            raise Transient(f"{doing} got a list that does not say of what, so it is not Google's; it is tried again")
        return page

    def _client(self, kind: type[Client]) -> Client:
        clients: dict[type[Any], Any] = vars(self._own).setdefault("clients", {})
        if kind not in clients:
            clients[kind] = self._open(kind)
        return cast("Client", clients[kind])

    def _open(self, kind: type[Any]) -> Any:
        with self._lock:
            if self._login is None:
                self._login = gcp.credentials(self._settings)
        session = vars(self._own).setdefault("session", gcp.session(self._settings, self._login))

        # The client makes a session that waits ten minutes, and gives no other way to bring one's own.
        class Transport(kind.get_transport_class("rest")):  # type: ignore[misc]
            def _prep_wrapped_messages(self, client_info: Any) -> None:
                self._session = session
                super()._prep_wrapped_messages(client_info)

        return kind(credentials=self._login, transport=Transport, client_options=gcp.client_options(self._settings))


def _is_unreachable(scope: Any) -> bool:
    return bool(scope.warning.code == "UNREACHABLE")
