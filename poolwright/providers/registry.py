"""Kind of provider -> its package, imported only when it is used, so that an unused cloud costs nothing."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from poolwright.domain.base import Model
from poolwright.providers.base import Provider, ProviderFactory
from poolwright.vendors.installed import lack_of

_PACKAGES: Mapping[str, str] = {
    "aws": "poolwright.providers.aws",
    "azure": "poolwright.providers.azure",
    "digitalocean": "poolwright.providers.digitalocean",
    "gcp": "poolwright.providers.gcp",
    "local": "poolwright.providers.local",
    "oci": "poolwright.providers.oci",
    "proxmox": "poolwright.providers.proxmox",
    "sim": "poolwright.providers.sim",
}

_SDKS: Mapping[str, tuple[str, str]] = {
    "aws": ("boto3", "aws"),
    "azure": ("azure.mgmt.compute", "azure"),
    "digitalocean": ("pydo", "digitalocean"),
    "gcp": ("google.cloud.compute_v1", "gcp"),
    "oci": ("oci", "oci"),
    "proxmox": ("proxmoxer", "proxmox"),
}
"""Kind -> what has to be installed beside Poolwright, and the extra that brings it."""

_WHEREABOUTS: Mapping[str, tuple[str, ...]] = {
    "aws": ("region",),
    "azure": ("subscription_id", "resource_group"),
    "digitalocean": (),  # only the token tells the account
    "gcp": ("project",),
    "local": ("directory",),
    "oci": ("region", "compartment_ocid"),
    "proxmox": (),  # another host may be another node of the same cluster
    "sim": ("world", "file"),
}
"""Kind -> see `whereabouts`. Every kind has an entry: one that forgot its own would lose VMs."""


class UnknownProvider(ValueError):
    """No provider of this kind exists."""


class ProviderNotInstalled(UnknownProvider):
    """The provider exists, and its vendor's SDK is not installed."""


def kinds() -> tuple[str, ...]:
    """The kinds of provider that exist."""
    return tuple(sorted(_PACKAGES))


def settings_model(kind: str) -> type[Model]:
    """The pydantic model of this provider's settings (`settings.Settings` of its package)."""
    return cast("type[Model]", import_module(f"{_package(kind)}.settings").Settings)


def whereabouts(kind: str) -> tuple[str, ...]:
    """The settings that say where this provider's VMs are: with another value of one, the VMs that exist are not found,
    and are taken for gone."""
    return _WHEREABOUTS[kind]


def open_provider(kind: str, settings: Mapping[str, Any], controller_id: str) -> Provider:
    """The provider of this kind with these settings (`provider.open_provider` of its package).

    Raises `UnknownProvider`, `ProviderNotInstalled`, or pydantic's ValidationError for wrong settings.
    """
    if kind in _SDKS and (lack := lack_of(*_SDKS[kind])):
        raise ProviderNotInstalled(f"the provider {kind!r} {lack}")
    factory = cast("ProviderFactory", import_module(f"{_package(kind)}.provider").open_provider)
    return factory(settings, controller_id)


def _package(kind: str) -> str:
    try:
        return _PACKAGES[kind]
    except KeyError:
        raise UnknownProvider(f"there is no provider {kind!r}; choose one of {', '.join(kinds())}") from None
