"""Stored documents as YAML that can be applied again."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import SecretStr
from sqlalchemy.orm import Session

from poolwright.store import documents
from poolwright.store.documents import SECRET_PLACEHOLDER
from poolwright.store.tables import DocumentRow
from starter.configuration.secret_values import STORED


def export(tx: Session, rows: Iterable[DocumentRow] | None = None) -> str:
    """The documents (by default all) as YAML in which each secret is `stored:`; needs no key."""
    chosen = documents.rows(tx) if rows is None else list(rows)
    position = {kind: index for index, kind in enumerate(documents.kinds())}
    ordered = sorted(chosen, key=lambda row: (position[row.kind], row.name))
    return to_yaml([declared_body(row) for row in ordered])


def declared_body(row: DocumentRow) -> dict[str, Any]:
    """What the admin set, kind and name first."""
    body: dict[str, Any] = _without_secrets(row.body)
    return {"kind": row.kind, "name": row.name} | body


def full_body(row: DocumentRow) -> dict[str, Any]:
    """Everything that holds, defaults too, kind and name first."""
    model = documents.load_without_secrets(row)
    body: dict[str, Any] = _masked(model.model_dump(mode="python"), model.model_dump(mode="json"))
    return {"kind": row.kind, "name": row.name} | body


def to_yaml(bodies: Iterable[Mapping[str, Any]]) -> str:
    """YAML documents, one after the other, with scripts as blocks of text."""
    return yaml.dump_all(
        bodies,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        explicit_start=True,
        default_flow_style=False,
    )


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        if SECRET_PLACEHOLDER in value:
            return STORED
        return {key: _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return value


def _masked(python: Any, plain: Any) -> Any:
    """The plain form, with `stored:` where the model holds a secret."""
    if isinstance(python, SecretStr):
        return STORED
    if isinstance(python, Mapping):
        return {key: _masked(item, plain[str(key)]) for key, item in python.items()}
    if isinstance(python, list | tuple):
        return [_masked(item, plain[index]) for index, item in enumerate(python)]
    return plain
