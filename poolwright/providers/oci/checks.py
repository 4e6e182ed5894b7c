"""What a live check of the settings finds. It reads and changes nothing."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.domain.wording import listed
from poolwright.providers.base import VMSpec
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.oci.errors import provider_error
from poolwright.providers.oci.requests import launch_request
from poolwright.providers.oci.settings import Settings, Shape
from poolwright.vendors.faults import Fault
from poolwright.vendors.oci import NO_CA_FILE, UNSIGNED, CallFailed, Connection, every

_POLICY: Final = "see the policy on Poolwright's page on OCI"
_FATAL: Final = (Fault.THROTTLED, Fault.UNKNOWN)
"""Trouble that says nothing about the settings."""


def findings(settings: Settings, connection: Connection, controller_id: str) -> Sequence[Finding]:
    """All problems at once. Raises `Throttled` or `Transient` when OCI cannot be asked."""
    try:
        domains = connection.identity("list_availability_domains", settings.compartment_ocid).data
    except CallFailed as failure:
        return [_refused_at_once(failure)]
    known = [domain.name for domain in domains]
    usable = [name for name in settings.availability_domains if name in known]
    return [
        *_unknown_domains(settings, known),
        *_lists(settings, connection),
        *_shapes(settings, connection, usable),
        *_image(settings, connection),
        *_subnet(settings, connection),
        *_groups(settings, connection),
        *_fault_domain(settings, connection, usable),
        *_override(settings, controller_id),
    ]


def _refused_at_once(failure: CallFailed) -> Finding:
    if failure.fault is Fault.AUTHENTICATION or failure.code == UNSIGNED:
        return Finding(
            setting="private_key",
            problem=str(failure),
            remedy="upload the public key to the user in the console and copy its fingerprint, user and tenancy; "
            "without a key, let the worker run on an OCI instance that a dynamic group holds",
        )
    if failure.fault is Fault.MISSING:
        return Finding(
            setting="compartment_ocid",
            problem=f"the compartment does not exist, or this user may not see it: {failure}",
            remedy=f"correct the OCID, or allow `inspect compartments`; {_POLICY}",
        )
    if failure.code == NO_CA_FILE:
        return Finding(setting="ca_file", problem=str(failure), remedy="put the file there, or take the setting out")
    raise provider_error(failure)


def _unknown_domains(settings: Settings, known: Sequence[str]) -> Iterator[Finding]:
    unknown = [name for name in settings.availability_domains if name not in known]
    if unknown:
        yield Finding(
            setting="availability_domains",
            problem=f"there is no availability domain {listed(unknown)}",
            remedy=f"choose from {listed(known)}; their names differ between tenancies",
        )


def _lists(settings: Settings, connection: Connection) -> Iterator[Finding]:
    """What every search for our own things needs."""
    compartment = settings.compartment_ocid
    compute, block_storage = connection.compute, connection.block_storage
    asked: tuple[tuple[str, Callable[[], object]], ...] = (
        ("list instances", partial(compute, "list_instances", compartment, limit=1)),
        ("list VNIC attachments", partial(compute, "list_vnic_attachments", compartment, limit=1)),
        ("list volumes", partial(block_storage, "list_volumes", compartment_id=compartment, limit=1)),
        ("list boot volumes", partial(block_storage, "list_boot_volumes", compartment_id=compartment, limit=1)),
    )
    refused = []
    for permission, ask in asked:
        try:
            ask()
        except CallFailed as failure:
            _raise_unless_telling(failure)
            refused.append(permission)
    if refused:
        yield Finding(
            setting="compartment_ocid",
            problem=f"in this compartment the user lacks the permission to {listed(refused)}",
            remedy=f"correct the OCID, or allow it; {_POLICY}",
        )


def _shapes(settings: Settings, connection: Connection, domains: Sequence[str]) -> Iterator[Finding]:
    problems = []
    for domain in domains:
        try:
            offered = every(connection.compute, "list_shapes", settings.compartment_ocid, availability_domain=domain)
        except CallFailed as failure:
            _raise_unless_telling(failure)
            problems.append(f"the shapes of {domain} cannot be listed: {failure}")
            continue
        by_name = {one.shape: one for one in offered}
        for shape in settings.shapes:
            problems += [f"{domain}: {problem}" for problem in _misfits(shape, by_name.get(shape.name))]
    if problems:
        yield Finding(
            setting="shapes",
            problem="; ".join(problems),
            remedy="choose shapes that the console offers in each of these availability domains, within their limits",
        )


def _misfits(shape: Shape, offered: Any) -> Iterator[str]:
    if offered is None:
        yield f"there is no shape {shape.name}"
        return
    for what, value, limits, names in (
        ("ocpus", shape.ocpus, offered.ocpu_options, ("min", "max")),
        ("memory_gib", shape.memory_gib, offered.memory_options, ("min_in_g_bs", "max_in_g_bs")),
    ):
        if value is None or limits is None:
            continue
        least, most = (getattr(limits, name) for name in names)
        if (least is not None and value < least) or (most is not None and value > most):
            yield f"{shape.name} takes {what} from {least:g} to {most:g}, not {value:g}"
    baselines = offered.baseline_ocpu_utilizations or []
    if shape.baseline_ocpu_utilization and baselines and shape.baseline_ocpu_utilization not in baselines:
        yield f"{shape.name} takes baseline_ocpu_utilization {listed(baselines)}"


def _image(settings: Settings, connection: Connection) -> Iterator[Finding]:
    image, finding = _read(partial(connection.compute, "get_image", settings.image_ocid), "image_ocid", "image")
    if finding:
        yield finding
        return
    if image.lifecycle_state != "AVAILABLE":
        yield Finding(
            setting="image_ocid",
            problem=f"the image {image.display_name} is {image.lifecycle_state}",
            remedy="choose an image that is AVAILABLE",
        )
    is_windows = "windows" in str(image.operating_system).lower()
    if is_windows != (settings.operating_system == "windows"):
        yield Finding(
            setting="operating_system",
            problem=f"the image {image.display_name} holds {image.operating_system}, not {settings.operating_system}",
            remedy="set operating_system to what the image holds, or choose another image",
        )


def _subnet(settings: Settings, connection: Connection) -> Iterator[Finding]:
    subnet, finding = _read(partial(connection.network, "get_subnet", settings.subnet_ocid), "subnet_ocid", "subnet")
    if finding:
        yield finding
        return
    if settings.public_ip and subnet.prohibit_public_ip_on_vnic:
        yield Finding(
            setting="public_ip",
            problem=f"the subnet {subnet.display_name} prohibits public addresses",
            remedy="set public_ip to false, or choose a public subnet",
        )
    outside = [name for name in settings.availability_domains if subnet.availability_domain not in (None, name)]
    if outside:
        yield Finding(
            setting="subnet_ocid",
            problem=f"{subnet.display_name} is only in {subnet.availability_domain}, not in {listed(outside)}",
            remedy="choose a regional subnet, or only its availability domain",
        )


def _groups(settings: Settings, connection: Connection) -> Iterator[Finding]:
    problems = []
    for ocid in settings.nsg_ocids:
        ask = partial(connection.network, "get_network_security_group", ocid)
        _, finding = _read(ask, "nsg_ocids", f"network security group {ocid}")
        if finding:
            problems.append(finding.problem)
    if problems:
        yield Finding(setting="nsg_ocids", problem="; ".join(problems), remedy=f"correct the OCIDs; {_POLICY}")


def _fault_domain(settings: Settings, connection: Connection, domains: Sequence[str]) -> Iterator[Finding]:
    if settings.fault_domain is None:
        return
    for domain in domains:
        ask = partial(connection.identity, "list_fault_domains", settings.compartment_ocid, domain)
        known, finding = _read(ask, "fault_domain", f"list of fault domains of {domain}")
        names = [one.name for one in known or ()]
        if finding or settings.fault_domain not in names:
            yield finding or Finding(
                setting="fault_domain",
                problem=f"{domain} has no fault domain {settings.fault_domain}",
                remedy=f"choose from {listed(names)}, or leave it out",
            )
            return


def _override(settings: Settings, controller_id: str) -> Iterator[Finding]:
    spec = VMSpec(
        mark=OwnerMark(controller_id=controller_id, server_id="check"),
        token="check",  # noqa: S106 (no VM is made with it)
        hostname="check",
        startup_script=SecretStr(""),
    )
    try:
        launch_request(settings, spec, "check")
    except InvalidSettings as error:
        yield Finding(
            setting="config_override",
            problem=str(error),
            remedy="correct it; `poolwright provider preview` shows the request that comes of it",
        )


def _read(ask: Callable[[], Any], setting: str, what: str) -> tuple[Any, Finding | None]:
    try:
        return ask().data, None
    except CallFailed as failure:
        _raise_unless_telling(failure)
        return None, Finding(
            setting=setting,
            problem=f"the {what} does not exist, or this user may not read it: {failure}",
            remedy=f"correct the OCID (it must be of this region), or allow it; {_POLICY}",
        )


def _raise_unless_telling(failure: CallFailed) -> None:
    if failure.fault in _FATAL:
        raise provider_error(failure)
