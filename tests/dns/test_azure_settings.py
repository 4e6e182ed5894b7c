"""Settings of the Azure DNS provider, and what its page says of them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from poolwright.dns.azure.settings import Settings
from poolwright.dns.errors import (
    DNSError,
)
from poolwright.domain.autoscale import DNSRegistration
from poolwright.domain.resources import DNSProviderConfig
from tests.wire.azure_login import SECRET

PAGE = (Path(__file__).parents[2] / "docs" / "providers" / "dns-azure.md").read_text()
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


class TestSettings:
    def test_the_subscription_is_enough(self) -> None:
        found = Settings.model_validate({"subscription_id": SUBSCRIPTION})
        assert (found.visibility, found.resource_group, found.zones, found.reverse_zones) == ("public", None, (), ())

    @pytest.mark.parametrize(
        "wrong",
        [
            {"subscription_id": "mine"},
            {"visibility": "both"},
            {"zones": ["vdi_example"]},
            {"reverse_zones": ["192.0.2.0/24"]},
            {"client_secret": "without the rest"},
            {"endpoint_url": "http://in.the.clear"},
            {"region": "unknown keys are refused"},
        ],
        ids=str,
    )
    def test_nonsense_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Settings.model_validate({"subscription_id": SUBSCRIPTION, **wrong})

    def test_no_mistake_tells_the_secret(self) -> None:
        with pytest.raises(ValidationError) as refused:
            Settings.model_validate({"subscription_id": "x", "client_secret": SECRET})
        assert SECRET not in str(refused.value)


class TestPage:
    """What docs/providers/dns-azure.md says is so."""

    def test_its_examples_are_accepted(self) -> None:
        provider, registration = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
        config = DNSProviderConfig.model_validate(provider)
        Settings.model_validate(config.settings)
        assert DNSRegistration.model_validate(registration["dns"]).provider == config.name

    def test_it_tells_every_setting_with_its_default(self) -> None:
        rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) *\| ", PAGE, re.MULTILINE))
        for name, field in Settings.model_fields.items():
            default = "" if field.is_required() else "all" if field.default == () else field.default or "none"
            assert rows[name].strip("`|") == default, name

    def test_it_tells_every_error(self) -> None:
        assert {error.__name__ for error in DNSError.__subclasses__()} == set(
            re.findall(r"^\| `([A-Z]\w+)` \|", PAGE, re.MULTILINE)
        )
