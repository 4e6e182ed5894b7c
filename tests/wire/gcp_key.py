"""A service account of Google Cloud that exists only here, with a key made on the spot."""

import base64
import json
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

EMAIL = "poolwright@project-0.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@cache
def private_key() -> rsa.RSAPrivateKey:
    """The account's key, the same for the whole run."""
    # One of the usual length takes 80 ms to read, each time that a provider is opened.
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


@cache
def credentials_json(token_uri: str = "https://oauth2.googleapis.com/token") -> str:
    """The account's file; `token_uri` is where a token would be fetched."""
    pem = private_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "project-0",
            "private_key_id": "0123456789abcdef",
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": token_uri,
        }
    )


@cache
def is_token(authorization: str) -> bool:
    """Whether an Authorization header bears a token that this account signed, for all that its roles allow."""
    try:
        head, body, signature = authorization.removeprefix("Bearer ").split(".")
        private_key().public_key().verify(_decoded(signature), f"{head}.{body}".encode(), PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature):
        return False
    claims: dict[str, Any] = json.loads(_decoded(body))
    return claims.get("scope") == SCOPE and claims.get("iss") == claims.get("sub") == EMAIL


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
