"""Settings of the Azure DNS provider, and what its page says of errors."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from poolwright.dns.azure.settings import Settings
from poolwright.dns.errors import DNSError
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
    def test_it_tells_every_error(self) -> None:
        assert {error.__name__ for error in DNSError.__subclasses__()} == set(
            re.findall(r"^\| `([A-Z]\w+)` \|", PAGE, re.MULTILINE)
        )
