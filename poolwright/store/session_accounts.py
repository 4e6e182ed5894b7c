"""Local accounts of sessions with dynamic credentials, and how a session's client reaches its server."""

import secrets
import string
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from pydantic import SecretStr
from sqlalchemy.orm import Session as Transaction

from poolwright.domain.autoscale import Connection, CredentialType, ServerAutoscale
from poolwright.domain.connections import LocalAccount, connection_details
from poolwright.domain.servers import ConnectionDetails, Session, SessionState
from poolwright.store import documents
from poolwright.store.secrets import delete_secrets, get_secret, put_secret, server_password_id
from poolwright.store.servers import get_server
from poolwright.store.tables import ServerRow

_LETTERS: Final = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.!")
_PASSWORD_LENGTH: Final = 24


def make_account(tx: Transaction, session_id: str, server_id: str, now: datetime) -> None:
    """Where the server's credentials are dynamic: seal a password of this session's own. Repeatable."""
    if _credential_type(tx, server_id) is CredentialType.DYNAMIC and _password(tx, session_id) is None:
        put_secret(tx, f"session/{session_id}/password", _new_password(), now)


def forget_accounts(tx: Transaction, session_ids: Iterable[str]) -> None:
    """The sessions have ended: their passwords are of no more use."""
    for session_id in session_ids:
        delete_secrets(tx, f"session/{session_id}/")


def session_connection(tx: Transaction, session: Session) -> ConnectionDetails | None:
    """How a client opens this session, secrets included; None unless it is assigned to a server that serves sessions
    itself (clients reach containers through their docker agent).

    Raises ValueError when something that the connection needs is not there yet; the message says what.
    """
    if session.state is not SessionState.ASSIGNED or session.server_id is None:
        return None
    connection = _connection(tx, session.server_id)
    if connection is None:
        return None
    password = _password(tx, session.id)
    account = None if password is None else LocalAccount(username=_account_name(session.id), password=password)
    made_by_provider = get_secret(tx, server_password_id(session.server_id))
    server = get_server(tx, session.server_id)
    return connection_details(connection, server, session.user, account=account, server_password=made_by_provider)


def _connection(tx: Transaction, server_id: str) -> Connection | None:
    row = tx.get_one(ServerRow, server_id)
    if row.autoscale is None:
        return Connection.model_validate(documents.open_placeholders(tx, row.connection))
    autoscale = documents.load(tx, "autoscale", row.autoscale)
    return autoscale.connection if isinstance(autoscale, ServerAutoscale) else None


def _credential_type(tx: Transaction, server_id: str) -> CredentialType | None:
    """Without opening a secret: this is on the way of every assignment."""
    row = tx.get_one(ServerRow, server_id)
    body = row.connection
    if row.autoscale is not None:
        body = documents.get_row(tx, "autoscale", row.autoscale).body.get("connection", {})
    return CredentialType(body.get("credential_type", CredentialType.STATIC))


def _password(tx: Transaction, session_id: str) -> SecretStr | None:
    return get_secret(tx, f"session/{session_id}/password")


def _account_name(session_id: str) -> str:
    """At most 20 characters, which is what Windows takes."""
    return f"session-{session_id}"[:20]


def _new_password() -> SecretStr:
    """With a letter of each class: Windows refuses a password without."""
    everything = "".join(_LETTERS)
    characters = [secrets.choice(letters) for letters in _LETTERS]
    characters += [secrets.choice(everything) for _ in range(_PASSWORD_LENGTH - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    return SecretStr("".join(characters))
