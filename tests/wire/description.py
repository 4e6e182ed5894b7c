"""Validates requests and answers against an OpenAPI description, such as the vendors' own under `descriptions/`."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

from tests.wire.server import Request, Response

_FOLDER = Path(__file__).parent / "descriptions"


class Operation(NamedTuple):
    """One operation of a description, with what its path named."""

    name: str
    specification: Mapping[str, Any]
    path: Mapping[str, str]


class Description:
    """One vendor's API, from the excerpt of its OpenAPI description in `descriptions/`."""

    def __init__(self, name: str) -> None:
        self._document: Mapping[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
        self._paths = [(_pattern(path), operations) for path, operations in self._document["paths"].items()]
        self._validator = cache(self._new_validator)

    def operation(self, request: Request) -> Operation | None:
        """The operation that this request calls; None if the excerpt has none."""
        for pattern, operations in self._paths:
            found = pattern.fullmatch(request.path)
            specification = operations.get(request.method.lower())
            if found and specification:
                return Operation(specification["operationId"], specification, found.groupdict())
        return None

    def scopes(self, operation: Operation) -> frozenset[str]:
        """What a token needs for it."""
        return frozenset(scope for one in operation.specification["security"] for scope in one["bearer_auth"])

    def properties(self, schema: str) -> frozenset[str]:
        """The names that an object of this schema may have at its top."""
        return frozenset(self._properties({"$ref": f"#/components/schemas/{schema}"}))

    def request_complaints(self, operation: Operation, request: Request) -> Iterator[str]:
        """What is wrong with the request: unknown or malformed parameters, a body that is not as described."""
        parameters = [self._resolved(one) for one in operation.specification["parameters"]]
        named = {one["name"]: one for one in parameters if one["in"] == "query"}
        for name, values in request.query.items():
            if name not in named:
                yield f"{operation.name}: there is no parameter {name}"
                continue
            yield from self._wrong(f"{operation.name} {name}", named[name]["schema"], _read(values[0]))
        for one in parameters:
            if one["in"] == "path":
                yield from self._wrong(operation.name, one["schema"], _read(operation.path[one["name"]]))
        body = operation.specification.get("requestBody")
        if body is None:
            if request.body:
                yield f"{operation.name}: it takes no body"
        else:
            schema = self._resolved(body)["content"]["application/json"]["schema"]
            yield from self._wrong(f"{operation.name} body", schema, request.json)

    def answer_complaints(self, operation: Operation, response: Response) -> Iterator[str]:
        """What is wrong with an answer that tells of success: our own stand-in has to keep to the description too."""
        answers = operation.specification["responses"]
        if str(response.status) not in answers:
            yield f"{operation.name}: {response.status} is no answer of it"
            return
        content = self._resolved(answers[str(response.status)]).get("content")
        if content:
            schema = content["application/json"]["schema"]
            yield from self._wrong(f"{operation.name} answer", schema, response.body)

    def _wrong(self, where: str, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        for error in self._validator(json.dumps(schema)).iter_errors(value):
            yield f"{where}: {error.json_path} {error.message[:300]}"

    def _new_validator(self, schema: str) -> Draft202012Validator:
        return Draft202012Validator({"allOf": [json.loads(schema)], "components": self._document["components"]})

    def _properties(self, schema: Mapping[str, Any]) -> Iterator[str]:
        resolved = self._resolved(schema)
        yield from resolved.get("properties", ())
        for part in resolved.get("allOf", ()):
            yield from self._properties(part)

    def _resolved(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in value:
            return value
        found: Any = self._document
        for key in value["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        return self._resolved(found)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


def _read(value: str) -> Any:
    return int(value) if value.isdecimal() else value
