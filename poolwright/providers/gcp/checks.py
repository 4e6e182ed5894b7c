"""Whether the settings work: asks Google for each thing that they name."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from google.cloud import compute_v1

from poolwright.domain.findings import Finding
from poolwright.providers.errors import (
    AuthenticationFailed,
    InvalidSettings,
    NotFound,
    PermissionDenied,
    ProviderError,
)
from poolwright.providers.gcp.compute import Compute
from poolwright.providers.gcp.requests import image_path, network_path, subnetwork_path
from poolwright.providers.gcp.settings import OSType, Settings

_UNUSABLE_IMAGES: Final = frozenset({"OBSOLETE", "DELETED"})
_WRONG: Final = (NotFound, PermissionDenied, InvalidSettings)


def check(compute: Compute, settings: Settings) -> Sequence[Finding]:
    """All that is wrong, at once. Raises the errors of the tree that say nothing about the settings."""
    return list(_Checks(compute, settings).findings())


class _Checks:
    def __init__(self, compute: Compute, settings: Settings) -> None:
        self._compute = compute
        self._settings = settings
        self._project = settings.project

    def findings(self) -> Iterator[Finding]:
        try:
            refused = self._look_up_project()
        except AuthenticationFailed as error:
            # Without a login nothing else can be asked.
            yield Finding(setting="credentials_json", problem=str(error), remedy="create a new key, and give it whole")
            return
        if refused:
            yield refused
            return
        zones, findings = self._zones()
        yield from findings
        yield from self._readable(zones)
        yield from self._in_each_zone(zones)
        yield from self._image()
        yield from self._network()

    def _look_up_project(self) -> Finding | None:
        request = compute_v1.GetProjectRequest(project=self._project)
        _, finding = self._look_up(
            "project",
            f"project {self._project}",
            compute_v1.ProjectsClient,
            request,
            "name a project in which the Compute Engine API is enabled, and give the account its roles there",
        )
        return finding

    def _zones(self) -> tuple[list[str], list[Finding]]:
        good, findings = list[str](), list[Finding]()
        for zone in self._settings.zones:
            request = compute_v1.GetZoneRequest(project=self._project, zone=zone)
            _, finding = self._look_up(
                "zones",
                f"zone {zone}",
                compute_v1.ZonesClient,
                request,
                "name zones that `gcloud compute zones list` shows",
            )
            if finding:
                findings.append(finding)
            else:
                good.append(zone)
        return good, findings

    def _readable(self, zones: Sequence[str]) -> Iterator[Finding]:
        """The lists by which VMs are found and proven gone; a controller of this name has none."""
        reads: list[Callable[[], object]] = [
            lambda: self._compute.instances("none"),
            lambda: self._compute.disks("none"),
            *(partial(self._compute.creations_under_way, zone) for zone in zones[:1]),
        ]
        for read in reads:
            try:
                read()
            except PermissionDenied as error:
                remedy = "give the account the roles that the provider's page names"
                yield Finding(setting="credentials_json", problem=str(error), remedy=remedy)

    def _in_each_zone(self, zones: Sequence[str]) -> Iterator[Finding]:
        for zone in zones:
            at: dict[str, str] = {"project": self._project, "zone": zone}
            for machine_type in self._settings.machine_types:
                yield from self._named(
                    "machine_types",
                    f"machine type {machine_type} in {zone}",
                    compute_v1.MachineTypesClient,
                    compute_v1.GetMachineTypeRequest(machine_type=machine_type, **at),
                )
            yield from self._named(
                "disk_type",
                f"disk type {self._settings.disk_type} in {zone}",
                compute_v1.DiskTypesClient,
                compute_v1.GetDiskTypeRequest(disk_type=self._settings.disk_type, **at),
            )
            for accelerator in self._settings.guest_accelerators:
                name = accelerator.accelerator_type
                yield from self._named(
                    "guest_accelerators",
                    f"accelerator {name} in {zone}",
                    compute_v1.AcceleratorTypesClient,
                    compute_v1.GetAcceleratorTypeRequest(accelerator_type=name, **at),
                )

    def _image(self) -> Iterator[Finding]:
        path = image_path(self._settings)
        project, _, name = path.removeprefix("projects/").partition("/global/images/")
        family = name.removeprefix("family/")
        request, method = (
            (compute_v1.GetFromFamilyImageRequest(project=project, family=family), "get_from_family")
            if family != name
            else (compute_v1.GetImageRequest(project=project, image=name), "get")
        )
        image, finding = self._look_up(
            "image",
            f"image {path}",
            compute_v1.ImagesClient,
            request,
            "name an image that exists and may be read",
            method,
        )
        if finding:
            yield finding
            return
        yield from self._fitting(image)

    def _fitting(self, image: compute_v1.Image) -> Iterator[Finding]:
        if image.deprecated.state in _UNUSABLE_IMAGES:
            yield Finding(
                setting="image",
                problem=f"image {image.name} is {image.deprecated.state.lower()}",
                remedy="name a newer image, or its family",
            )
        is_windows = any(feature.type_ == "WINDOWS" for feature in image.guest_os_features)
        if is_windows != (self._settings.os_type is OSType.WINDOWS):
            actual = OSType.WINDOWS if is_windows else OSType.LINUX
            yield Finding(
                setting="os_type",
                problem=f"image {image.name} is for {actual}: it would not run the startup script",
                remedy=f"set os_type to {actual}, and startup_script_type with it",
            )
        size = self._settings.boot_disk_gib
        if size is not None and size < image.disk_size_gb:
            yield Finding(
                setting="boot_disk_gib",
                problem=f"{size} GiB is less than the {image.disk_size_gb} GiB of image {image.name}",
                remedy=f"give at least {image.disk_size_gb}",
            )

    def _network(self) -> Iterator[Finding]:
        network, subnetwork = network_path(self._settings), subnetwork_path(self._settings)
        if network:
            project, name = _project_and_name(network, self._project)
            request = compute_v1.GetNetworkRequest(project=project, network=name)
            yield from self._named("network", f"network {network}", compute_v1.NetworksClient, request)
        if subnetwork:
            project, name = _project_and_name(subnetwork, self._project)
            region = subnetwork.partition("regions/")[2].partition("/")[0] or self._settings.home_region
            yield from self._subnetwork(subnetwork, project, region, name)

    def _subnetwork(self, path: str, project: str, region: str, name: str) -> Iterator[Finding]:
        if region != self._settings.home_region:
            yield Finding(
                setting="subnetwork",
                problem=f"{path} is in {region}, the zones are in {self._settings.home_region}",
                remedy="name a subnetwork of the zones' region",
            )
            return
        request = compute_v1.GetSubnetworkRequest(project=project, region=region, subnetwork=name)
        found = list(self._named("subnetwork", f"subnetwork {path}", compute_v1.SubnetworksClient, request))
        yield from found or self._may_use(path, project, region, name)

    def _may_use(self, path: str, project: str, region: str, name: str) -> Iterator[Finding]:
        wanted = ["compute.subnetworks.use"]
        if self._settings.public_ip:
            wanted.append("compute.subnetworks.useExternalIp")
        answer = self._compute.call(
            f"asking for permissions on {path}",
            compute_v1.SubnetworksClient,
            "test_iam_permissions",
            compute_v1.TestIamPermissionsSubnetworkRequest(
                project=project,
                region=region,
                resource=name,
                test_permissions_request_resource=compute_v1.TestPermissionsRequest(permissions=wanted),
            ),
        )
        missing = [permission for permission in wanted if permission not in answer.permissions]
        if missing:
            yield Finding(
                setting="subnetwork",
                problem=f"the account lacks {', '.join(missing)} on {path}",
                remedy="give it the role Compute Network User there",
            )

    def _named(self, setting: str, what: str, client: type[Any], request: Any) -> Iterator[Finding]:
        _, finding = self._look_up(
            setting, what, client, request, f"correct {setting}; `gcloud compute` lists what there is"
        )
        if finding:
            yield finding

    def _look_up(
        self, setting: str, what: str, client: type[Any], request: Any, remedy: str, method: str = "get"
    ) -> tuple[Any, Finding | None]:
        try:
            return self._compute.call(f"looking up {what}", client, method, request), None
        except AuthenticationFailed:
            raise
        except _WRONG as error:
            return None, Finding(setting=setting, problem=_problem(what, error), remedy=remedy)


def _problem(what: str, error: ProviderError) -> str:
    return f"{what} does not exist" if isinstance(error, NotFound) else str(error)


def _project_and_name(path: str, project: str) -> tuple[str, str]:
    inside = path.partition("projects/")[2].partition("/")[0] or project
    return inside, path.rpartition("/")[2]
