"""The calls that the azure provider makes: each asks once, keeps the account's pace, and gives what Azure says."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from json import JSONDecodeError
from typing import Any, Final, Protocol, cast

from azure.core import MatchConditions
from azure.core.exceptions import DecodeError, HttpResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient

from poolwright.vendors.azure import Account, Kind, client_options, credential, pacing
from poolwright.vendors.azure_faults import trouble
from poolwright.vendors.faults import Fault
from poolwright.vendors.patience import Patience

Resource = dict[str, Any]
"""A resource in the words of Azure's API."""

_VMS_API: Final = "2024-07-01"
_DISKS_API: Final = "2024-03-02"
_NETWORK_API: Final = "2024-05-01"
_NO_PARENT: Final = "ParentResourceNotFound"
_ALREADY_THERE: Final = 412


class _SdkModel(Protocol):
    def as_dict(self) -> Resource: ...


class Client:
    """Azure's compute and network APIs, as far as one resource group's VMs need them.

    May be shared by threads. Everything raises `TooFast` or the SDK's errors; what does not exist is None where it says
    so. Nothing waits for what Azure does afterwards.
    """

    def __init__(self, account: Account) -> None:
        self._group, self._pacing = account.resource_group, pacing(account)
        self._group_id = f"/subscriptions/{account.subscription_id}/resourceGroups/{account.resource_group}"
        self._patience = Patience()
        login, options = credential(account), client_options(account)
        self._compute = ComputeManagementClient(login, account.subscription_id, **options)
        self._network = NetworkManagementClient(login, account.subscription_id, **options)

    def operation(self, *, for_others: bool = False) -> AbstractContextManager[None]:
        """Around all calls that are one step of work: only its first is refused for coming too early, the others wait.

        `for_others`: other threads wait for the answers, so that not even the first is refused.
        """
        return self._patience.operation(begun=for_others)

    def vm(self, name: str) -> Resource | None:
        """The VM with its instance view; None if Azure says that there is none."""
        return self._read(lambda: self._compute.virtual_machines.get(self._group, name, expand="instanceView"))

    def vms(self) -> list[Resource]:
        """All VMs, without instance views."""
        return self._list("Microsoft.Compute/virtualMachines", _VMS_API)

    def create_vm(self, name: str, request: Mapping[str, Any]) -> Resource | None:
        """Ask for a VM and what belongs to it; None if there is one of this name, which is left as it is."""
        try:
            with self._call(Kind.WRITE):
                poller = self._compute.virtual_machines.begin_create_or_update(
                    self._group,
                    name,
                    cast("Any", request),
                    match_condition=MatchConditions.IfMissing,
                    etag="*",
                    polling=False,
                )
                return _resource(poller.result())
        except HttpResponseError as error:
            if error.status_code == _ALREADY_THERE:
                return None
            raise

    def delete_vm(self, name: str) -> None:
        """Ask for deletion."""
        self._delete(lambda: self._compute.virtual_machines.begin_delete(self._group, name, polling=False))

    def network_interfaces(self) -> list[Resource]:
        """All network interfaces."""
        return self._list("Microsoft.Network/networkInterfaces", _NETWORK_API)

    def network_interface(self, name: str) -> Resource | None:
        """The network interface; None if Azure says that there is none."""
        return self._read(lambda: self._network.network_interfaces.get(self._group, name))

    def delete_network_interface(self, name: str) -> None:
        """Ask for deletion."""
        self._delete(lambda: self._network.network_interfaces.begin_delete(self._group, name, polling=False))

    def public_addresses(self) -> list[Resource]:
        """All public addresses."""
        return self._list("Microsoft.Network/publicIPAddresses", _NETWORK_API)

    def public_address(self, name: str) -> Resource | None:
        """The public address; None if Azure says that there is none."""
        return self._read(lambda: self._network.public_ip_addresses.get(self._group, name))

    def delete_public_address(self, name: str) -> None:
        """Ask for deletion."""
        self._delete(lambda: self._network.public_ip_addresses.begin_delete(self._group, name, polling=False))

    def disks(self) -> list[Resource]:
        """All disks."""
        return self._list("Microsoft.Compute/disks", _DISKS_API)

    def delete_disk(self, name: str) -> None:
        """Ask for deletion."""
        self._delete(lambda: self._compute.disks.begin_delete(self._group, name, polling=False))

    def run_command(self, vm: str, name: str) -> Resource | None:
        """A command of the VM with its instance view; None if Azure says that there is none."""
        commands = self._compute.virtual_machine_run_commands
        return self._read(lambda: commands.get_by_virtual_machine(self._group, vm, name, expand="instanceView"))

    def create_run_command(self, vm: str, name: str, request: Mapping[str, Any]) -> None:
        """Have the VM's agent run a command."""
        with self._call(Kind.WRITE):
            self._compute.virtual_machine_run_commands.begin_create_or_update(
                self._group, vm, name, cast("Any", request), polling=False
            )

    def look_up(self, path: str, api_version: str, **query: str) -> Any:
        """What Azure answers to a GET of this path. Raises the SDK's errors."""
        return self._asked(HttpRequest("GET", path, params={"api-version": api_version, **query}))

    def list_all(self, path: str, api_version: str, **query: str) -> list[Resource]:
        """What Azure lists at this path, on all its pages. Raises the SDK's errors."""
        page = self.look_up(path, api_version, **query)
        found = _listed(page)
        while next_page := page.get("nextLink"):
            page = self._asked(HttpRequest("GET", next_page))
            found += _listed(page)
        return found

    def _asked(self, request: HttpRequest) -> Any:
        with self._call(Kind.READ):
            response = self._compute.send_request(request)
            response.raise_for_status()
            return response.json()

    @contextmanager
    def _call(self, kind: Kind) -> Iterator[None]:
        with self._pacing.call(kind, waited=self._patience.waited):
            try:
                yield
            except (JSONDecodeError, UnicodeDecodeError):
                # The page of a proxy, for example. What it says may be anything.
                raise DecodeError("the answer is not JSON, so it is not Azure's") from None
        self._patience.made()

    def _read(self, call: Callable[[], _SdkModel]) -> Resource | None:
        try:
            with self._call(Kind.READ):
                return _resource(call())
        except HttpResponseError as error:
            told = trouble(error)
            if told.fault is Fault.MISSING or told.code == _NO_PARENT:
                return None
            raise

    def _list(self, kind: str, api_version: str) -> list[Resource]:
        # The SDK's models take two milliseconds for each VM of a list, and a burst has long lists.
        try:
            return self.list_all(f"{self._group_id}/providers/{kind}", api_version)
        except HttpResponseError as error:
            if trouble(error).fault is not Fault.MISSING:
                raise
            # Whoever deletes a VM would take this for its end.
            raise DecodeError(f"Azure finds no list of {kind}, so nothing is known of what is there") from None

    def _delete(self, call: Callable[[], object]) -> None:
        try:
            with self._call(Kind.DELETE):
                call()
        except HttpResponseError as error:
            if trouble(error).fault is not Fault.MISSING:
                raise


def _resource(answer: _SdkModel) -> Resource:
    # The SDK makes models of objects only, and gives everything else as it is.
    found = answer.as_dict() if hasattr(answer, "as_dict") else {}
    if "id" not in found:
        raise DecodeError("the answer is no resource, so it is not Azure's")
    return found


def _listed(page: Any) -> list[Resource]:
    # What some gateway says in JSON would else be an empty list, which proves that everything is gone.
    if not isinstance(page, dict) or not isinstance(page.get("value"), list):
        raise DecodeError("the answer is no list, so it is not Azure's")
    found: list[Resource] = page["value"]
    if not all(isinstance(one, dict) for one in found):
        raise DecodeError("the answer lists no resources, so it is not Azure's")
    return found
