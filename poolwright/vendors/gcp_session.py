"""The HTTP session of Google's clients. Apart from `gcp`, because it needs the SDK to be imported."""

from pathlib import Path
from typing import Any, Final

import requests
from google.api_core.exceptions import from_http_response, from_http_status
from google.auth.credentials import Credentials
from google.auth.transport.requests import AuthorizedSession, Request

_TIMEOUT_SECONDS: Final = (5.0, 30.0)
"""Without a connection, and without an answer."""


def open_session(credentials: Credentials, ca_file: Path | None) -> AuthorizedSession:
    """See `gcp.session`."""
    return _Session(credentials, ca_file)


class _Session(AuthorizedSession):
    def __init__(self, credentials: Credentials, ca_file: Path | None) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            credentials, max_refresh_attempts=1, auth_request=Request(_Trusting(ca_file))
        )
        self._ca_file = ca_file

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        # The clients' own timeout counts for connecting and for reading alike, and is ten minutes.
        options["timeout"] = _TIMEOUT_SECONDS
        answer: requests.Response = super().request(  # type: ignore[no-untyped-call]
            method, url, **_trusted(self._ca_file, options)
        )
        _see_that_it_can_be_read(answer)
        return answer


def _see_that_it_can_be_read(answer: requests.Response) -> None:
    """Raises errors of a call for what Google's clients would break at with errors of their own: the page of a gateway
    that is no UTF-8, and its JSON where that is not the API's, such as `{"error": "no route"}`."""
    try:
        if answer.ok:
            answer.content.decode()
        else:
            list(from_http_response(answer).errors)  # type: ignore[no-untyped-call]
    except UnicodeDecodeError:
        raise requests.exceptions.InvalidJSONError from None
    except (AttributeError, TypeError):
        raise from_http_status(answer.status_code, "", response=answer) from None  # type: ignore[no-untyped-call]


class _Trusting(requests.Session):
    """The session that tokens are fetched with."""

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__()
        self._ca_file = ca_file

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        options["timeout"] = _TIMEOUT_SECONDS
        return super().request(method, url, **_trusted(self._ca_file, options))


def _trusted(ca_file: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    # A session's `verify` loses against REQUESTS_CA_BUNDLE; that of a call does not.
    return options if ca_file is None else {**options, "verify": str(ca_file)}
