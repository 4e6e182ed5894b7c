"""An empty DigitalOcean account for each test, on a stand-in that is started once."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from poolwright.providers.digitalocean.provider import DigitalOceanProvider
from poolwright.providers.digitalocean.settings import Settings
from poolwright.vendors import digitalocean
from tests.wire.digitalocean_droplets import HEADERS, Cloud
from tests.wire.guard import only_this_machine
from tests.wire.server import Request, Response, WireServer

CONTROLLER = "controller-1"
ANY_PACE = (1e6, 1_000_000)
_COUNT = itertools.count(1)


class Account:
    """One account, and providers on it."""

    def __init__(self, server: WireServer, cloud: Cloud) -> None:
        self.server, self.cloud = server, cloud

    def settings(self, **changes: Any) -> Mapping[str, Any]:
        """Settings that work in this account: two regions, one size, an SSH key, a firewall."""
        return {
            "token": self.cloud.token,
            "endpoint_url": self.server.url,
            "ca_file": self.server.ca_file,
            "regions": ["fra1", "ams3"],
            "sizes": ["s-2vcpu-4gb"],
            "image": "ubuntu-24-04-x64",
            "ssh_key_names": ["ops"],
            "firewall_name": "pool.firewall",
            **changes,
        }

    def open(self, controller_id: str = CONTROLLER, **changes: Any) -> DigitalOceanProvider:
        """A provider whose clock is the cloud's."""
        settings = Settings.model_validate(self.settings(**changes))
        return DigitalOceanProvider(settings, controller_id, clock=lambda: self.cloud.now_seconds)

    def count(self, method: str, path: str = "") -> int:
        """How many such requests came; `path` is how it begins."""
        return self.server.count(lambda request: request.method == method and request.path.startswith(path))

    @staticmethod
    def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
        """An answer that is no success."""
        return Response(status, {"id": code, "message": message}, {**HEADERS, **(headers or {})})


class AccountServer:
    """The stand-in that all tests of a file share."""

    def __init__(self, directory: Path) -> None:
        self._cloud = Cloud("")
        self.server = WireServer(self._answer, tls_directory=directory)

    def new_account(self) -> Account:
        """Forget everything, and give an empty account. Its token is its own: paces are kept by token."""
        self._cloud = Cloud(f"dop_v1_{next(_COUNT):064x}")
        self.server.requests.clear()
        return Account(self.server, self._cloud)

    def _answer(self, request: Request) -> Response:
        return self._cloud(request)


@contextmanager
def account_server(directory: Path) -> Iterator[AccountServer]:
    """Serve, let nothing leave this machine meanwhile, and let calls follow each other as fast as they can."""
    serving = AccountServer(directory)
    at_any_pace = patch.multiple(digitalocean, _MINUTE=ANY_PACE, _HOUR=ANY_PACE)
    with only_this_machine() as left, serving.server, at_any_pace:
        yield serving
    assert left == []
