"""Settings of the DigitalOcean DNS provider, and what its page says of them."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from poolwright.dns.digitalocean.settings import Settings
from poolwright.domain.resources import DNSProviderConfig


class TestSettings:
    def test_none_has_to_be_given(self) -> None:
        assert Settings().domains == ()

    @pytest.mark.parametrize("wrong", [{"domains": ["under_score.example"]}, {"endpoint_url": "http://x"}, {"zone": 1}])
    def test_nonsense_is_refused_without_telling_the_token(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValidationError) as refusal:
            Settings.model_validate({"token": "dop_v1_secret", **wrong})
        assert "dop_v1_secret" not in str(refusal.value)


class TestDocumentation:
    PAGE = (Path(__file__).parents[2] / "docs" / "providers" / "dns-digitalocean.md").read_text()

    def test_the_example_is_one_that_is_accepted(self) -> None:
        config = DNSProviderConfig.model_validate(yaml.safe_load(self.PAGE.split("```yaml")[1].split("```")[0]))
        Settings.model_validate(config.settings)
