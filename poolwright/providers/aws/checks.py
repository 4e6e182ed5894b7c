"""Whether the credentials work, may do what is needed, and everything that the settings name exists and fits."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.providers.aws.calls import Calls
from poolwright.providers.aws.errors import provider_error, strange_answer
from poolwright.providers.aws.images import image_findings
from poolwright.providers.aws.requests import Requests
from poolwright.providers.aws.settings import Settings
from poolwright.providers.base import VMSpec
from poolwright.providers.errors import InvalidSettings, Throttled
from poolwright.vendors.aws import code_of, errors, fault_of, known_regions, message_of
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast

_CREDENTIALS: Final = "access_key_id"
_READS: Final = (
    "describe_instances",
    "describe_tags",
    "describe_volumes",
    "describe_network_interfaces",
    "describe_addresses",
    "describe_spot_instance_requests",
)
_SETTING_OF_PARAMETER: Final[Mapping[str, str]] = {
    "instanceprofile": "instance_profile",
    "keypair": "key_name",
    "groupid": "security_group_ids",
    "subnet": "subnet_ids",
    "vpcid": "subnet_ids",
    "volume": "root_volume_type",
    "iops": "root_volume_iops",
    "instancetype": "instance_types",
}
"""By what EC2 calls it when it refuses a rehearsed creation; anything else can only come from the override."""

Things = Sequence[Mapping[str, Any]]


def check(settings: Settings, calls: Calls, requests: Requests) -> Sequence[Finding]:
    """All that is wrong. Creates nothing. Raises the errors of the tree where EC2 cannot be asked."""
    try:
        return _Check(settings, calls, requests).findings()
    except TooFast as error:
        raise Throttled(f"the check waits: {error}", error.retry_after_seconds) from None
    except errors() as error:
        found = _account_finding(settings, error)
        if found is None:
            raise provider_error(error, "the check") from None
        return [found]


def _account_finding(settings: Settings, error: Exception) -> Finding | None:
    if fault_of(error) is Fault.AUTHENTICATION:
        return Finding(
            setting=_CREDENTIALS,
            problem=f"AWS does not accept the credentials: {message_of(error)}",
            remedy="give a valid access_key_id and secret_access_key, or neither and a role to the worker",
        )
    if settings.ca_file and not settings.ca_file.is_file():
        return Finding(
            setting="ca_file",
            problem=f"the worker has no file {settings.ca_file}, so no connection is trusted",
            remedy="name a PEM file that the worker can read",
        )
    if code_of(error) is None and not settings.endpoint_url and settings.region not in known_regions("ec2"):
        return Finding(
            setting="region",
            problem=f"there is no region {settings.region!r} that this version of boto3 knows",
            remedy="correct its name",
        )
    return None


class _Check:
    def __init__(self, settings: Settings, calls: Calls, requests: Requests) -> None:
        self._settings, self._calls, self._requests = settings, calls, requests
        self._found: list[Finding] = []
        self._denied: list[str] = []

    def findings(self) -> Sequence[Finding]:
        image = next(iter(self._image()), None)
        subnets = self._subnets()
        self._security_groups(subnets)
        self._instance_types(image, subnets)
        self._key_pair()
        for operation in _READS:
            self._rehearse(operation)
        if not self._found:
            self._rehearse_creation()
        if self._denied:
            self._add(
                _CREDENTIALS,
                f"the credentials may not do {', '.join(self._denied)}",
                "give them the policy of this provider's page",
            )
        return self._found

    def _image(self) -> Things:
        images = self._look("ami_id", "describe_images", "Images", "image-id", [self._settings.ami_id])
        for image in images or ():
            self._found += image_findings(self._settings, image)
        if images is not None and not images:
            self._missing("ami_id", [self._settings.ami_id])
        return images or ()

    def _subnets(self) -> Things:
        wanted = self._settings.subnet_ids
        subnets = self._look("subnet_ids", "describe_subnets", "Subnets", "subnet-id", wanted)
        self._missing_of("subnet_ids", wanted, subnets, "SubnetId")
        networks = {subnet["VpcId"] for subnet in subnets or ()}
        if len(networks) > 1:
            self._add("subnet_ids", f"they are in several VPCs: {', '.join(sorted(networks))}", "name those of one VPC")
        return subnets or ()

    def _security_groups(self, subnets: Things) -> None:
        wanted = self._settings.security_group_ids
        groups = self._look("security_group_ids", "describe_security_groups", "SecurityGroups", "group-id", wanted)
        self._missing_of("security_group_ids", wanted, groups, "GroupId")
        networks = {subnet["VpcId"] for subnet in subnets}
        strange = [group["GroupId"] for group in groups or () if networks and group["VpcId"] not in networks]
        if strange:
            self._add(
                "security_group_ids",
                f"{', '.join(strange)} is not in the VPC of subnet_ids",
                "name security groups of the VPC that the subnets are in",
            )

    def _instance_types(self, image: Mapping[str, Any] | None, subnets: Things) -> None:
        types = self._settings.instance_types
        operation, key = "describe_instance_type_offerings", "InstanceTypeOfferings"
        more = {"LocationType": "availability-zone"}
        offers = self._look("instance_types", operation, key, "instance-type", types, **more)
        if offers is None:
            return
        offered = {(offer["InstanceType"], offer["Location"]) for offer in offers}
        nowhere = [name for name in types if name not in {known for known, _ in offered}]
        self._missing("instance_types", nowhere)
        zones = sorted({subnet["AvailabilityZone"] for subnet in subnets})
        lacking = [
            f"{name} in {zone}"
            for name in types
            for zone in zones
            if name not in nowhere and (name, zone) not in offered
        ]
        if lacking:
            self._add("instance_types", f"EC2 does not offer {', '.join(lacking)}", "name types that all subnets offer")
        self._architectures(image, [name for name in types if name not in nowhere])

    def _architectures(self, image: Mapping[str, Any] | None, types: Sequence[str]) -> None:
        found = self._look("instance_types", "describe_instance_types", "InstanceTypes", "instance-type", types)
        wanted = image and image.get("Architecture")
        unfit = [
            one["InstanceType"]
            for one in found or ()
            if wanted and wanted not in one["ProcessorInfo"]["SupportedArchitectures"]
        ]
        if unfit:
            self._add("instance_types", f"the image is for {wanted}, {', '.join(unfit)} is not", "name types that are")

    def _key_pair(self) -> None:
        if name := self._settings.key_name:
            pairs = self._look("key_name", "describe_key_pairs", "KeyPairs", "key-name", [name])
            self._missing_of("key_name", [name], pairs, "KeyName")
        if key := self._settings.ssh_public_key:
            self._rehearse("import_key_pair", KeyName="poolwright-check", PublicKeyMaterial=key.encode())

    def _rehearse_creation(self) -> None:
        mark = OwnerMark(controller_id="check", server_id="check")
        spec = VMSpec(mark=mark, token="", hostname="check", startup_script=SecretStr(""))
        try:
            request: dict[str, Any] = dict(self._requests.to_send(spec))
        except InvalidSettings as error:
            self._add("config_override", str(error), "correct it")
            return
        # With a random token, so that this one is not used up; without a key pair that is only imported later.
        del request["ClientToken"]
        if self._settings.ssh_public_key:
            del request["KeyName"]
        problem = self._rehearse("run_instances", **request)
        if problem:
            names = problem.replace(" ", "").lower()
            setting = next((own for name, own in _SETTING_OF_PARAMETER.items() if name in names), "config_override")
            self._add(setting, f"EC2 refuses a creation: {problem}", "correct what it speaks of")

    def _rehearse(self, operation: str, **parameters: Any) -> str | None:
        """Ask whether this would be allowed. Returns what else is wrong with it."""
        try:
            self._calls.ask(operation, DryRun=True, **parameters)
        except errors() as error:
            fault = fault_of(error)
            if code_of(error) == "DryRunOperation":
                return None
            if fault is Fault.PERMISSION:
                self._denied.append(operation)
                return None
            if fault in (Fault.INVALID, Fault.MISSING, Fault.CONFLICT):
                return message_of(error)
            raise
        return None

    def _look(
        self, setting: str, operation: str, key: str, by: str, values: Sequence[str], **parameters: Any
    ) -> Things | None:
        """What exists of these; None when that could not be asked, which is noted."""
        if not values:
            return []
        try:
            filters = [{"Name": by, "Values": list(values)}]
            answer: Mapping[str, Things] = self._calls.ask(operation, Filters=filters, **parameters)
        except errors() as error:
            fault = fault_of(error)
            if fault is Fault.PERMISSION:
                self._denied.append(operation)
            elif fault in (Fault.INVALID, Fault.MISSING):
                self._add(setting, message_of(error), "correct it")
            else:
                raise
            return None
        if key not in answer:
            raise strange_answer("the check", key)
        return answer[key]

    def _missing_of(self, setting: str, wanted: Sequence[str], things: Things | None, key: str) -> None:
        if things is not None:
            there = {thing[key] for thing in things}
            self._missing(setting, [name for name in wanted if name not in there])

    def _missing(self, setting: str, names: Sequence[str]) -> None:
        if names:
            problem = (
                f"{', '.join(names)} does not exist in {self._settings.region}, or these credentials cannot see it"
            )
            self._add(setting, problem, "name one that exists there")

    def _add(self, setting: str, problem: str, remedy: str) -> None:
        self._found.append(Finding(setting=setting, problem=problem, remedy=remedy))
