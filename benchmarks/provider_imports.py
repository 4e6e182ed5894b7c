"""What a worker pays for a vendor's SDK: `python -m benchmarks.provider_imports`.

Each figure comes from a process of its own. What opening a provider and its first call add to a worker is compared with
the same SDK's import and client alone: 1.3 times the memory at most. Processor time is told beside it; its differences
are small beside what two runs of a worker differ by. The call goes to a port where nobody listens.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.table import Table

from benchmarks.reporting import Aim, Conditions, report

REPEATS: Final = 1
SMALL_MIB: Final = 10.0
"""An SDK that takes less has no ratio worth telling."""
NOBODY: Final = "https://127.0.0.1:1"
WORKER: Final = "import starter.workers\n"
SDKS: Final = {
    "aws": "import boto3\n"
    "boto3.client('ec2', region_name='eu-west-1', aws_access_key_id='x', aws_secret_access_key='x')\n",
    "azure": "from azure.identity import ClientSecretCredential\n"
    "from azure.mgmt.compute import ComputeManagementClient\n"
    "from azure.mgmt.network import NetworkManagementClient\n"
    "login = ClientSecretCredential('a' * 36, 'b' * 36, 'c')\n"
    "[client(login, 'd' * 36) for client in (ComputeManagementClient, NetworkManagementClient)]\n",
    "digitalocean": "import pydo\n"
    "try: pydo.Client(token='x', endpoint='https://127.0.0.1:1', retry_total=0).droplets.list(retry_total=0)\n"
    "except Exception: pass\n",
    "gcp": "from google.auth.credentials import AnonymousCredentials\nfrom google.cloud import compute_v1\n"
    "[client(credentials=AnonymousCredentials()) for client in (compute_v1.InstancesClient, "
    "compute_v1.ZoneOperationsClient, compute_v1.DisksClient)]\n",
    "oci": "import oci\n"
    "config = dict(user='ocid1.user.oc1..a', tenancy='ocid1.tenancy.oc1..a', fingerprint=':'.join(['00'] * 16), "
    "key_content=settings['private_key'], region='us-ashburn-1')\n"
    "[client(config) for client in (oci.core.ComputeClient, oci.core.VirtualNetworkClient, "
    "oci.core.BlockstorageClient)]\n",
    "proxmox": "from proxmoxer import ProxmoxAPI\n"
    "try: ProxmoxAPI('127.0.0.1', port=1, user='a@pve', token_name='t', token_value='v').version.get()\n"
    "except Exception: pass\n",
}
"""Kind -> what a program needs to have that SDK's clients, without ours. Two SDKs load most at their first call."""
_OPEN: Final = """
from poolwright.providers.errors import ProviderError
from poolwright.providers.registry import open_provider
try:
    open_provider({kind!r}, settings, "benchmark").list_owned()
except ProviderError:
    pass
"""
_MEASURED: Final = """
import json, sys, time
settings = json.loads(sys.stdin.read())
{body}
with open("/proc/self/status") as status:
    most_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
print(json.dumps([time.process_time(), most_kib / 1024]))
"""
"""Not by getrusage: its figure begins with what the process that started this one took, which is more than an empty
Python does, so that what an SDK adds to an empty one came out too small."""


@dataclass(frozen=True)
class Cost:
    """Of one process."""

    seconds: float
    """Of processor time."""
    mib: float
    """Most memory at once."""

    def beyond(self, other: "Cost") -> "Cost":
        """What this takes more than the other."""
        return Cost(round(self.seconds - other.seconds, 2), round(self.mib - other.mib, 1))


