"""Tables of a model's fields: key, type, default and meaning, from the model itself."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from poolwright.domain.base import docstrings
from poolwright.domain.resources import VMProviderConfig
from starter.configuration.known_keys import models_of
from tools.meanings import MEANINGS

_WORDS = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
_LIMITS = (
    ("minimum", "{} or more"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "below {}"),
)
_FORMATS = {"password": "secret", "path": "path", "ipv4network": "IPv4 network", "ipv4": "IPv4 address"}
_NAME_PATTERN = VMProviderConfig.model_json_schema()["properties"]["name"]["pattern"]


class NoMeaning(LookupError):
    """A field has neither a docstring nor an entry in `tools.meanings`."""


def table(model: type[BaseModel], fields: list[str], *, owner: str | None = None) -> str:
    """The fields as a Markdown table. `owner`: whose settings they are. Raises `NoMeaning`."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name in fields:
        field = model.model_fields[name]
        kind = type_text(schema["properties"][name], definitions, owner)
        lines.append(f"| `{name}` | {kind} | {_default(field)} | {_meaning(model, name, field, owner)} |")
    return "\n".join(lines) + "\n"


def type_text(schema: Mapping[str, Any], definitions: Mapping[str, Any], owner: str | None = None) -> str:
    """The type in words."""
    if "$ref" in schema:
        return _definition(schema["$ref"].rpartition("/")[2], definitions, owner)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        choices = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(type_text(one, definitions, owner) for one in choices)
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"list of {', '.join(type_text(item, definitions, owner) for item in schema['prefixItems'])}"
        case "array":
            return f"list of {type_text(schema['items'], definitions, owner)}"
        case "object":
            return _mapping(schema, definitions, owner)
        case "string":
            return _text(schema)
        case kind:
            limits = [words.format(schema[key]) for key, words in _LIMITS if key in schema]
            return ", ".join([_WORDS.get(str(kind), "any"), *limits])


def parts(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models that a model's fields hold, each before those that it holds itself."""
    for field in model.model_fields.values():
        for part in _models_in(field.annotation):
            yield part
            yield from parts(part)


def choices(model: type[BaseModel]) -> Iterator[tuple[str, type[Enum]]]:
    """Fields whose values are choices with a meaning of their own."""
    for name, field in model.model_fields.items():
        for annotation in (field.annotation, *get_args(field.annotation)):
            if isinstance(annotation, type) and issubclass(annotation, Enum) and choice_meanings(annotation):
                yield name, annotation


def choice_meanings(choices_of: type[Enum]) -> dict[str, str]:
    """Value -> the text below it in the source, where there is one."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(choices_of)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for one, after in pairwise(body):
        if (
            isinstance(one, ast.Assign)
            and isinstance(one.targets[0], ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[str(choices_of[one.targets[0].id].value)] = one_line(str(after.value.value))
    return found


def one_line(text: str | None) -> str:
    """The text on one line, fit for a table."""
    return " ".join((text or "").split()).replace("|", "\\|")


def part_heading(name: str, owner: str | None) -> str:
    """The heading of a model's part. Those of several owners may have one name."""
    return f"{owner} {name}" if owner else name


def _definition(name: str, definitions: Mapping[str, Any], owner: str | None) -> str:
    found = definitions[name]
    if found.get("type") != "object":
        return type_text(found, definitions, owner)
    return f"[{name}](#{part_heading(name, owner).lower().replace(' ', '-')})"


def _mapping(schema: Mapping[str, Any], definitions: Mapping[str, Any], owner: str | None) -> str:
    values = schema.get("additionalProperties")
    if not isinstance(values, Mapping):
        return "mapping"
    keys = type_text(schema["propertyNames"], definitions, owner) if "propertyNames" in schema else "text"
    return f"mapping of {keys} to {type_text(values, definitions, owner)}"


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if schema.get("pattern") == _NAME_PATTERN:
        return "name"
    return "time of day" if "09:00" in schema.get("examples", ()) else "text"


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    yield from models_of((annotation,))
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "`{}`" if field.default_factory is dict else "see there"
    default = field.default
    if default is None:
        return ""
    if isinstance(default, BaseModel):
        return "its own defaults"
    return f"`{_written(default)}`"


def _written(default: Any) -> str:
    """As it would stand in YAML."""
    match default:
        case Enum(value=value):
            return str(value)
        case bool():
            return str(default).lower()
        case float():
            return f"{default:g}"
        case tuple() | list():
            return f"[{', '.join(map(_written, default))}]"
        case _:
            return str(default) or '""'


def _meaning(model: type[BaseModel], name: str, field: FieldInfo, owner: str | None) -> str:
    own = one_line(field.description or docstrings(model).get(name))
    if own:
        return own
    for key in (f"{owner}.{name}", f"{model.__name__}.{name}", name):
        if key in MEANINGS:
            return MEANINGS[key]
    raise NoMeaning(f"{model.__name__}.{name} has no docstring; write one below it, or a meaning in tools/meanings.py")
