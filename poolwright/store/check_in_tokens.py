"""Tokens that VMs check in with: one per server, signed, expiring, bound to their audience."""

import secrets
from datetime import datetime, timedelta

import jwt
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from poolwright.store.engine import execute
from poolwright.store.secrets import get_secret, put_secret
from poolwright.store.tables import InstallationRow

AUDIENCE = "poolwright-check-in"
LIFETIME = timedelta(hours=24)
"""Longer than any boot deadline that makes sense; a repeated check-in of an old server is only a liveness report."""

_KEY_ID = "installation/check-in-key"
_CONTROLLER = select(InstallationRow.controller_id).where(InstallationRow.id == 1)


class TokenRefused(Exception):
    """The token is not one of ours, has expired, or is for something else. The message says which."""


def ensure_signing_key(session: Session, now: datetime) -> None:
    """Make the installation's signing key unless it exists."""
    if get_secret(session, _KEY_ID) is None:
        put_secret(session, _KEY_ID, SecretStr(secrets.token_urlsafe(48)), now)


def signing_key(session: Session) -> SecretStr:
    """The installation's signing key."""
    key = get_secret(session, _KEY_ID)
    if key is None:
        raise LookupError("the installation has no check-in signing key: start `poolwright up` or the worker once")
    return key


def mint(key: SecretStr, controller_id: str, server_id: str, attempt: int, issued_at: datetime) -> SecretStr:
    """The token of this server and create attempt.

    A function of its arguments: a repeated create renders the same startup script, as idempotency tokens demand.
    """
    claims = {
        "iss": controller_id,
        "aud": AUDIENCE,
        "sub": server_id,
        "jti": f"{server_id}-{attempt}",
        "iat": int(issued_at.timestamp()),
        "exp": int((issued_at + LIFETIME).timestamp()),
    }
    return SecretStr(jwt.encode(claims, key.get_secret_value(), algorithm="HS256"))


def verify(key: SecretStr, controller_id: str, token: str) -> str:
    """The id of the server that this token was minted for. Raises `TokenRefused`."""
    try:
        claims = jwt.decode(
            token,
            key.get_secret_value(),
            algorithms=["HS256"],
            audience=AUDIENCE,
            issuer=controller_id,
            # Whoever mints may be on another machine, whose clock may be ahead of ours: a signature of ours is proof
            # enough that the token was issued, whatever time it says. How long it is good is for `exp` alone to say.
            options={"require": ["exp", "iat", "sub", "aud", "iss"], "verify_iat": False},
        )
    except jwt.ExpiredSignatureError:
        raise TokenRefused("the token has expired") from None
    except jwt.InvalidTokenError:
        raise TokenRefused("the token is not valid here") from None
    return str(claims["sub"])


def controller_id(session: Session) -> str:
    """The random id of this installation."""
    return str(execute(session, _CONTROLLER).scalar_one())
