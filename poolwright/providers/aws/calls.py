"""The calls of EC2 that the provider makes: each is paced, and raises the errors of the tree."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from poolwright.providers.aws.errors import translated
from poolwright.providers.aws.settings import Settings
from poolwright.providers.errors import InvalidSettings
from poolwright.vendors.aws import Limit, client, code_of, errors, fault_of, pace_of, paced
from poolwright.vendors.faults import Fault

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        AddressTypeDef,
        FilterTypeDef,
        InstanceTypeDef,
        NetworkInterfaceTypeDef,
        RunInstancesRequestTypeDef,
        SpotInstanceRequestTypeDef,
        TagSpecificationTypeDef,
        VolumeTypeDef,
    )

_PAGE: Final = 500
_READS: Final = Limit("reads", calls_per_second=10, burst_calls=50)
_CHANGES: Final = Limit("changes", calls_per_second=5, burst_calls=50)
_BURST_SECONDS: Final = 2.5
_INTERRUPTIONS: Final = ("marked-for-termination", "marked-for-stop", "marked-for-hibernation")


class KeyPairIsMissing(InvalidSettings):
    """The key pair that a request names does not exist (any more)."""


class Calls:
    """EC2 in one region, through one client that all threads share.

    EC2 keeps a token bucket for each action and account in a region ("Request throttling for the Amazon EC2 API" in its
    developer guide): RunInstances holds 5 and gains 2 each second, actions that change something hold 50 and gain 5,
    descriptions hold 50 to 100 and gain 10 to 20. We keep one bucket for all reads and one for all changes but
    RunInstances, with the smaller numbers, because others use the account too.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        rate = settings.run_instances_per_second
        creations = Limit("RunInstances", rate, max(1, round(rate * _BURST_SECONDS)))
        with translated("opening the AWS account"):
            self._client = client(settings, "ec2", settings.region)
        self._creations, self._reads, self._changes = (
            pace_of(settings, limit, settings.region, clock) for limit in (creations, _READS, _CHANGES)
        )
        shape = self._client.meta.service_model.operation_model("RunInstances").input_shape
        assert shape is not None
        self.run_instances_shape = shape

    def run_instances(self, request: "RunInstancesRequestTypeDef") -> "InstanceTypeDef":
        """Make one instance, or be told which one this ClientToken made. Raises `KeyPairIsMissing` too."""
        with translated("RunInstances"), paced(self._creations):
            try:
                return self._client.run_instances(**request)["Instances"][0]
            except errors() as error:
                if code_of(error) == "InvalidKeyPair.NotFound":
                    raise KeyPairIsMissing(
                        f"there is no key pair {request.get('KeyName')!r}; correct key_name"
                    ) from None
                raise

    def instance(self, instance_id: str) -> "InstanceTypeDef | None":
        """The instance; None only when EC2 says that there is none with this id."""
        with self._reading("DescribeInstances"):
            try:
                answer = self._client.describe_instances(InstanceIds=[instance_id])
            except errors() as error:
                _accept_missing(error)
                return None
            return next((one for group in answer["Reservations"] for one in group["Instances"]), None)

    def instances(self, filters: "Sequence[FilterTypeDef]") -> "list[InstanceTypeDef]":
        """Every instance that the filters let through, in the order of their launch."""
        groups = self._pages("DescribeInstances", self._client.describe_instances, "Reservations", filters)
        return sorted((one for group in groups for one in group["Instances"]), key=lambda one: one["LaunchTime"])

    def kinds_with_tag(self, name: str, values: Sequence[str]) -> frozenset[str]:
        """Of which kinds there is anything beside instances with this tag: `volume`, `network-interface`, ..."""
        filters: list[FilterTypeDef] = [
            {"Name": "key", "Values": [name]},
            {"Name": "value", "Values": values},
            {"Name": "resource-type", "Values": ["volume", "network-interface", "elastic-ip"]},
        ]
        tags = self._pages("DescribeTags", self._client.describe_tags, "Tags", filters)
        return frozenset(tag["ResourceType"] for tag in tags)

    def volumes(self, filters: "Sequence[FilterTypeDef]") -> "list[VolumeTypeDef]":
        """Every such volume."""
        return list(self._pages("DescribeVolumes", self._client.describe_volumes, "Volumes", filters))

    def network_interfaces(self, filters: "Sequence[FilterTypeDef]") -> "list[NetworkInterfaceTypeDef]":
        """Every such network interface."""
        describe = self._client.describe_network_interfaces
        return list(self._pages("DescribeNetworkInterfaces", describe, "NetworkInterfaces", filters))

    def addresses(self, filters: "Sequence[FilterTypeDef]") -> "list[AddressTypeDef]":
        """Every such elastic IP address."""
        with self._reading("DescribeAddresses"):
            return self._client.describe_addresses(Filters=filters)["Addresses"]

    def interrupted_spot_requests(self) -> "list[SpotInstanceRequestTypeDef]":
        """The account's spot requests whose instances EC2 takes back within two minutes; mostly there are none."""
        filters: list[FilterTypeDef] = [{"Name": "status-code", "Values": list(_INTERRUPTIONS)}]
        describe = self._client.describe_spot_instance_requests
        return list(self._pages("DescribeSpotInstanceRequests", describe, "SpotInstanceRequests", filters))

    def terminate_instances(self, instance_ids: Sequence[str]) -> bool:
        """Terminate these. False: EC2 does not know one of them and has terminated none, or not all."""
        with self._changing("TerminateInstances"):
            try:
                self._client.terminate_instances(InstanceIds=instance_ids)
            except errors() as error:
                _accept_missing(error)
                return False
            return True

    def delete_volume(self, volume_id: str) -> None:
        """Delete it. One that is gone is no error."""
        with self._changing("DeleteVolume"), _unless_missing():
            self._client.delete_volume(VolumeId=volume_id)

    def delete_network_interface(self, interface_id: str) -> None:
        """Delete it. One that is gone is no error."""
        with self._changing("DeleteNetworkInterface"), _unless_missing():
            self._client.delete_network_interface(NetworkInterfaceId=interface_id)

    def release_address(self, allocation_id: str) -> None:
        """Release it. One that is gone is no error."""
        with self._changing("ReleaseAddress"), _unless_missing():
            self._client.release_address(AllocationId=allocation_id)

    def import_key_pair(self, name: str, public_key: str, tags: "TagSpecificationTypeDef") -> None:
        """Have a key pair of this name. One that exists is no error: whoever names it by its key means the same."""
        with self._changing("ImportKeyPair"), _unless("InvalidKeyPair.Duplicate"):
            self._client.import_key_pair(KeyName=name, PublicKeyMaterial=public_key.encode(), TagSpecifications=[tags])

    def password_data(self, instance_id: str) -> str:
        """The encrypted password in base64; empty until it is there."""
        with self._reading("GetPasswordData"):
            return self._client.get_password_data(InstanceId=instance_id)["PasswordData"].strip()

    def ask(self, operation: str, **parameters: Any) -> Any:
        """Any read, for checks. Raises the client's own errors, and `TooFast`."""
        with paced(self._reads):
            return getattr(self._client, operation)(**parameters)

    def _pages(
        self, action: str, describe: Callable[..., Any], key: str, filters: "Sequence[FilterTypeDef]"
    ) -> Iterator[Any]:
        following: dict[str, str] = {}
        while True:
            with self._reading(action):
                answer: Mapping[str, Any] = describe(Filters=filters, MaxResults=_PAGE, **following)
                things = answer[key]
            yield from things
            if not answer.get("NextToken"):
                return
            following = {"NextToken": answer["NextToken"]}

    @contextmanager
    def _reading(self, action: str) -> Iterator[None]:
        with translated(action), paced(self._reads):
            yield

    @contextmanager
    def _changing(self, action: str) -> Iterator[None]:
        with translated(action), paced(self._changes):
            yield


@contextmanager
def _unless_missing() -> Iterator[None]:
    try:
        yield
    except errors() as error:
        _accept_missing(error)


def _accept_missing(error: Exception) -> None:
    if fault_of(error) is not Fault.MISSING:
        raise error


@contextmanager
def _unless(code: str) -> Iterator[None]:
    try:
        yield
    except errors() as error:
        if code_of(error) != code:
            raise
