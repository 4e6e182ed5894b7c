"""One document: secrets fetched, files read, and checked against its model and its provider's settings."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from poolwright.dns import registry as dns_registry
from poolwright.domain.base import Model
from poolwright.domain.resources import PoolType
from poolwright.providers import registry
from poolwright.store.documents import Document
from starter.configuration.known_keys import Types, holds_secret, known_places
from starter.configuration.model_errors import problems_of
from starter.configuration.models import document_model, settings_model
from starter.configuration.problems import HIDDEN, Path, Problem, shown
from starter.configuration.script_text import located
from starter.configuration.secret_values import Stored, resolve_secret
from starter.configuration.yaml_documents import Declared

_LARGEST_NUMBER: Final = 2**31 - 1
"""Seconds of 68 years, MiB of 2,048 TiB: more than anybody means."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A document that is right in itself."""

    declared: Declared
    model: Document
    body: Mapping[str, Any]
    """What the admin set, in one spelling, with `SecretStr` for secrets: what is stored."""
    script_file: FilePath | None = None
    """Where the startup script was read from."""


def check_document(
    declared: Declared, stored: Stored, environment: Mapping[str, str] = os.environ
) -> tuple[Checked | None, list[Problem]]:
    """The document if it is right in itself, and everything that is wrong with it, its startup script included.

    `stored` finds the secrets of the document of this name that is stored now.
    """
    return _Check(declared, stored, environment).run()


