"""Sealed secrets by id."""

from contextlib import suppress
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.orm import Session

from poolwright.store.engine import fetch
from poolwright.store.sealing import KeyProblem, Sealer
from poolwright.store.tables import SecretRow

_SEALED = select(SecretRow.sealed).where(SecretRow.id == bindparam("secret"))


def sealer_of(session: Session) -> Sealer:
    """The sealer of the store that this transaction belongs to."""
    sealer = session.info["sealer"]
    assert isinstance(sealer, Sealer)
    return sealer


def join_password_id(server_id: str) -> str:
    """Id of the one-time password of this server's computer record."""
    return f"server/{server_id}/join-password"


def server_password_id(server_id: str) -> str:
    """Id of the password that the provider made for people on this server."""
    return f"server/{server_id}/password"


def put_secret(session: Session, identity: str, secret: SecretStr, now: datetime) -> None:
    """Store the secret under this id, in place of an older one."""
    if session.get_bind().dialect.name == "postgresql":
        # Before the key is chosen: whoever waits here for `reseal_all` must seal with the key that comes after it.
        session.execute(text("LOCK TABLE secrets IN ROW EXCLUSIVE MODE"))
    sealed = sealer_of(session).seal(identity, secret)
    row = session.get(SecretRow, identity)
    if row is None:
        session.add(SecretRow(id=identity, sealed=sealed, updated_at=now))
    else:
        row.sealed, row.updated_at = sealed, now


def get_secret(session: Session, identity: str) -> SecretStr | None:
    """The secret with this id, or None. Raises `KeyProblem`."""
    found = fetch(session, _SEALED, secret=identity)
    return sealer_of(session).open(identity, found[0].sealed) if found else None


def delete_secrets(session: Session, prefix: str) -> None:
    """Forget every secret whose id begins so."""
    session.execute(delete(SecretRow).where(SecretRow.id.startswith(prefix, autoescape=True)))


def all_secrets(session: Session) -> list[SecretStr]:
    """Every secret that can be opened; what must never be seen in a message."""
    sealer = sealer_of(session)
    found = []
    for row in session.scalars(select(SecretRow)):
        # One whose key is lost must not keep the others from being known.
        with suppress(KeyProblem):
            found.append(sealer.open(row.id, row.sealed))
    return found


def reseal_all(session: Session, sealer: Sealer) -> int:
    """Seal every secret again under the first key of this ring. Returns how many. Raises `KeyProblem`.

    Nobody stores a secret meanwhile: one that is sealed with an older key would be lost with that key.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE secrets IN EXCLUSIVE MODE"))
    rows = session.scalars(select(SecretRow)).all()
    for row in rows:
        row.sealed = sealer.reseal(row.id, row.sealed)
    return len(rows)
