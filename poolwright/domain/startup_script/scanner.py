"""Splits a startup script into literal text, tags and stray braces, each with its place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text, with doubled braces already made single."""

    text: str


@dataclass(frozen=True, slots=True)
class TagUse:
    """`{name}` or `{name:filter}`, whether or not there is such a tag or filter."""

    name: str
    filter: str | None
    """None: no colon. What follows the colon may be empty."""
    source: str
    line: int
    column: int
    after_dollar: bool
    """A `$` stands before the brace, so the author may have meant a variable of the script."""


@dataclass(frozen=True, slots=True)
class StrayBrace:
    """Braces that are neither doubled nor those of a tag: `{`, `}`, or a pair with what it holds."""

    source: str
    line: int
    column: int


Piece = Text | TagUse | StrayBrace

_PIECE: Final = re.compile(
    r"""
      (?P<open>\{\{)
    | (?P<close>\}\})
    | \{ (?P<name>[^\W\d]\w*) (?: : (?P<filter>[^{}]*) )? \}
      # A pair that is no tag is one mistake. But in "{ x }}" the closing braces are doubled: only the first is amiss.
    | (?P<pair> \{ [^{}]* \} ) (?= (?:\}\})* (?!\}) )
    | (?P<single>[{}])
    | (?P<text>[^{}]+)
    """,
    re.VERBOSE,
)


def scan(script: str) -> Iterator[Piece]:
    """Yield the pieces of `script` in order; never raises. Lines and columns count from 1, columns in characters.

    Without stray braces, the texts and the replaced tags joined are what `str.format` would make of the script.
    """
    for number, line in enumerate(script.split("\n"), start=1):
        if number > 1:
            yield Text("\n")
        # A tag never spans lines, which keeps one forgotten brace from swallowing the lines after it.
        for match in _PIECE.finditer(line):
            yield _piece(match, number)


def _piece(match: re.Match[str], line: int) -> Piece:
    source = match.group()
    column = match.start() + 1
    match match.lastgroup:
        case "open" | "close":
            return Text(source[0])
        case "text":
            return Text(source)
        case "name" | "filter":
            before = match.string[: match.start()]
            return TagUse(match["name"], match["filter"], source, line, column, after_dollar=before.endswith("$"))
        case _:
            return StrayBrace(source, line, column)
