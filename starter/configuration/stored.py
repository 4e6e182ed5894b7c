"""The configuration as the store has it, secrets opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from sqlalchemy.orm import Session

from poolwright.store import documents
from poolwright.store.documents import SECRET_PLACEHOLDER, Document
from poolwright.store.sealing import KeyProblem
from poolwright.store.secrets import get_secret
from poolwright.store.tables import DocumentRow
from starter.configuration.problems import Path
from starter.configuration.secret_values import Stored, StoredSecret

Key = tuple[str, str]
"""Kind and name."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One stored document."""

    kind: str
    name: str
    body: Mapping[str, Any]
    """What the admin set, with `SecretStr` for secrets; a mask where one cannot be opened."""
    facts: Mapping[str, Any]
    unreadable: frozenset[Path]
    """Secrets that were sealed with a key that is gone."""

    def model(self) -> Document:
        """The document as a model, secrets included."""
        return documents.model_of(self.kind, self.body)

    def secret(self, path: Path) -> StoredSecret | None:
        """The secret at this path, or None when none is there."""
        value: Any = self.body
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        if not isinstance(value, SecretStr):
            return None
        return StoredSecret(value=None if path in self.unreadable else value)


def read_stored(tx: Session) -> dict[Key, StoredDocument]:
    """Every stored document."""
    return {(row.kind, row.name): _stored(tx, row) for row in documents.rows(tx)}


def secrets_of(stored: StoredDocument | None) -> Stored:
    """What finds secrets of this document, if there is one."""
    return stored.secret if stored is not None else _nothing


def _nothing(_path: Path) -> StoredSecret | None:
    return None


def _stored(tx: Session, row: DocumentRow) -> StoredDocument:
    unreadable: set[Path] = set()
    body = _opened(tx, row.body, (), unreadable)
    return StoredDocument(row.kind, row.name, body, row.facts, frozenset(unreadable))


def _opened(tx: Session, value: Any, path: Path, unreadable: set[Path]) -> Any:
    if isinstance(value, Mapping):
        if SECRET_PLACEHOLDER not in value:
            return {key: _opened(tx, item, (*path, key), unreadable) for key, item in value.items()}
        try:
            secret = get_secret(tx, value[SECRET_PLACEHOLDER])
        except KeyProblem:
            secret = None
        if secret is None:
            unreadable.add(path)
        return secret or SecretStr("**********")
    if isinstance(value, list):
        return [_opened(tx, item, (*path, index), unreadable) for index, item in enumerate(value)]
    return value
