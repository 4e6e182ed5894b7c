"""Kind of provider -> its package, imported only when it is used, so that an unused cloud costs nothing."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from poolwright.domain.base import Model
from poolwright.providers.base import Provider, ProviderFactory

_PACKAGES: Mapping[str, str] = {
    "local": "poolwright.providers.local",
    "sim": "poolwright.providers.sim",
}


class UnknownProvider(ValueError):
    """No provider of this kind exists."""


def kinds() -> tuple[str, ...]:
    """The kinds of provider that exist."""
    return tuple(sorted(_PACKAGES))


def settings_model(kind: str) -> type[Model]:
    """The pydantic model of this provider's settings (`settings.Settings` of its package)."""
    return cast("type[Model]", import_module(f"{_package(kind)}.settings").Settings)


def open_provider(kind: str, settings: Mapping[str, Any], controller_id: str) -> Provider:
    """The provider of this kind with these settings (`provider.open_provider` of its package).

    Raises `UnknownProvider`, or pydantic's ValidationError for wrong settings.
    """
    factory = cast("ProviderFactory", import_module(f"{_package(kind)}.provider").open_provider)
    return factory(settings, controller_id)


def _package(kind: str) -> str:
    try:
        return _PACKAGES[kind]
    except KeyError:
        raise UnknownProvider(f"there is no provider {kind!r}; choose one of {', '.join(kinds())}") from None
