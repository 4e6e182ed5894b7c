"""The RunInstances request for a VM: what the settings, the spec and the override make of it."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from botocore.validate import ParamValidator

from poolwright.providers.aws.marks import mark_tags, tag_list
from poolwright.providers.aws.settings import Settings
from poolwright.providers.aws.user_data import user_data_bytes, user_data_text
from poolwright.providers.base import VMSpec
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.overrides import overridden

if TYPE_CHECKING:
    from botocore.model import Shape
    from types_boto3_ec2.type_defs import RunInstancesRequestTypeDef

_PROTECTED: Final = (
    ("ClientToken",),
    ("DryRun",),
    ("MaxCount",),
    ("MinCount",),
    ("TagSpecifications",),
    ("UserData",),
)
_ENDS_WITH_ITS_VM: Final = "DeleteOnTermination"
_KEEPS_ITS_VM: Final = ("DisableApiTermination", "DisableApiStop")
"""Whichever is true, EC2 refuses to terminate the instance: protection from being stopped is one from termination."""


class Place(NamedTuple):
    """Where an instance may be made, and how large."""

    subnet_id: str | None
    """None: the default VPC's."""
    instance_type: str

    @property
    def text(self) -> str:
        """How it is told outside: `subnet-0abc/t3.micro`, or the type alone."""
        return f"{self.subnet_id}/{self.instance_type}" if self.subnet_id else self.instance_type


