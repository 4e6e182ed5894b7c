"""What the models say about each place of a document's body: its types, before anything is validated."""

from collections.abc import Iterator, Mapping, Sequence, Set
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from poolwright.providers.override_secrets import SecretKeys
from starter.configuration.problems import Path

Types = tuple[Any, ...]
"""What a place may hold: the members of its union, or the one type."""


def known_places(annotation: Any, value: Any, path: Path = ()) -> Iterator[tuple[Path, Types, Any]]:
    """(path, types, value) of the value itself and of each place in it that the annotation knows."""
    types = _members(annotation)
    yield path, types, value
    if isinstance(value, Mapping):
        yield from _in_mapping(types, value, path)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item_type in _item_types(types):
            for index, item in enumerate(value):
                yield from known_places(item_type, item, (*path, index))


def holds_secret(types: Types) -> bool:
    """Whether a place with these types is one for a secret."""
    return SecretStr in types


def models_of(types: Types) -> list[type[BaseModel]]:
    """The models among the types."""
    return [one for one in types if isinstance(one, type) and issubclass(one, BaseModel)]


def _in_mapping(types: Types, value: Mapping[Any, Any], path: Path) -> Iterator[tuple[Path, Types, Any]]:
    for model in models_of(types):
        for name, field in model.model_fields.items():
            if name in value:
                yield from known_places(field.annotation, value[name], (*path, name))
                for keys in (one for one in field.metadata if isinstance(one, SecretKeys)):
                    secrets = keys.places(value[name], (*path, name))
                    yield from ((inner, (SecretStr,), secret) for inner, secret in secrets)
    for one in types:
        if _is_generic(one, Mapping):
            for key, item in value.items():
                yield from known_places(get_args(one)[1], item, (*path, key))


def _item_types(types: Types) -> Iterator[Any]:
    for one in types:
        if _is_generic(one, Sequence) or _is_generic(one, Set):
            yield get_args(one)[0]


def _is_generic(annotation: Any, base: type) -> bool:
    origin: Any = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, base)


def _members(annotation: Any) -> Types:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(member for one in get_args(annotation) for member in _members(one) if member is not NoneType)
    return (annotation,)
