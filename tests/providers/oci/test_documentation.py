"""The examples on the two pages about OCI are true."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from poolwright.dns import registry as dns_registry
from poolwright.domain.resources import DNSProviderConfig, VMProviderConfig
from poolwright.providers import registry
from poolwright.providers.oci.provider import OCIProvider
from poolwright.providers.oci.settings import Settings
from tests.conformance.specs import spec_of

DOCS = Path(__file__).parents[3] / "docs" / "providers"


def examples(page: str) -> list[Any]:
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)]


@pytest.fixture
def secret(account: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the environment variable of the examples holds."""
    return {"private_key": account["private_key"]}


class TestExamples:
    def test_the_vm_provider_and_its_override_are_accepted(self, secret: Mapping[str, Any]) -> None:
        document, override = examples("oci.md")
        config = VMProviderConfig.model_validate(document)
        settings = registry.settings_model(config.provider).model_validate({**config.settings, **secret, **override})
        assert isinstance(settings, Settings)
        request = OCIProvider(settings, "controller-1").preview(spec_of("a")).request
        assert request["instanceOptions"] == {"areLegacyImdsEndpointsDisabled": True}

    def test_the_dns_provider_is_accepted(self, secret: Mapping[str, Any]) -> None:
        (document,) = examples("dns-oci.md")
        config = DNSProviderConfig.model_validate(document)
        dns_registry.settings_model(config.provider).model_validate({**config.settings, **secret})