def main() -> None:
    """Measure every provider, and all of them in one worker."""
    conditions = Conditions()
    settings = _settings()
    empty, worker = _cost("", {}), _cost(WORKER, {})
    alone = {kind: _cost(sdk, settings[kind]).beyond(empty) for kind, sdk in SDKS.items()}
    added = {kind: _cost(WORKER + _OPEN.format(kind=kind), settings[kind]).beyond(worker) for kind in SDKS}
    everything = "".join(f"settings = everything[{kind!r}]\n" + _OPEN.format(kind=kind) for kind in SDKS)
    all_added = _cost(f"{WORKER}everything = settings\n{everything}", settings).beyond(worker)
    aims = [
        Aim(
            f"{kind}: memory added to a worker, times the SDK alone",
            round(added[kind].mib / alone[kind].mib, 2),
            "x",
            at_most=1.3,
        )
        for kind in SDKS
        if alone[kind].mib >= SMALL_MIB
    ]
    facts: dict[str, Any] = {
        "worker": asdict(worker),
        "sdk_alone": {kind: asdict(cost) for kind, cost in alone.items()},
        "added": {kind: asdict(cost) for kind, cost in added.items()},
        "all_added": asdict(all_added),
    }
    rows = [*((kind, alone[kind], added[kind]) for kind in SDKS), ("all of them", None, all_added)]
    report("provider_imports", "A vendor's SDK in a worker", conditions, aims, facts, [_table(rows, worker)])


def _cost(body: str, settings: Any) -> Cost:
    source = _MEASURED.format(body=body)
    figures = []
    for _ in range(REPEATS):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", source],
            input=json.dumps(settings).encode(),
            check=True,
            capture_output=True,
        )
        figures.append(json.loads(done.stdout.splitlines()[-1]))
    return Cost(median(one[0] for one in figures), median(one[1] for one in figures))


def _settings() -> dict[str, dict[str, Any]]:
    """Settings that open; nobody answers."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    uuid = "00000000-0000-0000-0000-000000000000"
    service_account = {
        "type": "service_account",
        "client_email": "pool@project-1.iam.example",
        "private_key": pem,
        "private_key_id": "1",
        "token_uri": NOBODY,
    }
    return {
        "aws": {
            "access_key_id": "x",
            "secret_access_key": "x",
            "endpoint_url": NOBODY,
            "region": "eu-west-1",
            "ami_id": "ami-0",
            "instance_types": ["t3.micro"],
        },
        "azure": {
            "subscription_id": uuid,
            "resource_group": "pool",
            "tenant_id": uuid,
            "client_id": uuid,
            "client_secret": "x",
            "endpoint_url": NOBODY,
            "authority_url": NOBODY,
            "region": "westeurope",
            "vm_sizes": ["Standard_D2s_v5"],
            "image_reference": {"publisher": "canonical", "offer": "ubuntu", "sku": "server", "version": "latest"},
            "subnet": "network/subnet",
            "os_username": "pool",
            "ssh_public_key": "ssh-rsa AAAA",
        },
        "digitalocean": {
            "token": "x",
            "endpoint_url": NOBODY,
            "regions": ["fra1"],
            "sizes": ["s-1vcpu-1gb"],
            "image": "ubuntu-24-04-x64",
        },
        "gcp": {
            "project": "project-1",
            "credentials_json": json.dumps(service_account),
            "endpoint_url": NOBODY,
            "zones": ["us-east4-b"],
            "machine_types": ["e2-small"],
            "image": "desktop",
        },
        "oci": {
            "user_ocid": "ocid1.user.oc1..a",
            "tenancy_ocid": "ocid1.tenancy.oc1..a",
            "fingerprint": ":".join(["00"] * 16),
            "private_key": pem,
            "region": "us-ashburn-1",
            "compartment_ocid": "ocid1.compartment.oc1..a",
            "endpoint_url": NOBODY,
            "availability_domains": ["AD-1"],
            "shapes": [{"name": "VM.Standard2.1"}],
            "image_ocid": "ocid1.image.oc1..a",
            "subnet_ocid": "ocid1.subnet.oc1..a",
        },
        "proxmox": {
            "host": NOBODY,
            "username": "pool@pve",
            "token_name": "pool",
            "token_value": uuid,
            "template": "desktop",
            "vmid_first": 1000,
            "vmid_last": 1999,
        },
    }


def _table(rows: list[tuple[str, Cost | None, Cost]], worker: Cost) -> Table:
    title = f"Beyond a worker of {worker.seconds:.1f} s of processor time and {worker.mib:.0f} MiB"
    table = Table("provider", "SDK alone s", "SDK alone MiB", "added s", "added MiB", title=title)
    for kind, alone, added in rows:
        shown = ("", "") if alone is None else (f"{alone.seconds:.2f}", f"{alone.mib:.0f}")
        table.add_row(kind, *shown, f"{added.seconds:.2f}", f"{added.mib:.0f}")
    return table


if __name__ == "__main__":
    main()
