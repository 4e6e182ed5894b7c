"""Settings of the DigitalOcean DNS provider."""

import pytest
from pydantic import ValidationError

from poolwright.dns.digitalocean.settings import Settings


class TestSettings:
    def test_none_has_to_be_given(self) -> None:
        assert Settings().domains == ()

    @pytest.mark.parametrize("wrong", [{"domains": ["under_score.example"]}, {"endpoint_url": "http://x"}, {"zone": 1}])
    def test_nonsense_is_refused_without_telling_the_token(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValidationError) as refusal:
            Settings.model_validate({"token": "dop_v1_secret", **wrong})
        assert "dop_v1_secret" not in str(refusal.value)
