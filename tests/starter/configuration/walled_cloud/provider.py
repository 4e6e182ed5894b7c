"""What the configuration asks of the provider for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from poolwright.providers.base import Capabilities
from tests.starter.configuration.walled_cloud.settings import Settings


class WalledCloud:
    """Its places are its networks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def capabilities(self) -> Capabilities:
        """The limit that its settings name."""
        return Capabilities(startup_script_limit_bytes=self._settings.limit_bytes)

    def places(self) -> Sequence[str]:
        """Names of the networks."""
        return [network.name for network in self._settings.networks]


def open_provider(settings: Mapping[str, Any], controller_id: str) -> WalledCloud:
    """The provider with these settings."""
    assert controller_id
    return WalledCloud(Settings.model_validate(settings))