class Requests:
    """Builds requests. Knows no client: previews and creations get theirs from the same lines."""

    def __init__(self, settings: Settings, shape: "Shape", key_name: str | None) -> None:
        """`shape` is boto3's description of the RunInstances request; `key_name` the key pair of each VM."""
        self._settings, self._shape, self._key_name = settings, shape, key_name
        # The first type is tried in every zone before the second: it is the size that was wanted.
        self.places = [
            Place(subnet_id, instance_type)
            for instance_type in settings.instance_types
            for subnet_id in settings.subnet_ids or (None,)
        ]

    def to_show(self, spec: VMSpec) -> dict[str, Any]:
        """The request with the startup script as it was given. Raises `InvalidSettings` as `to_send` does."""
        request = dict(self.to_send(spec))
        if "UserData" in request:
            script = spec.startup_script.get_secret_value()
            request["UserData"] = user_data_text(script, self._settings.operating_system)
        return request

    def to_send(self, spec: VMSpec, used_tokens: Sequence[str] = ()) -> "RunInstancesRequestTypeDef":
        """The request, with the first of the spec's tokens that is not used up.

        Raises `InvalidSettings` for a bad override, a place that is not in the settings, or too large a script.
        """
        place = self._place(spec)
        tokens = (client_token(spec, number) for number in range(len(used_tokens) + 1))
        script = spec.startup_script.get_secret_value()
        user_data = user_data_bytes(script, self._settings.operating_system)
        request: dict[str, Any] = {
            "ImageId": self._settings.ami_id,
            "InstanceType": place.instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": next(token for token in tokens if token not in used_tokens),
            "NetworkInterfaces": [self._network_interface(place)],
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
            "TagSpecifications": self._tags(spec),
            **self._optional(),
            **({"UserData": user_data} if user_data else {}),
        }
        merged = overridden(request, self._settings.override, protected=_PROTECTED)
        _have_all_end_with_the_vm(merged)
        _refuse_a_persistent_spot_request(merged)
        _refuse_protection(merged)
        self._validate(merged)
        return cast("RunInstancesRequestTypeDef", merged)

    def _place(self, spec: VMSpec) -> Place:
        for place in self.places:
            if spec.place in (None, place.text):
                return place
        raise InvalidSettings(
            f"there is no place {spec.place!r} in subnet_ids and instance_types; choose one of "
            f"{', '.join(place.text for place in self.places)}"
        )

    def _network_interface(self, place: Place) -> dict[str, Any]:
        interface: dict[str, Any] = {"DeviceIndex": 0, _ENDS_WITH_ITS_VM: True}
        if place.subnet_id:
            interface["SubnetId"] = place.subnet_id
        if self._settings.security_group_ids:
            interface["Groups"] = list(self._settings.security_group_ids)
        if self._settings.assign_public_ip is not None:
            interface["AssociatePublicIpAddress"] = self._settings.assign_public_ip
        return interface

    def _tags(self, spec: VMSpec) -> list[dict[str, Any]]:
        tags = tag_list({**self._settings.tags, **spec.labels, "Name": spec.name, **mark_tags(spec.mark)})
        kinds = [
            "instance",
            "volume",
            "network-interface",
            *(["spot-instances-request"] if self._settings.makes_spot_instances else []),
        ]
        return [{"ResourceType": kind, "Tags": tags} for kind in kinds]

    def _optional(self) -> dict[str, Any]:
        request: dict[str, Any] = {}
        if self._key_name:
            request["KeyName"] = self._key_name
        if profile := self._settings.instance_profile:
            request["IamInstanceProfile"] = {"Arn" if profile.startswith("arn:") else "Name": profile}
        if self._settings.root_device_name and self._settings.changes_root_volume:
            volume = {"DeviceName": self._settings.root_device_name, "Ebs": self._root_volume()}
            request["BlockDeviceMappings"] = [volume]
        if self._settings.spot:
            # One-time: a persistent request would make a new VM, with this one's mark, in place of a lost one.
            options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
            if price := self._settings.spot_max_price_usd_per_hour:
                options["MaxPrice"] = f"{price:.6f}".rstrip("0").rstrip(".")
            request["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
        return request

    def _root_volume(self) -> dict[str, Any]:
        settings = self._settings
        wanted = {
            "VolumeSize": settings.root_volume_size_gib,
            "VolumeType": settings.root_volume_type,
            "Iops": settings.root_volume_iops,
            "Throughput": settings.root_volume_throughput_mib_per_second,
            "Encrypted": settings.root_volume_encrypted,
            "KmsKeyId": settings.root_volume_kms_key_id,
        }
        return {_ENDS_WITH_ITS_VM: True, **{name: value for name, value in wanted.items() if value is not None}}

    def _validate(self, request: Mapping[str, Any]) -> None:
        text = {name: value.decode("latin-1") if name == "UserData" else value for name, value in request.items()}
        report = ParamValidator().validate(text, self._shape)
        if report.has_errors():
            # The list of all keys that would have been right is longer than a screen.
            problem = report.generate_report().splitlines()[0].partition(", must be one of")[0]
            raise InvalidSettings(f"config_override makes no valid RunInstances request: {problem}; correct it")


def client_token(spec: VMSpec, number: int) -> str:
    """The ClientToken of a spec's first VM (0), or of the one after so many that have died: 64 ASCII characters."""
    return hashlib.sha256(f"{spec.mark.text()}/{spec.token}/{number}".encode()).hexdigest()


def _have_all_end_with_the_vm(request: dict[str, Any]) -> None:
    """For what an override added: EC2's own default is to leave disks behind. Raises `InvalidSettings`."""
    new_interfaces = [one for one in _objects(request, "NetworkInterfaces") if "NetworkInterfaceId" not in one]
    new_volumes = [one["Ebs"] for one in _objects(request, "BlockDeviceMappings") if isinstance(one.get("Ebs"), dict)]
    for thing in (*new_interfaces, *new_volumes):
        if not thing.setdefault(_ENDS_WITH_ITS_VM, True):
            raise InvalidSettings(
                f"config_override sets {_ENDS_WITH_ITS_VM} to false, which leaves disks or interfaces behind; "
                "take it out"
            )


def _refuse_a_persistent_spot_request(request: Mapping[str, Any]) -> None:
    options: Any = request
    for key in ("InstanceMarketOptions", "SpotOptions"):
        options = options.get(key) if isinstance(options, Mapping) else None
    if isinstance(options, Mapping) and options.get("SpotInstanceType") == "persistent":
        raise InvalidSettings(
            "config_override sets SpotInstanceType to persistent, with which EC2 makes a new VM for each that is "
            "deleted; take it out"
        )


def _refuse_protection(request: Mapping[str, Any]) -> None:
    for key in _KEEPS_ITS_VM:
        if request.get(key):
            raise InvalidSettings(
                f"config_override sets {key} to {request[key]!r}, with which EC2 refuses to terminate the VM, so that "
                "Poolwright could never delete it; take it out"
            )


def _objects(request: Mapping[str, Any], key: str) -> Sequence[dict[str, Any]]:
    things = request.get(key)
    return [one for one in things if isinstance(one, dict)] if isinstance(things, list) else []
