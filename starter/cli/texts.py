"""Texts of the command line that are stored: how long they may be."""

from collections.abc import Callable

import typer


def of_at_most(characters: int) -> Callable[[str | None], str | None]:
    """A callback for an option or an argument: 1 to so many characters, unless it is left out."""

    def check(value: str | None) -> str | None:
        if value is not None and (not value.strip() or len(value) > characters):
            raise typer.BadParameter(f"{value[:60]!r} must have 1 to {characters} characters, not only spaces")
        if value is not None and any("\ud800" <= character <= "\udfff" for character in value):
            # That is how Python hands over bytes that it could not read; no signal and no database takes them.
            raise typer.BadParameter("is not UTF-8 text: check the encoding of your terminal or script")
        return value

    return check
