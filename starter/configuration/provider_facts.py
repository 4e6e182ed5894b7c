"""What a VM provider says of its settings without being asked over the network."""

from collections.abc import Mapping
from typing import Any

from poolwright.domain.resources import VMProviderConfig
from poolwright.providers.errors import ProviderError
from poolwright.providers.override_secrets import revealed
from poolwright.providers.registry import ProviderNotInstalled, open_provider
from starter.configuration.checked import Checked
from starter.configuration.problems import Problem, shown


def provider_facts(
    document: Checked, config: VMProviderConfig, controller: str
) -> tuple[Mapping[str, Any], list[Problem]]:
    """The provider's places and what it can do; empty when it cannot be opened, and why."""
    try:
        provider = open_provider(config.provider, revealed(config.settings), controller)
        places, capabilities = list(provider.places()), provider.capabilities()
    except ProviderNotInstalled as error:
        return {}, [document.declared.problem(("provider",), str(error), "", shown(config.provider))]
    except ProviderError as error:
        return {}, [document.declared.problem(("settings",), str(error), "")]
    # A worker asks the provider itself whether an address is there at creation: it is no fact of the configuration.
    found = capabilities.model_dump(mode="json", exclude_defaults=True, exclude={"address_at_creation"})
    return {"places": places, **found}, []
