"""The reference pages are those of the present program."""

import re
from enum import StrEnum

import pytest
from pydantic import Field, SecretStr

from poolwright.domain.base import Model
from poolwright.providers import registry
from poolwright.store.documents import kinds
from tools.configuration_page import configuration_page, provider_settings_page
from tools.make_reference import DOCS, PAGES
from tools.model_tables import NoMeaning, choice_meanings, table


class Colour(StrEnum):
    """Choices with and without a meaning."""

    RED = "red"
    """Like a rose."""
    BLUE = "blue"


class Part(Model):
    """A part."""

    depth_mib: int = Field(default=3, ge=1)
    """How deep | how far."""


class Example(Model):
    """Every sort of field."""

    secret: SecretStr
    """One."""
    colour: Colour = Colour.RED
    """Two."""
    parts: tuple[Part, ...] = ()
    """Three."""
    share: float | None = None
    """Four."""


class Silent(Model):
    """A field that says nothing."""

    mystery: int = 0


class TestPages:
    @pytest.mark.parametrize("name", sorted(PAGES))
    def test_each_is_up_to_date(self, name: str) -> None:
        assert (DOCS / name).read_text() == PAGES[name](), "run: python -m tools.make_reference"

    def test_every_kind_of_document_is_described(self) -> None:
        assert [kind for kind in kinds() if f"\n## `{kind}`\n" not in configuration_page()] == []

    def test_every_provider_is_described(self) -> None:
        assert [kind for kind in registry.kinds() if f"\n## {kind}\n" not in provider_settings_page()] == []

    @pytest.mark.parametrize("name", sorted(PAGES))
    def test_links_within_a_page_lead_somewhere(self, name: str) -> None:
        text = PAGES[name]()
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
        assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= anchors


class TestTable:
    def test_types_defaults_and_meanings(self) -> None:
        assert table(Example, list(Example.model_fields), owner="x").splitlines()[2:] == [
            "| `secret` | secret | required | One. |",
            "| `colour` | `red` or `blue` | `red` | Two. |",
            "| `parts` | list of [Part](#x-part) | `[]` | Three. |",
            "| `share` | number |  | Four. |",
        ]
        assert table(Part, ["depth_mib"]).splitlines()[2] == (
            r"| `depth_mib` | whole number, 1 or more | `3` | How deep \| how far. |"
        )

    def test_a_field_without_a_meaning_is_an_error_that_says_what_to_do(self) -> None:
        with pytest.raises(NoMeaning, match=r"Silent\.mystery has no docstring; write one below it"):
            table(Silent, ["mystery"])

    def test_meanings_of_choices(self) -> None:
        assert choice_meanings(Colour) == {"red": "Like a rose."}
