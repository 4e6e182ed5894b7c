"""Microsoft's login service, as far as an app registration with a secret needs it."""

import secrets
from urllib.parse import parse_qs

from tests.wire.server import Request, Response

TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
SECRET = "app-secret-that-nobody-may-see"
_LIFE_SECONDS = 3600


class Login:
    """Gives tokens for the right secret."""

    def __init__(self) -> None:
        self.base_url = ""
        """Where it is reached: its own answers name it."""
        self._tokens: set[str] = set()

    def knows(self, request: Request) -> bool:
        """Whether the request is for the login service."""
        return request.path.startswith(f"/{TENANT}/")

    def __call__(self, request: Request) -> Response:
        """Answer it."""
        if request.path.endswith("/.well-known/openid-configuration"):
            host = f"{self.base_url}/{TENANT}"
            return Response(
                200,
                {
                    "issuer": f"{host}/v2.0",
                    "authorization_endpoint": f"{host}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{host}/oauth2/v2.0/token",
                },
            )
        form = parse_qs(request.body.decode())
        if form.get("client_id") != [CLIENT] or form.get("client_secret") != [SECRET]:
            said = "AADSTS7000215: Invalid client secret provided."
            return Response(401, {"error": "invalid_client", "error_description": said, "error_codes": [7000215]})
        token = secrets.token_hex(16)
        self._tokens.add(token)
        return Response(200, {"token_type": "Bearer", "expires_in": _LIFE_SECONDS, "access_token": token})

    def refusal(self, request: Request) -> Response | None:
        """The answer to a call that brings no token of ours."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and token in self._tokens:
            return None
        return arm_error(401, "InvalidAuthenticationToken", "The access token is invalid.")


def arm_error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as Azure Resource Manager says it."""
    return Response(status, {"error": {"code": code, "message": message}}, headers or {})
