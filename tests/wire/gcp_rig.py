"""Compute Engine's stand-in at work, and providers on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from poolwright.providers.gcp.provider import GCPProvider, open_provider
from tests.conformance.specs import OURS
from tests.wire.gcp_compute import PROJECT, ZONES, ComputeEngine, Project
from tests.wire.gcp_key import credentials_json
from tests.wire.guard import only_this_machine
from tests.wire.server import Request, WireServer


class Rig:
    """One project, served to all cases of a module; each begins with an empty one."""

    def __init__(self, engine: ComputeEngine, server: WireServer) -> None:
        self.engine = engine
        self.server = server

    @property
    def state(self) -> Project:
        """What is in the project."""
        return self.engine.state

    def settings(self, **changed: Any) -> dict[str, Any]:
        """Settings that work, with these changes."""
        return {
            "project": PROJECT,
            "credentials_json": credentials_json(),
            "endpoint_url": self.server.url,
            "zones": list(ZONES),
            "machine_types": ["e2-small"],
            "image": "linux-1",
            "boot_disk_gib": 20,
            "network": "default",
            "calls_per_second": 100_000,
            **changed,
        }

    def open(self, controller_id: str = OURS, **changed: Any) -> GCPProvider:
        """A provider with these settings."""
        return open_provider(self.settings(**changed), controller_id)

    def tick(self, times: int = 1) -> None:
        """Let time pass."""
        for _ in range(times):
            self.engine.tick()

    @contextmanager
    def case(self) -> Iterator[None]:
        """One case: an empty project before it; nobody left this machine and nothing was complained about in it."""
        self.engine.state = Project()
        self.server.requests.clear()
        with only_this_machine() as left:
            yield
        complaints, self.engine.complaints = self.engine.complaints, []
        assert not left
        assert not complaints


@contextmanager
def running_rig() -> Iterator[Rig]:
    """A rig that serves until the block ends."""
    engine = ComputeEngine()
    with WireServer(engine) as server:
        yield Rig(engine, server)


def is_insert(request: Request) -> bool:
    """Whether this creates an instance."""
    return request.method == "POST" and request.path.endswith("/instances")
