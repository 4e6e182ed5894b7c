"""pydantic's errors in our words: the key, the value unless it may be a secret, and the way out."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from poolwright.domain.base import docstrings
from starter.configuration.known_keys import Types, holds_secret, models_of
from starter.configuration.problems import HIDDEN, Path, Problem, shown
from starter.configuration.secret_values import hide
from starter.configuration.yaml_documents import Declared

_ADVICE: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("must be {ge} or more", "Raise it."),
    "greater_than": ("must be above {gt}", "Raise it."),
    "less_than_equal": ("must be {le} or less", "Lower it."),
    "less_than": ("must be below {lt}", "Lower it."),
    "int_type": ("must be a whole number", "Write it without quotes, such as 3."),
    "int_parsing": ("must be a whole number", "Write it without quotes, such as 3."),
    "int_from_float": ("must be a whole number", "Round it."),
    "float_type": ("must be a number", "Write it without quotes, such as 0.5."),
    "float_parsing": ("must be a number", "Write it without quotes, such as 0.5."),
    "bool_type": ("must be true or false", "Write one of the two."),
    "bool_parsing": ("must be true or false", "Write one of the two."),
    "string_type": ("must be text", "Put it in quotes."),
    "string_too_short": ("is too short", "Write at least {min_length} character(s)."),
    "too_short": ("has too few entries", "Give at least {min_length}."),
    "enum": ("is not one of the choices", "Choose {expected}."),
    "literal_error": ("is not one of the choices", "Choose {expected}."),
    "tuple_type": ("must be a list", "Write it as [one, two], or one entry a line, each after a hyphen."),
    "list_type": ("must be a list", "Write it as [one, two], or one entry a line, each after a hyphen."),
    "mapping_type": ("must be a mapping of keys to values", "Write `key: value`, one a line, indented."),
    "dict_type": ("must be a mapping of keys to values", "Write `key: value`, one a line, indented."),
    "model_type": ("must be a mapping of keys to values", "Write `key: value`, one a line, indented."),
    "string_pattern_mismatch": ("does not have the right form", "It must match {pattern}."),
}
_NAME_PATTERN_START = "^[a-z0-9]([a-z0-9-]"
_ELSEWHERE = SecretStr("")
_NAME_ADVICE = "Write lower-case letters, digits and inner hyphens, at most 63 characters."


def problems_of(
    declared: Declared,
    error: ValidationError,
    places: Mapping[Path, tuple[Types, Any]],
    secrets: Mapping[Path, SecretStr | None],
    prefix: Path = (),
) -> list[Problem]:
    """Every problem in the error. `places`: what the models know of the body; `prefix`: where its root stands in it;
    `secrets`: those of the body, None for one that could not be had: what the models say of that one is left out."""
    problems = []
    for detail in error.errors(include_url=False, include_input=False):
        path = (*prefix, *_path_in(_inside(declared.body, prefix), detail["loc"]))
        if secrets.get(path, _ELSEWHERE) is not None:
            problems.append(_problem(declared, path, detail, places, secrets))
    return problems


def _problem(
    declared: Declared,
    path: Path,
    detail: ErrorDetails,
    places: Mapping[Path, tuple[Types, Any]],
    secrets: Mapping[Path, SecretStr | None],
) -> Problem:
    known = [secret for secret in secrets.values() if secret is not None]
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(declared, path, places)
    if kind == "missing":
        return declared.problem(path, "is missing", _meaning(places, path))
    value = _shown_value(path, places)
    if kind in ("value_error", "assertion_error"):
        message = hide(str(context.get("error", detail["msg"])), known)
        path = _named_key(message, path, places)
        return declared.problem(path, message, "", _shown_value(path, places))
    what, remedy = _ADVICE.get(kind, (hide(detail["msg"].replace("Input should", "should"), known), ""))
    if kind == "string_pattern_mismatch" and str(context.get("pattern", "")).startswith(_NAME_PATTERN_START):
        what, remedy = "is not a valid name", _NAME_ADVICE
    return declared.problem(path, what.format_map(context), remedy.format_map(context), value)


def _inside(value: Any, path: Path) -> Any:
    for part in path:
        value = value.get(part, {}) if isinstance(value, Mapping) else {}
    return value


def _path_in(value: Any, location: Path) -> Path:
    """The error's location without the steps that pydantic adds for unions and the like."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        inside = (isinstance(value, Mapping) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if inside:
            value = value[part]
            path.append(part)
        elif last and isinstance(value, Mapping) and part != "[key]":
            path.append(part)
    return tuple(path)


def _unknown_key(declared: Declared, path: Path, places: Mapping[Path, tuple[Types, Any]]) -> Problem:
    # The value stays unsaid: under a misspelt key it may well be a secret.
    *around, key = path
    keys = sorted(
        name for model in models_of(_types(places, tuple(around))) for name in model.model_fields if name != "kind"
    )
    key = str(key)
    if ":" in key:
        shown_path = (*around, key.partition(":")[0])
        return declared.problem(shown_path, "is run together with its value", "Put a space after the colon.")
    close = get_close_matches(key, keys, n=1)
    remedy = f"Did you mean {close[0]}?" if close else f"The keys here are {', '.join(keys)}."
    return declared.problem(path, "is no key that is known here", remedy)


def _meaning(places: Mapping[Path, tuple[Types, Any]], path: Path) -> str:
    *around, key = path
    for model in models_of(_types(places, tuple(around))):
        field = model.model_fields.get(str(key))
        if field is not None:
            description = " ".join((field.description or docstrings(model).get(str(key), "")).split())
            return f"Add it. {description}" if description else "Add it."
    return "Add it."


def _types(places: Mapping[Path, tuple[Types, Any]], path: Path) -> Types:
    return places[path][0] if path in places else ()


def _shown_value(path: Path, places: Mapping[Path, tuple[Types, Any]]) -> str | None:
    for length in range(len(path) + 1):
        if holds_secret(_types(places, path[:length])):
            return HIDDEN
    if path not in places:
        return None
    value = places[path][1]
    below = (types for known, (types, _) in places.items() if known[: len(path)] == path)
    return None if any(map(holds_secret, below)) else shown(value)


def _named_key(message: str, path: Path, places: Mapping[Path, tuple[Types, Any]]) -> Path:
    """For an error of a whole mapping: the first of its keys that the message names, since that is the line to mend."""
    types, value = places.get(path, ((), None))
    if not isinstance(value, Mapping):
        return path
    fields = {name for model in models_of(types) for name in model.model_fields}
    for word in message.replace(".", " ").replace("(", " ").replace(",", " ").replace("'", " ").split():
        if word in value and word in fields:
            return (*path, word)
    return path
