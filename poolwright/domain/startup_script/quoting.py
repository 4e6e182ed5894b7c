"""The filters that quote a value for the language around its tag."""

import base64
import json
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

# PowerShell takes the typographic single quotes for the plain one, so each of them would end the literal.
_POWERSHELL_QUOTES: Final = {ord(quote): quote * 2 for quote in "'\u2018\u2019\u201a\u201b"}

# JSON bodies mostly stand in a quoted shell argument or a here-document. Written as escapes, these characters mean the
# same to a JSON reader and nothing to the shell around it.
_JSON_ESCAPES: Final = {character: f"\\u{ord(character):04x}" for character in "'\"\\$`"}


def quote_for_sh(value: str) -> str:
    """One word of a POSIX shell. Written without quotes around the tag: `PASSWORD={connection_password:sh}`."""
    return shlex.quote(value)


def quote_for_powershell(value: str) -> str:
    """A single-quoted PowerShell literal. Written without quotes around the tag."""
    return "'" + value.translate(_POWERSHELL_QUOTES) + "'"


def quote_for_json(value: str) -> str:
    """A JSON string in plain ASCII with its double quotes, fit for a single-quoted argument or a here-document."""
    return '"' + "".join(_JSON_ESCAPES.get(c) or json.dumps(c)[1:-1] for c in value) + '"'


def encode_as_base64(value: str) -> str:
    """Base64 of the value's UTF-8 bytes, on one line."""
    return base64.b64encode(value.encode("utf-8", errors="surrogatepass")).decode("ascii")


FILTERS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "sh": quote_for_sh,
        "powershell": quote_for_powershell,
        "json": quote_for_json,
        "base64": encode_as_base64,
    }
)
"""What may follow the colon in `{tag:filter}`."""


def quoted(value: str, filter_name: str | None) -> str:
    """`value` as the filter writes it; as it is without one. Raises KeyError for a name that is not in FILTERS."""
    return value if filter_name is None else FILTERS[filter_name](value)
