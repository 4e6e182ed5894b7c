"""Whether the settings of the Proxmox VE provider can work in this cluster."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from poolwright.domain.findings import Finding
from poolwright.providers.errors import Transient
from poolwright.providers.proxmox.cluster import Cluster, holds
from poolwright.providers.proxmox.creation import templates
from poolwright.providers.proxmox.listing import Listing, Row
from poolwright.providers.proxmox.settings import Settings
from poolwright.vendors.faults import Fault
from poolwright.vendors.proxmox import Refused

OLDEST_RELEASE: Final = 8
_DRIVE: Final = re.compile(r"(ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0")
_BRIDGE: Final = re.compile(r"bridge=([A-Za-z0-9_.\-]+)")
_PRIVILEGE_OF_OPTION: Final = (
    (re.compile(r"(cores|sockets|vcpus|cpu|cpulimit|cpuunits|numa\d*|affinity)"), "VM.Config.CPU"),
    (re.compile(r"(memory|balloon|shares)"), "VM.Config.Memory"),
    (re.compile(r"(net|ipconfig)\d+|nameserver|searchdomain|sshkeys"), "VM.Config.Network"),
    (re.compile(r"(scsi|virtio|sata|ide|unused)\d+|efidisk0|tpmstate0|boot|bootdisk|scsihw"), "VM.Config.Disk"),
    (re.compile(r"ci(user|password|type|upgrade|custom)"), "VM.Config.Cloudinit"),
    (
        re.compile(r"(agent|tags|protection|onboot|startup|ostype|kvm|acpi|localtime|hotplug|delete)"),
        "VM.Config.Options",
    ),
)


def check(cluster: Cluster) -> Sequence[Finding]:
    """All that is wrong. Raises `Refused` only for what says nothing of the settings."""
    try:
        release = int(str(cluster.api.get("version")["version"]).partition(".")[0])
        listing, held = cluster.listing(), cluster.api.get("access/permissions")
    except Refused as refused:
        finding = _no_way_in(cluster.settings, refused)
        if finding is None:
            raise
        return [finding]
    template, problems = _template(cluster, listing)
    configuration = _configuration(cluster, template) if template else {}
    return [
        *_checked_connection(cluster.settings, release),
        *problems,
        *_checked_nodes(cluster.settings, listing),
        *_checked_storage(cluster.settings, listing, template),
        *_checked_pool(cluster),
        *_checked_numbers(cluster, listing),
        *_checked_privileges(cluster.settings, release, held, template, configuration),
    ]


def _no_way_in(settings: Settings, refused: Refused) -> Finding | None:
    if refused.fault is Fault.AUTHENTICATION:
        return Finding(
            setting="password" if settings.password else "token_value",
            problem=f"{settings.token_id} is refused: {refused}",
            remedy="correct username and token_name with token_value, or password, and see that they have not expired",
        )
    if refused.fault is Fault.UNKNOWN and refused.status is None:
        return Finding(
            setting="host",
            problem=f"{settings.host} cannot be reached, or its certificate is not trusted: {refused}",
            remedy="correct host; for a certificate of the cluster's own authority name its file as ca_file",
        )
    return None


def _checked_connection(settings: Settings, release: int) -> Iterator[Finding]:
    if not settings.verify_tls:
        yield Finding(
            setting="verify_tls",
            problem="any certificate is taken: whoever stands between this worker and the cluster can read the token",
            remedy="set verify_tls to true, and ca_file to a copy of the cluster's /etc/pve/pve-root-ca.pem",
        )
    if release < OLDEST_RELEASE:
        yield Finding(
            setting="host",
            problem=f"it runs Proxmox VE {release}",
            remedy=f"upgrade the cluster to Proxmox VE {OLDEST_RELEASE} or later",
        )


def _template(cluster: Cluster, listing: Listing) -> tuple[Row | None, list[Finding]]:
    settings = cluster.settings
    found = templates(cluster, listing)
    usable = [row for row in found if settings.template_node in (None, row.node) or row.node in settings.target_nodes]
    if usable:
        twice = len({row.node for row in usable}) != len(usable)
        several = Finding(
            setting="template",
            problem=f"several templates of one node are named {settings.template}",
            remedy="write the VMID of one of them",
        )
        return usable[0], [several] if twice else []
    if found:
        nodes = ", ".join(row.node for row in found)
        return None, [
            Finding(
                setting="template_node",
                problem=f"{settings.template} is on {nodes}, not on {settings.template_node}",
                remedy="correct template_node, or leave it out",
            )
        ]
    exists = bool(listing.named(settings.template))
    problem = (
        f"{settings.template} is no template" if exists else f"there is no template {settings.template} to be seen"
    )
    remedy = "convert it to a template" if exists else "correct the name, or give the user VM.Audit and VM.Clone on it"
    return None, [Finding(setting="template", problem=problem, remedy=remedy)]


def _configuration(cluster: Cluster, template: Row) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = cluster.api.get(f"{template.path}/config")
    except Refused:
        # Its node is offline, or it may not be seen: both have findings of their own.
        return {}
    return found


def _checked_nodes(settings: Settings, listing: Listing) -> Iterator[Finding]:
    named = [("target_nodes", node) for node in settings.target_nodes]
    for setting, node in [*named, *([("template_node", settings.template_node)] if settings.template_node else [])]:
        if node not in listing.nodes:
            yield Finding(
                setting=setting,
                problem=f"the cluster has no node {node}",
                remedy=f"name some of {', '.join(sorted(listing.nodes))}",
            )
        elif not listing.is_online(node):
            yield Finding(setting=setting, problem=f"node {node} is offline", remedy="start it, or leave it out")


def _checked_storage(settings: Settings, listing: Listing, template: Row | None) -> Iterator[Finding]:
    if settings.storage is None:
        return
    wanted = settings.target_nodes or ((template.node,) if template else ())
    mine = {str(one.get("node")): one for one in listing.storages if one.get("storage") == settings.storage}
    missing = [node for node in wanted if node not in mine and node in listing.nodes] if mine else ["any node"]
    if missing:
        yield Finding(
            setting="storage",
            problem=f"there is no storage {settings.storage} to be seen on {', '.join(missing)}",
            remedy="correct the name, enable it there, or give the user Datastore.AllocateSpace on it",
        )
    elif any("images" not in str(one.get("content") or "").split(",") for one in mine.values()):
        yield Finding(
            setting="storage",
            problem=f"{settings.storage} takes no disk images",
            remedy="allow disk images among its content, or name another",
        )


def _checked_pool(cluster: Cluster) -> Iterator[Finding]:
    pool = cluster.settings.resource_pool
    if pool is not None and pool not in {one.get("poolid") for one in cluster.api.get("pools")}:
        yield Finding(
            setting="resource_pool",
            problem=f"there is no resource pool {pool} to be seen",
            remedy="create it, or give the user Pool.Audit on it",
        )


def _checked_numbers(cluster: Cluster, listing: Listing) -> Iterator[Finding]:
    inside = (listing.at(number) for number in listing.numbers() if number in cluster.numbers)
    foreign = [row for row in inside if row and not row.is_coming_or_going and not _is_ours(cluster, row)]
    if foreign:
        names = ", ".join(f"{row.number} ({row.name or 'no name'})" for row in foreign[:5])
        yield Finding(
            setting="vmid_first",
            problem=f"other guests have numbers between vmid_first and vmid_last: {names}",
            remedy="move the range to where nothing else is",
        )


def _is_ours(cluster: Cluster, row: Row) -> bool:
    try:
        return cluster.owner(row) is not None
    except (Refused, Transient):
        # A guest that cannot be asked is no finding.
        return True


def _checked_privileges(
    settings: Settings,
    release: int,
    held: Mapping[str, Mapping[str, Any]],
    template: Row | None,
    configuration: Mapping[str, Any],
) -> Iterator[Finding]:
    pool = settings.resource_pool
    places = [f"/vms/{settings.vmid_first}", *([f"/pool/{pool}"] if pool else [])]
    for privilege in _privileges_on_vms(settings, release):
        if not any(holds(held, path, privilege) for path in places):
            yield _missing(settings, privilege, " or ".join(["/vms", *places[1:]]))
    if template and not holds(held, f"/vms/{template.number}", "VM.Clone"):
        yield _missing(settings, "VM.Clone", f"/vms/{template.number}")
    for storage in _storages(settings, configuration):
        if not holds(held, f"/storage/{storage}", "Datastore.AllocateSpace"):
            yield _missing(settings, "Datastore.AllocateSpace", f"/storage/{storage}")
    for bridge in _bridges(configuration):
        zone = f"/sdn/zones/localnetwork/{bridge}"
        # A bridge may belong to another zone of the software-defined network.
        anywhere = any("SDN.Use" in granted for path, granted in held.items() if path.startswith("/sdn"))
        if not anywhere and not holds(held, zone, "SDN.Use"):
            yield _missing(settings, "SDN.Use", zone)


def _privileges_on_vms(settings: Settings, release: int) -> Sequence[str]:
    guest = "VM.Monitor" if release <= OLDEST_RELEASE else "VM.GuestAgent.Unrestricted"
    options = [name for name, value in settings.config_override.items() if value is not None]
    options += ["cores"] if settings.cores else []
    options += ["memory"] if settings.memory_mib else []
    by_option = {_privilege_of(option) for option in options}
    needed = ["VM.Allocate", "VM.Audit", "VM.Config.Options", "VM.PowerMgmt", guest]
    return [*needed, *sorted(by_option - set(needed))]


def _privilege_of(option: str) -> str:
    fitting = (privilege for pattern, privilege in _PRIVILEGE_OF_OPTION if pattern.fullmatch(option))
    return next(fitting, "VM.Config.HWType")


def _storages(settings: Settings, configuration: Mapping[str, Any]) -> Sequence[str]:
    if settings.storage:
        return [settings.storage]
    drives = [str(value) for name, value in configuration.items() if _DRIVE.fullmatch(name)]
    return sorted({drive.partition(":")[0] for drive in drives if ":" in drive and "media=cdrom" not in drive})


def _bridges(configuration: Mapping[str, Any]) -> Sequence[str]:
    nets = [str(value) for name, value in configuration.items() if re.fullmatch(r"net\d+", name)]
    return sorted({found[1] for net in nets if (found := _BRIDGE.search(net))})


def _missing(settings: Settings, privilege: str, path: str) -> Finding:
    return Finding(
        setting="username" if settings.password else "token_name",
        problem=f"{settings.token_id} lacks {privilege} on {path}",
        remedy=f"give it a role with {privilege} there; a token with its own privileges needs it as well as its user",
    )
