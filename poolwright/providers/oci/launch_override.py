"""`config_override` in the spelling of OCI's API, and a check of the whole request against the SDK's own models.

Oracle publishes no schema of its API. Its Python SDK carries the same knowledge: each model tells its attributes, their
types and their names on the wire. An unknown attribute or a wrong type is therefore found before anything is sent.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from poolwright.providers.errors import InvalidSettings

OUTER_KEY: Final = "launch_instance_details"
MODEL_KEY: Final = "OCI_MODEL_NAME"
LAUNCH_MODEL: Final = "LaunchInstanceDetails"

_LIST = re.compile(r"^list\[(?P<item>.+)\]$")
_MAPPING = re.compile(r"^dict\(str, (?P<value>.+)\)$")
_PLAIN: Final[Mapping[str, tuple[type, ...]]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}


def native_override(override: Mapping[str, Any], request: Mapping[str, Any]) -> Any:
    """The override with the API's own names, to be merged over `request`.

    Takes attributes as the API spells them (`shapeConfig`) or as the Python SDK does (`shape_config`), alone or under
    `launch_instance_details`, with `OCI_MODEL_NAME` or without. Raises `InvalidSettings` for what no model has.
    """
    if OUTER_KEY in override:
        if len(override) > 1:
            raise InvalidSettings(
                f"config_override has keys beside {OUTER_KEY}: {', '.join(sorted(set(override) - {OUTER_KEY}))}; "
                f"move them into it"
            )
        override = override[OUTER_KEY]
    return _native(override, LAUNCH_MODEL, request, "config_override")


def checked_request(request: Mapping[str, Any]) -> None:
    """Raise `InvalidSettings` unless the launch request is one that the SDK's models allow."""
    _check(request, LAUNCH_MODEL, "config_override")


def _native(value: Any, kind: str, base: Any, where: str) -> Any:
    if value is None:
        return None
    if item := _LIST.match(kind):
        _expect(value, (list, tuple), "a list", where)
        return [_native(one, item["item"], None, f"{where}[{number}]") for number, one in enumerate(value)]
    if kind in _PLAIN or kind == "object" or _MAPPING.match(kind):
        return value
    _expect(value, (Mapping,), "an object", where)
    model, discriminator = _model_of(value, kind, base, where)
    names = {**{wire: wire for wire in model.attribute_map.values()}, **model.attribute_map}
    types = {model.attribute_map[name]: kind for name, kind in model.swagger_types.items()}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if key == MODEL_KEY:
            continue
        if key not in names:
            raise InvalidSettings(
                f"{where}.{key} is no attribute of {type(model).__name__}; it has {', '.join(sorted(names.values()))}"
            )
        below = base.get(names[key]) if isinstance(base, Mapping) else None
        found[names[key]] = _native(inner, types[names[key]], below, f"{where}.{key}")
    return {**discriminator, **found} if MODEL_KEY in value else found


def _model_of(value: Mapping[str, Any], kind: str, base: Any, where: str) -> tuple[Any, dict[str, Any]]:
    """An empty model of the class that this object stands for, and what tells that class from its siblings."""
    models = _models()
    declared = models[kind]
    name = value.get(MODEL_KEY)
    if name is not None:
        named = models.get(str(name))
        if named is None or not issubclass(named, declared):
            raise InvalidSettings(f"{where}.{MODEL_KEY} is {name!r}, which cannot stand there; {kind} is expected")
        model = named()
    else:
        declaration = declared()
        seen = {**(base if isinstance(base, Mapping) else {}), **_on_the_wire(value, declaration)}
        model = models[_subtype(declared, seen, kind)]()
    return model, {
        model.attribute_map[attribute]: getattr(model, attribute)
        for attribute in model.swagger_types
        if getattr(model, attribute) is not None
    }


def _on_the_wire(value: Mapping[str, Any], model: Any) -> dict[str, Any]:
    return {model.attribute_map.get(key, key): inner for key, inner in value.items()}


def _subtype(declared: Any, value: Mapping[str, Any], kind: str) -> str:
    if not hasattr(declared, "get_subtype"):
        return kind
    try:
        subtype: str = declared.get_subtype(value)
    except KeyError:
        return kind
    return subtype


def _check(value: Any, kind: str, where: str) -> None:
    if value is None:
        return
    if item := _LIST.match(kind):
        _expect(value, (list, tuple), "a list", where)
        for number, one in enumerate(value):
            _check(one, item["item"], f"{where}[{number}]")
    elif mapping := _MAPPING.match(kind):
        _expect(value, (Mapping,), "an object", where)
        for key, one in value.items():
            _check(one, mapping["value"], f"{where}.{key}")
    elif kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (isinstance(value, bool) and kind != "bool"):
            raise InvalidSettings(f"{where} is {type(value).__name__} where OCI wants {kind}; correct it")
    elif kind != "object":
        _expect(value, (Mapping,), "an object", where)
        _check_model(value, kind, where)


def _check_model(value: Mapping[str, Any], kind: str, where: str) -> None:
    declared = _models()[kind]
    model = _models()[_subtype(declared, value, kind)]()
    types = {model.attribute_map[name]: kind for name, kind in model.swagger_types.items()}
    for key, one in value.items():
        if key not in types:
            raise InvalidSettings(
                f"{where}.{key} is no attribute of {type(model).__name__}; it has {', '.join(sorted(types))}"
            )
        try:
            # Some setters know which values are allowed.
            setattr(model, _attribute(model, key), one)
        except ValueError as error:
            raise InvalidSettings(f"{where}.{key}: {error}") from None
        _check(one, types[key], f"{where}.{key}")


def _attribute(model: Any, wire: str) -> str:
    names: Mapping[str, str] = {one: name for name, one in model.attribute_map.items()}
    return names[wire]


def _expect(value: Any, types: tuple[type, ...], meant: str, where: str) -> None:
    if not isinstance(value, types):
        raise InvalidSettings(f"{where} is {type(value).__name__} where OCI wants {meant}; correct it")


def _models() -> Mapping[str, Any]:
    from oci.core.models import core_type_mapping

    models: Mapping[str, Any] = core_type_mapping
    return models
