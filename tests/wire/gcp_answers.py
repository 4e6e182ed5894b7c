"""How Google's JSON APIs refuse."""

from collections.abc import Mapping

from tests.wire.server import Response


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.response = refusal(status, reason, message)


def refusal(status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error in the form that all of Google's JSON APIs have."""
    one = {"message": message, "domain": "global", "reason": reason}
    return Response(status, {"error": {"code": status, "message": message, "errors": [one]}}, headers or {})