class _Check:
    def __init__(self, declared: Declared, stored: Stored, environment: Mapping[str, str]) -> None:
        self._declared = declared
        self._stored = stored
        self._environment = environment
        self._problems: list[Problem] = []
        self._places: dict[Path, tuple[Types, Any]] = {}
        self._secrets: dict[Path, SecretStr] = {}
        self._missing: set[Path] = set()
        self._settings_model: type[Model] | None = None
        self._script_file: FilePath | None = None

    def run(self) -> tuple[Checked | None, list[Problem]]:
        model = self._model()
        if model is None:
            return None, self._problems
        self._look_at_places(model)
        self._resolve_secrets()
        self._refuse_booleans_as_numbers()
        self._refuse_huge_numbers()
        body = _with(dict(self._declared.body), self._secrets)
        self._read_script(body)
        notes = self._check_script(body)
        validated = self._validate(model, body, ())
        settings = body.get("settings")
        if self._settings_model is not None and (settings is None or isinstance(settings, Mapping)):
            self._validate(self._settings_model, settings or {}, ("settings",))
        if validated is None or self._problems:
            return None, [*self._problems, *notes]
        stored_body = _with(validated.model_dump(mode="json", exclude_unset=True), self._secrets)
        return Checked(self._declared, validated, stored_body, self._script_file), notes  # type: ignore[arg-type]

    def _model(self) -> type[Model] | None:
        body = self._declared.body
        model = document_model(self._declared.kind, body)
        if model is None:
            what = "is not one of the choices" if "type" in body else "is missing"
            types = " or ".join(PoolType)
            self._problem(("type",), what, f"Write the type of its pool: {types}.", shown(body.get("type")))
        return model

    def _look_at_places(self, model: type[Model]) -> None:
        body = self._declared.body
        self._places = {path: (types, value) for path, types, value in known_places(model, body)}
        if "settings" not in model.model_fields:
            return
        settings = body.get("settings", {})
        try:
            self._settings_model = settings_model(self._declared.kind, str(body.get("provider")))
        except registry.UnknownProvider:
            self._unknown_provider(body.get("provider"), "VM provider", registry.kinds())
        except dns_registry.UnknownDNSProvider:
            self._unknown_provider(body.get("provider"), "DNS provider", dns_registry.kinds())
        if self._settings_model is not None:
            known = known_places(self._settings_model, settings, ("settings",))
            self._places |= {path: (types, value) for path, types, value in known}
        else:
            self._places |= {path: ((SecretStr,), text) for path, text in _texts(settings, ("settings",))}

    def _unknown_provider(self, provider: Any, what: str, kinds: Sequence[str]) -> None:
        if not isinstance(provider, str):
            return
        close = get_close_matches(provider, kinds, n=1)
        remedy = f"Did you mean {close[0]}?" if close else f"The providers are {', '.join(kinds)}."
        self._problem(("provider",), f"is no {what}", remedy, shown(provider))

    def _resolve_secrets(self) -> None:
        for path, (types, value) in self._places.items():
            if holds_secret(types) and isinstance(value, str):
                secret, problem = resolve_secret(self._declared, path, value, self._stored, self._environment)
                self._secrets[path] = secret
                if problem is not None:
                    self._problems.append(problem)
                    self._missing.add(path)

    def _refuse_booleans_as_numbers(self) -> None:
        for path, (types, value) in self._places.items():
            if isinstance(value, bool) and {int, float}.intersection(types) and bool not in types:
                self._problem(
                    path, "must be a number", "YAML reads yes, no, on and off as true and false.", shown(value)
                )

    def _refuse_huge_numbers(self) -> None:
        # They overflow columns, dates and timers long after the file was accepted, where nobody thinks of the file.
        for path, (types, value) in self._places.items():
            number = isinstance(value, int | float) and {int, float}.intersection(types)
            if number and abs(value) > _LARGEST_NUMBER:
                self._problem(path, f"is beyond {_LARGEST_NUMBER:,}", "Lower it.", shown(value))

    def _read_script(self, body: dict[str, Any]) -> None:
        name = body.get("startup_script_file")
        if self._declared.kind != "vm_provider" or not isinstance(name, str):
            return
        path = ("startup_script_file",)
        if body.get("startup_script"):
            self._problem(path, "stands beside startup_script", "Keep one of the two.", shown(name))
            return
        file = self._declared.source.file(name)
        remedy = "The path is relative to the YAML file; name a file that you can read."
        try:
            body["startup_script"] = file.read_text(encoding="utf-8")
        except OSError as error:
            self._problem(path, f"the file {file} cannot be read: {error.strerror}", remedy, shown(name))
        except UnicodeDecodeError:
            self._problem(path, f"the file {file} is not UTF-8 text", remedy, shown(name))
        else:
            if "\0" in body["startup_script"]:
                self._problem(path, f"the file {file} holds NUL bytes", "Name a text file.", shown(name))
        self._script_file = file
        del body["startup_script_file"]

    def _check_script(self, body: Mapping[str, Any]) -> list[Problem]:
        script = body.get("startup_script")
        if self._declared.kind != "vm_provider" or not isinstance(script, str):
            return []
        return located(self._declared, script, self._script_file)

    def _validate(self, model: type[Model], body: Mapping[str, Any], prefix: Path) -> Model | None:
        try:
            return model.model_validate(body)
        except ValidationError as error:
            secrets = {path: None if path in self._missing else secret for path, secret in self._secrets.items()}
            self._problems.extend(problems_of(self._declared, error, self._places, secrets, prefix))
            return None

    def _problem(self, path: Path, what: str, remedy: str, value: str | None = None) -> None:
        hidden = any(path[: len(known)] == known for known in self._secrets)
        self._problems.append(self._declared.problem(path, what, remedy, HIDDEN if hidden else value))


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _with(body: dict[str, Any], secrets: Mapping[Path, SecretStr]) -> dict[str, Any]:
    """The body with these secrets at their paths; the given one stays as it is."""
    for path, secret in secrets.items():
        body = _replaced(body, path, secret)
    return body


def _replaced(value: Any, path: Path, new: SecretStr) -> Any:
    if not path:
        return new
    copied = list(value) if isinstance(value, list) else dict(value)
    copied[path[0]] = _replaced(copied[path[0]], path[1:], new)  # type: ignore[index]
    return copied
