"""Settings of the AWS provider. boto3 is not needed to check them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from poolwright.providers.overrides import overridden
from poolwright.vendors.aws import Account

MARK_PREFIX: Final = "poolwright:"
_OUR_NAMES: Final = (MARK_PREFIX, "aws:")
_MOST_TAGS: Final = 40
"""EC2 takes 50 on a thing; the rest is for our own and for labels."""


class OperatingSystem(StrEnum):
    """What the image runs, which decides how startup scripts are handed over."""

    LINUX = "linux"
    WINDOWS = "windows"


def _free_tag_names(tags: Mapping[str, str]) -> Mapping[str, str]:
    for name in tags:
        if name == "Name" or name.startswith(_OUR_NAMES):
            raise ValueError(f"the tag {name!r} is not free: Poolwright or AWS sets it; choose another name")
        if not 0 < len(name) <= 128 or len(tags[name]) > 256:
            raise ValueError(f"the tag {name!r} is too long: AWS takes names of 128 characters and values of 256")
    return tags


def _readable_public_key(text: str) -> str:
    try:
        load_ssh_public_key(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("ssh_public_key is no public key; write it as one line that begins with ssh-rsa") from None
    return text.strip()


def rsa_private_key(secret: SecretStr) -> RSAPrivateKey:
    """The key in PEM or OpenSSH form. Raises ValueError, without the key in its words."""
    data = secret.get_secret_value().encode()
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        key = load(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError(  # noqa: TRY004 (pydantic reports ValueErrors)
            "ssh_private_key is no RSA key in PEM form without a passphrase; EC2 encrypts Windows passwords for RSA"
        )
    return key


def _readable_private_key(secret: SecretStr) -> SecretStr:
    rsa_private_key(secret)
    return secret


class Settings(Account):
    """What is made in one region of an AWS account. The policy that the credentials need is on this provider's page."""

    region: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)+$")
    """Region, such as `eu-central-1`."""
    ami_id: str = Field(pattern=r"^ami-[0-9a-f]+$")
    """Image of the VMs."""
    instance_types: tuple[str, ...] = Field(min_length=1)
    """Sizes in order of preference; the next is tried where one has no capacity."""
    subnet_ids: tuple[str, ...] = ()
    """Subnets in order of preference, one or several for each availability zone. Empty: the default VPC's."""
    security_group_ids: tuple[str, ...] = ()
    """Security groups of each VM. Empty: the VPC's default group."""
    assign_public_ip: bool | None = None
    """Whether VMs get a public IPv4 address. Left out: as the subnet has it."""
    operating_system: OperatingSystem = OperatingSystem.LINUX
    """What the image runs."""

    root_device_name: str | None = None
    """Name of the image's root device, such as `/dev/sda1` or `/dev/xvda`: needed to change the root volume."""
    root_volume_size_gib: PositiveInt | None = None
    """Size of the root volume. Left out: as in the image."""
    root_volume_type: str | None = None
    """EBS type of the root volume, such as `gp3`. Left out: as in the image."""
    root_volume_iops: PositiveInt | None = None
    """Operations each second, for the types that take it."""
    root_volume_throughput_mib_per_second: PositiveInt | None = None
    """Throughput, for `gp3`."""
    root_volume_encrypted: bool | None = None
    """Whether the root volume is encrypted. Left out: as the account has it."""
    root_volume_kms_key_id: str | None = None
    """Key that encrypts it. Left out: the account's default key."""

    instance_profile: str | None = None
    """Name or ARN of the instance profile whose role the VMs have."""
    tags: Annotated[Mapping[str, str], AfterValidator(_free_tag_names)] = Field(
        default_factory=dict, max_length=_MOST_TAGS
    )
    """Tags of your own, on instances, volumes and network interfaces."""
    key_name: str | None = None
    """Key pair that exists in the region. Not together with `ssh_public_key`."""
    ssh_public_key: Annotated[str, AfterValidator(_readable_public_key)] | None = None
    """Public key that is imported as a key pair, once for this installation."""
    ssh_private_key: Annotated[SecretStr, AfterValidator(_readable_private_key)] | None = None
    """RSA private key of the key pair; only used to decrypt Windows passwords."""
    retrieve_windows_password: bool = False
    """Have EC2 tell the administrator's password of each new Windows VM. Needs `ssh_private_key`."""

    spot: bool = False
    """Make spot instances: cheaper, but EC2 takes them back with two minutes' notice."""
    spot_max_price_usd_per_hour: PositiveFloat | None = None
    """Most to pay for a spot instance. Left out: up to the on-demand price."""

    run_instances_per_second: PositiveFloat = 2.0
    """How many VMs are asked for each second. 2 is what EC2 grants every account; raise it when AWS raised yours."""
    config_override: Mapping[str, Any] = Field(default_factory=dict)
    """Merged over the RunInstances request as a JSON merge patch; may stand below the one key `instance_config`."""

    @property
    def override(self) -> Mapping[str, Any]:
        """`config_override` without its outer key."""
        inner: Mapping[str, Any] = self.config_override.get("instance_config", self.config_override)
        return inner

    @property
    def makes_spot_instances(self) -> bool:
        """Whether EC2 may take the VMs back: by `spot`, or as `config_override` has it."""
        asked = {"InstanceMarketOptions": {"MarketType": "spot"}} if self.spot else {}
        market = overridden(asked, self.override).get("InstanceMarketOptions")
        return isinstance(market, Mapping) and market.get("MarketType") == "spot"

    @property
    def changes_root_volume(self) -> bool:
        """Whether any setting differs from the image's root volume."""
        return any(value is not None for name, value in self if name.startswith("root_volume_"))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.key_name and self.ssh_public_key:
            raise ValueError("key_name and ssh_public_key exclude each other: give one")
        if self.changes_root_volume and not self.root_device_name:
            raise ValueError(
                "root_volume_... settings need root_device_name, as the image has it: `aws ec2 describe-images "
                "--image-ids AMI` shows it as RootDeviceName"
            )
        if self.spot_max_price_usd_per_hour and not self.spot:
            raise ValueError("spot_max_price_usd_per_hour needs spot: true; without it no spot instances are made")
        return self

    @model_validator(mode="after")
    def _password_can_be_read(self) -> Self:
        if not self.retrieve_windows_password:
            return self
        if self.operating_system is not OperatingSystem.WINDOWS:
            raise ValueError("retrieve_windows_password needs operating_system: windows")
        if not self.ssh_private_key or not (self.key_name or self.ssh_public_key):
            raise ValueError(
                "retrieve_windows_password needs ssh_private_key, and key_name or ssh_public_key: EC2 encrypts the "
                "password for that key pair"
            )
        return self

    @model_validator(mode="after")
    def _readable_override(self) -> Self:
        outer = self.config_override
        if "instance_config" in outer and (len(outer) > 1 or not isinstance(outer["instance_config"], Mapping)):
            raise ValueError(
                "config_override.instance_config must be the only key of config_override, and an object with keys of "
                "RunInstances"
            )
        return self

    @model_validator(mode="after")
    def _one_key_pair(self) -> Self:
        if self.ssh_public_key and self.ssh_private_key:
            public = load_ssh_public_key(self.ssh_public_key.encode())
            if public != rsa_private_key(self.ssh_private_key).public_key():
                raise ValueError("ssh_private_key does not belong to ssh_public_key; give the two halves of one key")
        return self
