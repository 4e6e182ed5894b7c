"""Whether the settings fit the image."""

from collections.abc import Iterator, Mapping
from typing import Any

from poolwright.domain.findings import Finding
from poolwright.providers.aws.settings import OperatingSystem, Settings


def image_findings(settings: Settings, image: Mapping[str, Any]) -> Iterator[Finding]:
    """What of the settings contradicts this image, as EC2 describes it."""
    state = image.get("State", "available")
    if state != "available":
        yield Finding(setting="ami_id", problem=f"the image is {state}", remedy="wait for it, or name another image")
    system = OperatingSystem.WINDOWS if image.get("Platform") == "windows" else OperatingSystem.LINUX
    if system is not settings.operating_system:
        yield Finding(
            setting="operating_system",
            problem=f"the image runs {system}, so the startup script would not be understood",
            remedy=f"set it to {system}, or name another image",
        )
    yield from _root_volume_findings(settings, image)


def _root_volume_findings(settings: Settings, image: Mapping[str, Any]) -> Iterator[Finding]:
    root = image.get("RootDeviceName")
    if settings.root_device_name and root and settings.root_device_name != root:
        yield Finding(
            setting="root_device_name",
            problem=f"the image's root device is {root}; {settings.root_device_name} would be a second volume",
            remedy=f"set it to {root}",
        )
    least = next(
        (
            mapping["Ebs"].get("VolumeSize", 0)
            for mapping in image.get("BlockDeviceMappings", ())
            if mapping.get("DeviceName") == root and "Ebs" in mapping
        ),
        0,
    )
    if settings.root_volume_size_gib and settings.root_volume_size_gib < least:
        yield Finding(
            setting="root_volume_size_gib",
            problem=f"the image's root volume has {least} GiB and cannot shrink to {settings.root_volume_size_gib}",
            remedy=f"set it to {least} or more",
        )
