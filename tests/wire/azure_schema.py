"""Bodies of requests against Microsoft's own description of them, closed: a key that it does not name is wrong."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator

_DESCRIPTION = Path(__file__).parent / "descriptions" / "azure_compute.json"
_VERSION = "2026-03-01"


def complaints(definition: str, kind: str, name: str, body: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the body of a request for a resource of this kind."""
    if not body.get("location"):
        yield f"{kind} {name} has no location"
    whole = {**body, "type": kind, "name": name, "apiVersion": _VERSION}
    for error in _validator(definition).iter_errors(whole):
        yield f"{kind} {name}: {error.json_path}: {error.message[:300]}"


@cache
def _validator(definition: str) -> Draft4Validator:
    description = json.loads(_DESCRIPTION.read_text())
    return Draft4Validator({**description, **description["resourceDefinitions"][definition]})
