"""Kind of DNS provider -> its package, imported only when it is used, so that an unused service costs nothing."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from poolwright.dns.base import DNSProvider, DNSProviderFactory
from poolwright.domain.base import Model
from poolwright.vendors.installed import lack_of

_PACKAGES: Mapping[str, str] = {
    "azure": "poolwright.dns.azure",
    "digitalocean": "poolwright.dns.digitalocean",
    "google": "poolwright.dns.google",
    "oci": "poolwright.dns.oci",
    "rfc2136": "poolwright.dns.rfc2136",
    "route53": "poolwright.dns.route53",
}

_SDKS: Mapping[str, tuple[str, str]] = {
    "azure": ("azure.mgmt.dns", "azure"),
    "digitalocean": ("pydo", "digitalocean"),
    "google": ("google.auth", "gcp"),
    "oci": ("oci", "oci"),
    "rfc2136": ("dns", "dns"),
    "route53": ("boto3", "aws"),
}
"""Kind -> what has to be installed beside Poolwright, and the extra that brings it."""


class UnknownDNSProvider(ValueError):
    """No DNS provider of this kind exists."""


class DNSProviderNotInstalled(UnknownDNSProvider):
    """The DNS provider exists, and what it needs is not installed."""


def kinds() -> tuple[str, ...]:
    """The kinds of DNS provider that exist."""
    return tuple(sorted(_PACKAGES))


def settings_model(kind: str) -> type[Model]:
    """The pydantic model of this provider's settings (`settings.Settings` of its package). Needs no extra installed.

    Raises `UnknownDNSProvider`.
    """
    return cast("type[Model]", import_module(f"{_package(kind)}.settings").Settings)


def open_dns_provider(kind: str, settings: Mapping[str, Any], controller_id: str) -> DNSProvider:
    """The DNS provider of this kind with these settings (`provider.open_dns_provider` of its package).

    Raises `UnknownDNSProvider`, `DNSProviderNotInstalled`, and pydantic's ValidationError for wrong settings.
    """
    if kind in _SDKS and (lack := lack_of(*_SDKS[kind])):
        raise DNSProviderNotInstalled(f"the DNS provider {kind!r} {lack}")
    factory = cast("DNSProviderFactory", import_module(f"{_package(kind)}.provider").open_dns_provider)
    return factory(settings, controller_id)


def _package(kind: str) -> str:
    try:
        return _PACKAGES[kind]
    except KeyError:
        raise UnknownDNSProvider(f"there is no DNS provider {kind!r}; choose one of {', '.join(kinds())}") from None
