"""An AWS account with EC2, for the provider's tests and for whoever needs VMs that a vendor's SDK has made."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from poolwright.providers.aws.provider import AWSProvider
from poolwright.providers.aws.settings import Settings
from poolwright.providers.base import VM, Provider
from tests.conformance.harness import Fault
from tests.wire.ec2 import EC2, REGION, asks_for, error, form_of
from tests.wire.server import Cut, Request, WireServer

ACCESS_KEY: Final = "AKIAIOSFODNN7EXAMPLE"
SECRET: Final = "wJalrXUtnFEMIabK7MDENGfbPxRfiCYEXAMPLEKEY"
_HOURS_SECONDS: Final = 7200.0
_WRAPPER: Final = (b"<powershell>\n", b"\n</powershell>")


@contextmanager
def ec2_server() -> Iterator[tuple[EC2, WireServer]]:
    """An empty account and the server that it is reached by."""
    ec2 = EC2()
    with WireServer(ec2) as server:
        yield ec2, server


class AWSHarness:
    """An account that holds nothing but a default VPC, two images and what providers make. See the suite's protocol.

    `settings` are the provider's; `pass_time` moves instances and the provider's clock.
    """

    def __init__(self, ec2: EC2, server: WireServer, **settings: Any) -> None:
        """Empties the account. `settings` are merged over settings that work."""
        ec2.empty()
        ec2.complaints.clear()
        server.requests.clear()
        self.ec2, self.server = ec2, server
        self.linux_image, self.windows_image = ec2.add_image(), ec2.add_image("windows")
        self.now = 1_000_000.0
        self.settings: dict[str, Any] = {
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET,
            "endpoint_url": server.url,
            "region": REGION,
            "ami_id": self.linux_image,
            "instance_types": ("t3.micro", "t3.small"),
            "subnet_ids": tuple(ec2.subnets().values())[:2],
            "security_group_ids": (ec2.security_group(),),
            **settings,
        }

    def open(self, controller_id: str, **settings: Any) -> AWSProvider:
        """A provider; `settings` go over the harness's."""
        return AWSProvider(Settings.model_validate(self.settings | settings), controller_id, clock=self.clock)

    def clock(self) -> float:
        """The time in seconds as paces see it. Each harness has its own paces, because it has its own clock."""
        return self.now

    def open_misconfigured(self) -> tuple[Provider, Sequence[str]]:
        wrong = {
            "ami_id": "ami-00000000000000000",
            "subnet_ids": ("subnet-00000000000000000",),
            "security_group_ids": ("sg-00000000000000000",),
            "instance_types": ("t3.micro", "t99.colossal"),
        }
        return self.open("controller-1", **wrong), list(wrong)

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        creation = asks_for("RunInstances")
        match fault:
            case Fault.AUTHENTICATION:
                message = f"AWS was not able to validate {self.settings['access_key_id']}"
                return self.server.fault(error("AuthFailure", message, 401))
            case Fault.PERMISSION:
                return self.server.fault(error("UnauthorizedOperation", status=403), creation)
            case Fault.QUOTA:
                return self.server.fault(error("VcpuLimitExceeded"), creation)
            case Fault.CAPACITY:
                return self.server.fault(error("InsufficientInstanceCapacity", status=500), self._in_first_place)
            case Fault.INVALID:
                return self._without_images()
            case Fault.THROTTLED:
                return self._throttled()
            case Fault.TRANSIENT:
                return self.server.fault(Cut.BEFORE)
            case Fault.LOST_RESPONSE:
                return self.server.fault(Cut.AFTER, creation)
            case Fault.STALE_LIST:
                return self._stale_lists()

    @contextmanager
    def pages_of(self, size: int) -> Iterator[None]:
        """Answer with so few things at a time until the block ends."""
        self.ec2.page_size = size
        yield
        self.ec2.page_size = None

    def pass_time(self) -> None:
        self.now += 1
        self.ec2.pass_time()

    def received_script(self, vm: VM) -> bytes:
        data = self.ec2.user_data(vm.reference)
        data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        return data.removeprefix(_WRAPPER[0]).removesuffix(_WRAPPER[1])

    def secrets(self) -> Sequence[str]:
        return [str(self.settings[name]) for name in ("access_key_id", "secret_access_key")]

    def leftovers(self) -> Sequence[str]:
        return self.ec2.existing()

    def close(self) -> None:
        assert self.ec2.complaints == []

    def _in_first_place(self, request: Request) -> bool:
        form = form_of(request)
        return (
            asks_for("RunInstances")(request)
            and form["InstanceType"] == self.settings["instance_types"][0]
            and form.get("NetworkInterface.1.SubnetId") == next(iter(self.settings["subnet_ids"]), None)
        )

    @contextmanager
    def _without_images(self) -> Iterator[None]:
        images: Mapping[str, Any] = dict(self.ec2.backend.amis)
        self.ec2.backend.amis.clear()
        yield
        self.ec2.backend.amis.update(images)

    @contextmanager
    def _throttled(self) -> Iterator[None]:
        with self.server.fault(error("RequestLimitExceeded", status=503)):
            yield
        self.now += _HOURS_SECONDS

    @contextmanager
    def _stale_lists(self) -> Iterator[None]:
        self.ec2.lists_lag = True
        yield
        self.ec2.lists_lag = False
        self.ec2.hidden_from_lists.clear()
