"""Settings of the Proxmox VE provider."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from poolwright.providers.override_secrets import SecretKeys
from poolwright.vendors.proxmox import Account

FIRST_VMID: Final = 100
LAST_VMID: Final = 999_999_999
SECRETS: Final = SecretKeys("cipassword")

_ID: Final = r"^[A-Za-z][A-Za-z0-9.\-_]*$"
_NODE: Final = r"^[A-Za-z0-9]([A-Za-z0-9\-]*[A-Za-z0-9])?$"

Node = Annotated[str, Field(pattern=_NODE)]
VMID = Annotated[int, Field(ge=FIRST_VMID, le=LAST_VMID)]
Value = str | int | float | bool | None


class OSType(StrEnum):
    """What runs in the VMs: which shell runs the startup script."""

    LINUX = "linux"
    WINDOWS = "windows"


def _distinct(nodes: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(nodes)) != len(nodes):
        raise ValueError(f"{', '.join(nodes)} names a node twice; name each once")
    return nodes


def _one_line(path: str) -> str:
    if any(ord(character) < ord(" ") for character in path):
        raise ValueError("a path with line breaks or other control characters works nowhere; write it without")
    return path


class Settings(Account):
    """A Proxmox VE cluster and the shape of the VMs in it."""

    template: Annotated[str, Field(min_length=1)]
    """Name or VMID of the VM template to clone."""
    template_node: Node | None = None
    """Node that holds the template, where several have one of this name. With `target_nodes`, a template of this name
    on the target node itself goes first."""
    target_nodes: Annotated[tuple[Node, ...], AfterValidator(_distinct)] = ()
    """Nodes for the VMs, in order of preference: where one has no room, the next is tried. A node that has no template
    of this name needs shared storage. Left out: the template's node."""
    full_clone: bool = True
    """False: linked clones, which share the template's disks. They are made in a moment and need the template."""
    storage: str | None = Field(default=None, pattern=_ID)
    """Storage for the disks of full clones. Left out: where the template's are."""
    resource_pool: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._\-]+(/[A-Za-z0-9._\-]+){0,2}$")
    """Pool of Proxmox VE that the VMs join."""
    vmid_first: VMID
    """First of the numbers (VMIDs) that only this provider's VMs may have."""
    vmid_last: VMID
    """Last of these numbers: there have to be as many as `max_instances` at least."""
    cores: PositiveInt | None = None
    """CPU cores per socket. Left out: the template's."""
    memory_mib: Annotated[int, Field(ge=16)] | None = None
    """Memory. Left out: the template's."""
    os_type: OSType = OSType.LINUX
    """What runs in the VMs: `linux` runs startup scripts with bash, `windows` with PowerShell."""
    startup_script_path: Annotated[str, Field(min_length=1), AfterValidator(_one_line)] | None = None
    """Directory in the guest that the startup script is written to. Left out: `/root`, or `C:\\Windows\\Temp`."""
    config_override: Annotated[dict[str, Value], SECRETS] = Field(default_factory=dict)
    """More parameters of the VM, as Proxmox VE's API names them, merged over ours once the clone is made:
    `{"sockets": 2, "net0": "virtio,bridge=vmbr1"}`. `null` takes one of ours out. `cipassword` is kept like any
    other secret."""

    @property
    def script_directory(self) -> str:
        """Where startup scripts are written in the guest."""
        default = "/root" if self.os_type is OSType.LINUX else r"C:\Windows\Temp"
        return self.startup_script_path or default

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        if self.vmid_first > self.vmid_last:
            raise ValueError(f"vmid_first {self.vmid_first} is above vmid_last {self.vmid_last}; swap the two")
        if self.storage is not None and not self.full_clone:
            raise ValueError("storage goes with full clones only; set full_clone to true, or leave storage out")
        return self
