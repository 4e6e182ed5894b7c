"""Keys of the session API: random, shown once, kept as a digest."""

import hashlib
import secrets
from datetime import datetime
from enum import StrEnum

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from poolwright.domain.base import Model
from poolwright.store.engine import fetch
from poolwright.store.identifiers import new_id
from poolwright.store.inserting import insert_into
from poolwright.store.tables import APIKeyRow


class Role(StrEnum):
    """What a key may do: each role may do all that the one after it may."""

    ADMIN = "admin"
    BROKER = "broker"
    """Request and end sessions."""
    READ = "read"


class APIKey(Model):
    """A key without its secret part."""

    id: str
    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None = None


class APIKeyProblem(ValueError):
    """The name is taken, or there is no such key."""


def create_key(session: Session, name: str, role: Role, now: datetime) -> tuple[APIKey, SecretStr]:
    """Make a key. The secret is returned this once. Raises `APIKeyProblem` when the name is taken."""
    # 256 random bits need no slow hash: there is nothing to guess.
    secret = SecretStr(f"pwk_{secrets.token_urlsafe(32)}")
    key = APIKey(id=new_id("k"), name=name, role=role, created_at=now)
    # Somebody else may take the name at the same moment.
    insert = insert_into(session, APIKeyRow).values(**key.model_dump(), digest=_digest(secret.get_secret_value()))
    if not fetch(session, insert.on_conflict_do_nothing(index_elements=["name"]).returning(APIKeyRow.id)):
        raise APIKeyProblem(f"an API key named {name!r} exists: choose another name")
    return key, secret


def revoke_key(session: Session, name: str, now: datetime) -> APIKey:
    """Make the key useless. Repeatable. Raises `APIKeyProblem` when there is none of this name."""
    row = session.scalar(select(APIKeyRow).where(APIKeyRow.name == name))
    if row is None:
        raise APIKeyProblem(f"there is no API key named {name!r}: see `poolwright api-key list`")
    row.revoked_at = row.revoked_at or now
    return _key(row)


def list_keys(session: Session) -> list[APIKey]:
    """All keys, revoked ones too, oldest first."""
    return [_key(row) for row in session.scalars(select(APIKeyRow).order_by(APIKeyRow.created_at))]


def find_key(session: Session, secret: str) -> APIKey | None:
    """The key with this secret, unless it is revoked."""
    row = session.scalar(select(APIKeyRow).where(APIKeyRow.digest == _digest(secret)))
    return None if row is None or row.revoked_at is not None else _key(row)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: APIKeyRow) -> APIKey:
    return APIKey(id=row.id, name=row.name, role=Role(row.role), created_at=row.created_at, revoked_at=row.revoked_at)
