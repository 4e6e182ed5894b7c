"""Writes the reference pages of `docs/`: `python -m tools.make_reference`. A test says when it has to be run again."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.command_page import command_page
from tools.configuration_page import configuration_page, provider_settings_page

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "cli.md": command_page,
    "configuration.md": configuration_page,
    "provider-settings.md": provider_settings_page,
}
"""File below `docs` -> what makes its text."""


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
