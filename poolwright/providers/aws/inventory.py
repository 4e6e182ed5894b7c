"""What exists of ours: read for many threads at once, because each of them asks about one VM."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from poolwright.domain.base import Model
from poolwright.providers.aws.calls import Calls
from poolwright.providers.aws.instances import is_pending, is_spot
from poolwright.providers.aws.marks import SERVER_TAG, in_portions, made_for, mark_in, owned_by
from poolwright.vendors.shared_read import SharedRead
from poolwright.vendors.shared_wait import SharedWait

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef

_NOTICES_LAST_SECONDS: Final = 10.0
"""Of the two minutes that EC2 gives."""
_SEARCH_HOLDS_SECONDS: Final = 5.0
_MOST_REMEMBERED: Final = 10_000
_LIVING: Final = ("pending", "running", "shutting-down", "stopping", "stopped")


class Belonging(Model):
    """Something beside the instance that bears a server's mark."""

    kind: str
    reference: str
    in_use: bool
    """True: it cannot be removed yet, or is being removed."""


class Inventory:
    """Reads of one controller's things. Each method raises the errors of the tree."""

    def __init__(self, calls: Calls, controller_id: str, clock: Callable[[], float]) -> None:
        self._calls, self._controller_id, self._clock = calls, controller_id, clock
        self._by_reference = SharedRead(calls.instance, self._instances_by_reference)
        self._awaited = SharedWait(calls.instance, self._instances_by_reference, is_awaited=is_pending, clock=clock)
        self._by_server = SharedRead(self._instances_of_one, self._instances_by_server)
        self._belongings = SharedRead(self._belongings_of_one, self._belongings_by_server)
        self._terminations = SharedRead(self._terminate_one, self._terminate_all)
        self._none_living: dict[str, tuple[float, Sequence[InstanceTypeDef]]] = {}
        self._lock = threading.Lock()
        self._notices: dict[str, str] = {}
        self._noticed_at: float | None = None
        self._notices_lock = threading.Lock()

    def instance(self, reference: str, *, waiting: bool = False) -> "InstanceTypeDef | None":
        """The instance with this id, whoever owns it and however long it has ended, as long as EC2 shows it.

        `waiting`: as it was at most two seconds ago.
        """
        return (self._awaited if waiting else self._by_reference).read(reference)

    def told_of(self, instance: "InstanceTypeDef") -> None:
        """Say what the answer to its creation tells of an instance."""
        self._awaited.tell(instance["InstanceId"], instance)

    def instances_of(self, server_id: str) -> "Sequence[InstanceTypeDef]":
        """The instances made for this server, the oldest first, those that have ended included."""
        return self._by_server.read(server_id) or ()

    def instances_of_lately(self, server_id: str) -> "Sequence[InstanceTypeDef]":
        """As `instances_of`, without a call where `saw_none_living` was told a few seconds ago; once for each telling.

        EC2's own searches lag behind its creations by as much, so this one would tell no more.
        """
        with self._lock:
            told_at, made = self._none_living.pop(server_id, (float("-inf"), ()))
        return made if self._clock() - told_at < _SEARCH_HOLDS_SECONDS else self.instances_of(server_id)

    def saw_none_living(self, server_id: str, made: "Sequence[InstanceTypeDef]") -> None:
        """Remember for a moment that a search for this server found only instances that have ended, if any."""
        now = self._clock()
        with self._lock:
            if len(self._none_living) >= _MOST_REMEMBERED:
                self._none_living.clear()
            self._none_living[server_id] = (now, made)

    def living(self) -> "Sequence[InstanceTypeDef]":
        """All instances of the controller that have not ended."""
        return self._calls.instances(
            [owned_by(self._controller_id), {"Name": "instance-state-name", "Values": _LIVING}]
        )

    def belongings_of(self, server_id: str) -> Sequence[Belonging]:
        """What is left of this server beside instances: volumes, network interfaces, addresses. One call if nothing."""
        return self._belongings.read(server_id) or ()

    def terminate(self, reference: str) -> None:
        """Ask for the end of an instance. Nothing happens where there is none, or where it has ended."""
        self._terminations.read(reference)

    def notice_for(self, instance: "InstanceTypeDef") -> str | None:
        """What EC2 says about taking this spot instance back, at most ten seconds ago; None while it does not."""
        if not is_spot(instance) or instance["State"]["Name"] != "running":
            return None
        with self._notices_lock:
            if self._noticed_at is None or self._clock() - self._noticed_at >= _NOTICES_LAST_SECONDS:
                asked_at = self._clock()
                self._notices = {
                    request["InstanceId"]: f"{request['Status']['Code']}: {request['Status']['Message']}"
                    for request in self._calls.interrupted_spot_requests()
                    if "InstanceId" in request
                }
                self._noticed_at = asked_at
            return self._notices.get(instance["InstanceId"])

    def _instances_by_reference(self, references: frozenset[str]) -> "Mapping[str, InstanceTypeDef]":
        # By filter, because by id one that is missing would fail them all.
        return {
            instance["InstanceId"]: instance
            for some in in_portions(references)
            for instance in self._calls.instances([{"Name": "instance-id", "Values": some}])
        }

    def _instances_of_one(self, server_id: str) -> "Sequence[InstanceTypeDef]":
        return self._instances_by_server(frozenset({server_id}))[server_id]

    def _instances_by_server(self, server_ids: frozenset[str]) -> "Mapping[str, Sequence[InstanceTypeDef]]":
        found: dict[str, list[InstanceTypeDef]] = {server_id: [] for server_id in server_ids}
        for some in in_portions(server_ids):
            for instance in self._calls.instances(made_for(self._controller_id, some)):
                mark = mark_in(instance)
                if mark and mark.server_id in found:
                    found[mark.server_id].append(instance)
        return found

    def _belongings_of_one(self, server_id: str) -> Sequence[Belonging]:
        return self._belongings_by_server(frozenset({server_id}))[server_id]

    def _belongings_by_server(self, server_ids: frozenset[str]) -> Mapping[str, Sequence[Belonging]]:
        found: dict[str, list[Belonging]] = defaultdict(list)
        for some in in_portions(server_ids):
            kinds = self._calls.kinds_with_tag(SERVER_TAG, some)
            for server_id, belonging in self._each_belonging(kinds, made_for(self._controller_id, some)):
                found[server_id].append(belonging)
        return {server_id: found[server_id] for server_id in server_ids}

    def _each_belonging(
        self, kinds: Collection[str], filters: "Sequence[FilterTypeDef]"
    ) -> Iterator[tuple[str, Belonging]]:
        for volume in self._calls.volumes(filters) if "volume" in kinds else ():
            if mark := mark_in(volume):
                in_use = volume["State"] not in ("available", "error")
                yield mark.server_id, Belonging(kind="volume", reference=volume["VolumeId"], in_use=in_use)
        for interface in self._calls.network_interfaces(filters) if "network-interface" in kinds else ():
            if mark := mark_in(interface, tags_key="TagSet"):
                in_use, reference = interface["Status"] != "available", interface["NetworkInterfaceId"]
                yield mark.server_id, Belonging(kind="network interface", reference=reference, in_use=in_use)
        for address in self._calls.addresses(filters) if "elastic-ip" in kinds else ():
            if mark := mark_in(address):
                in_use, reference = "AssociationId" in address, address["AllocationId"]
                yield mark.server_id, Belonging(kind="address", reference=reference, in_use=in_use)

    def _terminate_one(self, reference: str) -> bool:
        return self._calls.terminate_instances([reference])

    def _terminate_all(self, references: frozenset[str]) -> Mapping[str, bool]:
        # Where one is unknown EC2 refuses all: then each is asked for by itself.
        done = all(self._calls.terminate_instances(some) for some in in_portions(references))
        return dict.fromkeys(references, True) if done else {}
