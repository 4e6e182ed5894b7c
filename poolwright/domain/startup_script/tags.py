"""The closed table of the tags that a startup script may use."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from poolwright.domain.base import Model

_SERVER: Final = frozenset({"server"})
_DOCKER_AGENT: Final = frozenset({"docker_agent"})
_BOTH: Final = _SERVER | _DOCKER_AGENT

_ALWAYS: Final = (
    "Poolwright makes it for each server, so it is missing only when the script is rendered without a server."
)


class Tag(Model):
    """One tag: a name that a startup script writes in braces."""

    name: str
    meaning: str
    pool_types: frozenset[str]
    """Pool types whose scripts may use it: `server`, `docker_agent`."""
    secret: bool
    """Its value must not be shown or logged."""
    value_source: str
    """A sentence that says which setting gives it a value."""
    text_without_value: str | None = None
    """Rendered in place of a missing value. None: a missing value is a problem."""


_TAGS: Final = (
    Tag(
        name="server_id",
        meaning="Id of the server.",
        pool_types=_BOTH,
        secret=False,
        value_source=_ALWAYS,
    ),
    Tag(
        name="server_hostname",
        meaning="Host name of the server; also the name of its DNS record and its Active Directory computer record.",
        pool_types=_BOTH,
        secret=False,
        value_source=_ALWAYS,
    ),
    Tag(
        name="server_external_fqdn",
        meaning="Full DNS name of the server. The text `None` when the server gets no DNS record.",
        pool_types=_BOTH,
        secret=False,
        value_source="Set dns in the autoscale config.",
        text_without_value="None",
    ),
    Tag(
        name="manager_token",
        meaning="Token with which a docker agent registers.",
        # Kept from server pools: people work on those VMs, and nothing there registers an agent.
        pool_types=_DOCKER_AGENT,
        secret=True,
        value_source=_ALWAYS,
    ),
    Tag(
        name="upstream_auth_address",
        meaning="Address at which the VM reaches the check-in endpoint.",
        pool_types=_BOTH,
        secret=False,
        value_source="Set upstream_auth_address in the zone, or the address that the check-in endpoint advertises.",
    ),
    Tag(
        name="provider_name",
        meaning="Kind of the VM provider: `aws`, `oci`, ...",
        pool_types=_BOTH,
        secret=False,
        value_source="Set provider in the VM provider config.",
    ),
    Tag(
        name="ssh_key",
        meaning="SSH public key of the VM provider config, for the VM's first user.",
        pool_types=_BOTH,
        secret=False,
        value_source="Set ssh_public_key in the VM provider config.",
    ),
    Tag(
        name="connection_username",
        meaning="User name with which sessions connect.",
        pool_types=_SERVER,
        secret=False,
        value_source="Set connection.username in the autoscale config.",
    ),
    Tag(
        name="connection_password",
        meaning="Password with which sessions connect.",
        pool_types=_SERVER,
        secret=True,
        value_source="Set connection.password in the autoscale config.",
    ),
    Tag(
        name="ad_join_credential",
        meaning="One-time password of the server's Active Directory computer record.",
        pool_types=_SERVER,
        secret=True,
        value_source="Set computer_record with an LDAP config in the autoscale config.",
    ),
    Tag(
        name="domain",
        meaning="Active Directory domain that the server joins.",
        pool_types=_SERVER,
        secret=False,
        value_source=(
            "Set computer_record in the autoscale config, with an LDAP config whose search_base has DC parts: "
            "DC=corp,DC=example gives corp.example."
        ),
    ),
    Tag(
        name="checkin_jwt",
        meaning="Token of this one server for its check-ins and its registration.",
        pool_types=_BOTH,
        secret=True,
        value_source=_ALWAYS,
    ),
    Tag(
        name="registration_token",
        meaning="Older name of `checkin_jwt`.",
        pool_types=_BOTH,
        secret=True,
        value_source=_ALWAYS,
    ),
    Tag(
        name="nginx_cert_in",
        meaning="Certificate of the docker agent's proxy, in PEM form; for older scripts.",
        pool_types=_DOCKER_AGENT,
        secret=False,
        value_source="Set nginx_certificate in the autoscale config.",
    ),
    Tag(
        name="nginx_key_in",
        meaning="Private key of that certificate, in PEM form; for older scripts.",
        pool_types=_DOCKER_AGENT,
        secret=True,
        value_source="Set nginx_key in the autoscale config.",
    ),
)

TAGS: Final[Mapping[str, Tag]] = MappingProxyType({tag.name: tag for tag in _TAGS})
"""Every tag, by name. Closed: any other name in braces is a problem."""
