"""Settings of the Google DNS provider, and what its page says of errors."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from poolwright.dns.errors import DNSError
from poolwright.dns.google.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "providers" / "dns-google.md").read_text()
MINIMAL = {"project": "project-1"}


class TestSettings:
    def test_the_project_is_enough(self) -> None:
        found = Settings.model_validate(MINIMAL)
        assert (found.visibility, found.zones, found.reverse_zones) == ("public", (), ())

    @pytest.mark.parametrize(
        "wrong",
        [{"project": "My project"}, {"visibility": "both"}, {"zones": ["vdi.example.org"]}, {"key": "x"}],
        ids=str,
    )
    def test_nonsense_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Settings.model_validate({**MINIMAL, **wrong})

    def test_no_mistake_tells_the_key(self) -> None:
        with pytest.raises(ValidationError) as refused:
            Settings.model_validate({"credentials_json": "key-of-somebody", "nonsense": 1})
        assert "key-of-somebody" not in str(refused.value)


class TestPage:
    def test_it_tells_every_error(self) -> None:
        assert {error.__name__ for error in DNSError.__subclasses__()} == set(
            re.findall(r"^\| `([A-Z]\w+)` \|", PAGE, re.MULTILINE)
        )
