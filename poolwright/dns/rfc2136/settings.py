"""Settings of the RFC 2136 provider. No DNS library is needed to check them."""

import base64
import binascii
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, SecretStr

from poolwright.dns.names import Address, domain_name, reverse_zone
from poolwright.domain.base import Model

DNS_PORT = 53
_PORTS = range(1, 65_536)


class Endpoint(NamedTuple):
    """Where a DNS server listens."""

    address: Address
    port: int

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}" if isinstance(self.address, IPv6Address) else f"{self.address}:{self.port}"
        )


def endpoint(text: str) -> Endpoint:
    """The endpoint written as `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`.

    Raises ValueError.
    """
    try:
        return Endpoint(ip_address(text), DNS_PORT)
    except ValueError:
        host, _, port = text.rpartition(":")
    try:
        found = Endpoint(ip_address(host.removeprefix("[").removesuffix("]")), int(port))
    except ValueError:
        found = None
    if found is None or found.port not in _PORTS or host.startswith("[") != (found.address.version == 6):
        raise ValueError(
            f"{text!r} is no address of a DNS server: write an IP address, with a port unless it is {DNS_PORT} "
            "(192.0.2.1:5353, [2001:db8::1]:5353); a host name would need DNS to be found"
        )
    return found


def _readable_endpoint(text: str) -> str:
    endpoint(text)
    return text


def _base64_secret(secret: SecretStr) -> SecretStr:
    try:
        decoded = base64.b64decode(secret.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise ValueError("is not base64; take the value of `secret` as tsig-keygen or the DNS server's key file has it")
    return secret


class TSIGKey(Model):
    """A shared key, as `tsig-keygen` makes it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")]
    """The key's name on the DNS server, which must be the same on both sides."""
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    secret: Annotated[SecretStr, AfterValidator(_base64_secret)]
    """The key itself, in base64."""


class Settings(Model):
    """Which DNS servers to ask, with which key, and which zones they let us write."""

    servers: tuple[Annotated[str, AfterValidator(_readable_endpoint)], ...] = Field(min_length=1)
    """IP addresses of DNS servers, with port unless 53, the primary first: the next is asked if one does not answer."""
    key: TSIGKey | None = None
    """Signs every message. Left out: messages are not signed, and the DNS server can only judge by our address."""
    zones: tuple[Annotated[str, AfterValidator(domain_name)], ...] = Field(min_length=1)
    """Zones that records are written to and swept. A name goes to the zone with the longest name that holds it."""
    reverse_zones: tuple[Annotated[str, AfterValidator(reverse_zone)], ...] = ()
    """Zones that PTR records are written to and swept, such as `2.0.192.in-addr.arpa`; none: no PTR records."""
    transport: Literal["tcp", "udp"] = "tcp"
    """UDP saves a round trip, but an update that was held up on the way may arrive after a later one. Zone transfers
    always take TCP."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """For one question to one server."""
    transfer_timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """For the transfer of one zone, which is how the sweep finds records."""
