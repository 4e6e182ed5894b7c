"""Servers on EC2 with names in Route 53 through the whole stack: boto3 against moto, and guests that run the user data
that they were given. The worker is killed between the moment when EC2 has made a VM and the moment when that is
recorded: in the end there is one VM for each server, and nothing is left when all are deleted."""

import gzip
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.dns.route53_account import serving
from tests.e2e.stacks import Stack, stack_in
from tests.wire.aws import SECRET
from tests.wire.ec2 import EC2, REGION, asks_for
from tests.wire.route53 import Route53
from tests.wire.server import Request, Response, WireServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BASE = "desks.example"
EXAMPLE = Path(__file__).parents[2] / "examples" / "startup-scripts" / "local-demo.sh"
KILLS = 2
TICK_SECONDS = 0.2


class Cloud:
    """EC2 whose VMs boot by themselves, and that can kill who asks for one right after it has made it."""

    def __init__(self, ec2: EC2, directory: Path) -> None:
        self.ec2 = ec2
        self.stack: Stack | None = None
        self.kills_left = 0
        self._directory = directory
        self._booted: set[str] = set()
        self._guests: list[subprocess.Popen[bytes]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="cloud", daemon=True)

    def __call__(self, request: Request) -> Response:
        """As EC2 does; a worker that is to be killed never sees the answer."""
        before = len(self.ec2.instances())
        response = self.ec2(request)
        if asks_for("RunInstances")(request) and len(self.ec2.instances()) > before and self.kills_left:
            assert self.stack is not None
            self.kills_left -= 1
            os.kill(self.stack.component("worker").pid, signal.SIGKILL)
        return response

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time passes meanwhile: instances come and go, and guests run."""
        self._thread.start()
        yield
        self._stop.set()
        self._thread.join()
        for guest in self._guests:
            guest.kill()
            guest.wait()

    def living(self) -> list[str]:
        """The instances that cost money."""
        return [one.id for one in self.ec2.instances() if one._state.name in ("pending", "running")]

    def _live(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self.ec2.pass_time()
            for instance_id in set(self.living()) - self._booted:
                if self.ec2.instance(instance_id)._state.name == "running":
                    self._booted.add(instance_id)
                    self._boot(instance_id)

    def _boot(self, instance_id: str) -> None:
        data = self.ec2.user_data(instance_id)
        script = self._directory / f"{instance_id}.sh"
        script.write_bytes(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data)
        environment = {**os.environ, "POOLWRIGHT_ADDRESS": "127.0.0.1"}
        self._guests.append(subprocess.Popen(["bash", str(script)], env=environment, stdout=subprocess.DEVNULL))


class Lived(NamedTuple):
    """What was seen of a stack whose servers came and went."""

    cloud: Cloud
    names: Route53
    servers: list[dict[str, Any]]
    """While two of them ran."""
    living: list[str]
    addresses: dict[str, str]
    """Name -> address, then."""
    made: int
    """VMs that EC2 ever made, by then."""


def write_configuration(directory: Path, ec2: EC2, ec2_url: str, route53_url: str) -> Path:
    directory.mkdir()
    # Checks in and no more: the demo's own service needs an address of its own.
    text = EXAMPLE.read_text()
    (directory / "startup.sh").write_text(text[: text.index("# serve USER")] + 'check_in running "ready" 100\n')
    account = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": SECRET}
    settings = {
        **account,
        "endpoint_url": ec2_url,
        "region": REGION,
        "ami_id": ec2.add_image(),
        "instance_types": ["t3.micro"],
        "subnet_ids": list(ec2.subnets().values())[:2],
        "security_group_ids": [ec2.security_group()],
    }
    documents = [
        {"kind": "zone", "name": "default"},
        {"kind": "pool", "name": "desks", "type": "server"},
        {
            "kind": "vm_provider",
            "name": "cloud",
            "provider": "aws",
            "max_instances": 3,
            "startup_script_file": "startup.sh",
            "settings": settings,
        },
        {
            "kind": "dns_provider",
            "name": "names",
            "provider": "route53",
            "settings": {**account, "endpoint_url": route53_url},
        },
        {
            "kind": "autoscale",
            "name": "desks-cloud",
            "type": "server",
            "pool": "desks",
            "zone": "default",
            "vm_provider": "cloud",
            "minimum_available_sessions": 2,
            "connection": {"type": "ssh", "username": "demo"},
            "dns": {"provider": "names", "base_domain": BASE, "address": "public"},
        },
    ]
    (directory / "desks.yaml").write_text(yaml.safe_dump_all(documents))
    return directory / "desks.yaml"


def addresses(names: Route53) -> dict[str, str]:
    return {one.name.rstrip("."): one.records[0] for one in names.records() if one.type == "A"}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Two servers made while the worker is killed at each creation, one replaced, all deleted."""
    directory = tmp_path_factory.mktemp("cloud")
    cloud = Cloud(EC2(), directory)
    with ExitStack() as opened:
        served, names = opened.enter_context(serving())
        names.add_zone(BASE)
        ec2 = opened.enter_context(WireServer(cloud))
        configuration = write_configuration(directory / "configuration", cloud.ec2, ec2.url, served.url)
        cloud.stack = stack = opened.enter_context(stack_in(directory / "data"))
        cloud.kills_left = KILLS
        opened.enter_context(cloud.running())
        stack.up("--apply", str(configuration))
        first, _ = stack.until_running(2)
        stack.run("server", "delete", first["id"])
        stack.until(lambda: first["id"] not in {one["id"] for one in stack.servers()}, "the deletion goes on")
        servers = stack.until_running(2)
        seen = Lived(cloud, names, servers, cloud.living(), addresses(names), len(cloud.ec2.instances()))
        stack.down("--delete-servers")
        yield seen


class TestLives:
    def test_the_worker_was_killed_between_made_and_recorded(self, lived: Lived) -> None:
        assert lived.cloud.kills_left == 0

    def test_each_server_has_one_vm_and_none_was_made_twice(self, lived: Lived) -> None:
        assert len(lived.living) == len(lived.servers) == 2
        assert lived.made == 3

    def test_each_has_a_name_that_leads_to_it(self, lived: Lived) -> None:
        assert lived.addresses == {f"{one['id']}.{BASE}": one["address"] for one in lived.servers}

    def test_nothing_is_left_of_them(self, lived: Lived) -> None:
        assert lived.cloud.ec2.existing() == []
        assert list(lived.names.records()) == []

    def test_every_request_was_one_that_the_vendor_takes(self, lived: Lived) -> None:
        assert lived.cloud.ec2.complaints == []
        assert lived.names.complaints == []
