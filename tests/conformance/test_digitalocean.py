"""DigitalOcean under the suite: pydo against a stand-in over TLS that validates each request."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from poolwright.providers.base import VM, Provider
from poolwright.providers.digitalocean.provider import open_provider
from tests.conformance.harness import Fault, Feature, Harness
from tests.conformance.suite import ProviderConformance
from tests.providers.digitalocean.account import Account, AccountServer, account_server
from tests.wire.server import Cut, Request

pytestmark = pytest.mark.slow


class DigitalOceanHarness:
    """One empty account on the module's server."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def open(self, controller_id: str) -> Provider:
        return self._account.open(controller_id)

    def open_misconfigured(self) -> tuple[Provider, Sequence[str]]:
        wrong = {"image": "windows-11", "ssh_key_names": ["nobody"], "firewall_name": "no-such-wall"}
        return open_provider({**self._account.settings(), **wrong}, "controller-1"), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        server, refused = self._account.server, self._account.refusal
        match fault:
            case Fault.AUTHENTICATION:
                return server.fault(refused(401, "Unauthorized", "Unable to authenticate you"))
            case Fault.PERMISSION:
                return server.fault(refused(403, "Forbidden", "You are not authorized"), _is_creation)
            case Fault.THROTTLED:
                return server.fault(refused(429, "too_many_requests", "API rate limit exceeded.", {"retry-after": "0"}))
            case Fault.TRANSIENT:
                return server.fault(Cut.BEFORE)
            case Fault.LOST_RESPONSE:
                return server.fault(Cut.AFTER, _is_creation)
            case Fault.QUOTA:
                return self._changed("droplet_limit", 0)
            case Fault.CAPACITY:
                return self._changed("full_regions", frozenset({"fra1"}))
            case Fault.INVALID:
                return self._changed("images", {})
            case Fault.STALE_LIST:
                return self._changed("hides_new", True)

    def pass_time(self) -> None:
        self._account.cloud.now_seconds += 1

    def received_script(self, vm: VM) -> bytes:
        script: str = self._account.cloud.droplets[int(vm.reference)].body.get("user_data", "")
        return script.encode()

    def secrets(self) -> Sequence[str]:
        return [self._account.cloud.token]

    def leftovers(self) -> Sequence[str]:
        return self._account.cloud.leftovers()

    def close(self) -> None:
        assert self._account.cloud.complaints == []

    @contextmanager
    def _changed(self, name: str, value: object) -> Iterator[None]:
        before = getattr(self._account.cloud, name)
        setattr(self._account.cloud, name, value)
        yield
        setattr(self._account.cloud, name, before)


def _is_creation(request: Request) -> bool:
    return request.method == "POST" and request.path == "/v2/droplets"


class TestDigitalOcean(ProviderConformance):
    abilities = frozenset(Fault) | {
        Feature.PLACES,
        Feature.LATE_ADDRESS,
        Feature.SLOW_DELETION,
        Feature.SCRIPT_READ_BACK,
        Feature.SCRIPT_LIMIT,
    }
    serving: ClassVar[AccountServer]

    def make_harness(self, directory: Path) -> Harness:
        return DigitalOceanHarness(self.serving.new_account())


@pytest.fixture(scope="module", autouse=True)
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with account_server(tmp_path_factory.mktemp("digitalocean")) as serving:
        TestDigitalOcean.serving = serving
        yield
