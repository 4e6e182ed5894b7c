"""YAML files as a configuration to simulate: read and checked as by `apply`, with no database and nothing stored."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

from pydantic import SecretStr

from poolwright.domain.base import Model
from poolwright.domain.resources import Pool, Staging, VMProviderConfig, Workspace, Zone
from poolwright.domain.simulation import Configuration
from poolwright.domain.static_servers import StaticServer
from starter.configuration.agreement import disagreements
from starter.configuration.checked import Checked, check_document
from starter.configuration.host_names import unusable_patterns
from starter.configuration.limits import unreachable
from starter.configuration.models import document_model
from starter.configuration.problems import ConfigurationRefused, Problem
from starter.configuration.problems import Path as KeyPath
from starter.configuration.provider_facts import provider_facts
from starter.configuration.references import dangling
from starter.configuration.script_uses import unusable_scripts
from starter.configuration.secret_values import StoredSecret
from starter.configuration.sources import Source
from starter.configuration.stored import Key
from starter.configuration.whole import Whole
from starter.configuration.yaml_documents import Declared, read_documents

_CONTROLLER: Final = "simulation"
_ANY_SECRET: Final = StoredSecret(value=SecretStr("stands-for-what-is-stored"))


class UnknownSetting(ValueError):
    """A change names a setting that no autoscale config has."""


@dataclass(frozen=True, slots=True)
class Change:
    """A setting of autoscale configs that is to have another value than in the files."""

    key: str
    """As in `minimum_available_sessions` or `failure.budget`."""
    value: Any

    def __str__(self) -> str:
        """`minimum_available_sessions=20`"""
        return f"{self.key}={self.value}"


def read_whole(
    sources: Sequence[Source],
    problems: Sequence[Problem] = (),
    change: Change | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Whole:
    """The sources together as one configuration, with this change in every autoscale config that has such a setting.

    `problems`: what is wrong already, such as files that could not be read.

    Raises `ConfigurationRefused` with every problem that `apply` would find in an empty installation, but for one:
    `stored:` is accepted, since an exported file has it for each secret and nothing here needs any.
    """
    read = read_documents(list(sources))
    found = [*problems, *read.problems]
    checked: dict[Key, Checked] = {}
    if change is not None:
        read.documents = _changed(read.documents, change)
    for declared in read.documents:
        document, wrong = check_document(declared, _stored, environment)
        found.extend(wrong)
        if document is not None:
            checked[declared.kind, declared.name] = document
    whole = Whole({}, read.documents, checked)
    facts = _facts(checked, found)
    found.extend(whole.problems(unusable_scripts(whole, facts)))
    found.extend(whole.problems((*disagreements(whole), *unreachable(whole), *unusable_patterns(whole))))
    if read.complete and not problems:
        found.extend(whole.problems(dangling(whole)))
    if found:
        in_order = sorted(dict.fromkeys(found), key=lambda problem: (problem.file or "", problem.line or 0))
        raise ConfigurationRefused(in_order)
    return whole


def configuration_of(whole: Whole) -> Configuration:
    """What of it a simulation plays. Configs that only observe are played as if they acted."""
    return Configuration(
        pools=tuple(whole.each(Pool)),
        autoscales=tuple(autoscale.model_copy(update={"observe": False}) for autoscale in whole.autoscales()),
        vm_providers=tuple(whole.each(VMProviderConfig)),
        zones=tuple(whole.each(Zone)),
        workspaces=tuple(whole.each(Workspace)),
        static_servers=tuple(whole.each(StaticServer)),
    )


def remarks_on(whole: Whole) -> tuple[str, ...]:
    """What of the configuration is played otherwise than it would be run, as sentences."""
    remarks = [
        f"autoscale {autoscale.name!r} only observes; it is played as if it acted."
        for autoscale in whole.autoscales()
        if autoscale.observe
    ]
    staged = [staging.name for staging in whole.each(Staging)]
    if staged:
        names = ", ".join(sorted(staged))
        remarks.append(f"Staged sessions are left out ({names}); the room that they take is not in the figures.")
    return tuple(remarks)


def _changed(documents: Sequence[Declared], change: Change) -> list[Declared]:
    keys = change.key.split(".")
    first = keys[0]
    changed = [
        replace(document, body=_set(document.body, keys, change.value)) if _has(document, first) else document
        for document in documents
    ]
    if not any(_has(document, first) for document in documents):
        known = sorted({key for document in documents if (model := _model(document)) for key in model.model_fields})
        close = get_close_matches(first, known, n=1)
        remedy = f"Did you mean {close[0]}?" if close else "Name a setting of an autoscale config in the files."
        raise UnknownSetting(f"no autoscale config here has a setting {first!r}. {remedy}")
    return changed


def _has(document: Declared, key: str) -> bool:
    model = _model(document)
    return model is not None and key in model.model_fields


def _model(document: Declared) -> type[Model] | None:
    return document_model(document.kind, document.body) if document.kind == "autoscale" else None


def _set(body: Any, keys: Sequence[str], value: Any) -> Any:
    if not keys:
        return value
    inner = body if isinstance(body, Mapping) else {}
    return {**inner, keys[0]: _set(inner.get(keys[0]), keys[1:], value)}


def _stored(_path: KeyPath) -> StoredSecret | None:
    return _ANY_SECRET


def _facts(checked: Mapping[Key, Checked], found: list[Problem]) -> Mapping[Key, Mapping[str, Any]]:
    facts: dict[Key, Mapping[str, Any]] = {}
    for key, document in checked.items():
        if isinstance(document.model, VMProviderConfig):
            facts[key], problems = provider_facts(document, document.model, _CONTROLLER)
            found.extend(problems)
    return facts
