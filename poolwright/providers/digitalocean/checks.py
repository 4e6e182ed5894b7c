"""Whether DigitalOcean knows what the settings name, and the token may look."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from poolwright.domain.findings import Finding
from poolwright.providers.digitalocean.named import MOST_FIREWALL_TAGS
from poolwright.providers.digitalocean.requests import firewall_tag
from poolwright.providers.digitalocean.settings import Settings
from poolwright.vendors.digitalocean import API, Refused
from poolwright.vendors.faults import Fault

_Check = Callable[[API, Settings], Iterator[Finding]]


def check(api: API, settings: Settings) -> Sequence[Finding]:
    """All that is wrong, by reads alone. Raises `Refused` when DigitalOcean cannot be asked now."""
    findings: list[Finding] = []
    for one, scope in _CHECKS:
        try:
            findings += one(api, settings)
        except Refused as refused:
            if refused.fault is Fault.AUTHENTICATION:
                return [Finding(setting="token", problem=str(refused), remedy="make a new token and set it")]
            if refused.fault is not Fault.PERMISSION:
                raise
            findings.append(Finding(setting="token", problem=str(refused), remedy=f"give the token the scope {scope}"))
    return findings


def _check_droplets(api: API, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001
    # Without the scope for tags a droplet's tags are left out, and none would be known as ours.
    api.call("droplets.list", per_page=1, tag_name="poolwright")
    yield from ()


def _check_regions(api: API, settings: Settings) -> Iterator[Finding]:
    known = {region["slug"]: region for region in api.pages("regions.list", "regions")}
    for slug in settings.regions:
        if slug not in known:
            yield Finding(
                setting="regions",
                problem=f"there is no region {slug!r}",
                remedy=f"choose of {', '.join(sorted(known))}",
            )
        elif not known[slug]["available"]:
            yield Finding(
                setting="regions", problem=f"region {slug!r} takes no new droplets", remedy="choose another one"
            )


def _check_sizes(api: API, settings: Settings) -> Iterator[Finding]:
    known = {size["slug"]: size for size in api.pages("sizes.list", "sizes")}
    for slug in settings.sizes:
        if slug not in known:
            yield Finding(
                setting="sizes", problem=f"there is no size {slug!r}", remedy="choose one of `doctl compute size list`"
            )
        elif not set(settings.regions) & set(known[slug]["regions"] if known[slug]["available"] else ()):
            yield Finding(
                setting="sizes",
                problem=f"size {slug!r} is to be had in none of {', '.join(settings.regions)}",
                remedy="choose another size, or add a region that has it",
            )


def _check_image(api: API, settings: Settings) -> Iterator[Finding]:
    try:
        image: Mapping[str, Any] = api.call("images.get", settings.image)["image"]
    except Refused as refused:
        if refused.fault not in (Fault.MISSING, Fault.INVALID):
            raise
        yield Finding(
            setting="image",
            problem=f"there is no image {settings.image!r}",
            remedy="name the slug of a public image, or the number of one of the account's own",
        )
        return
    elsewhere = [region for region in settings.regions if region not in image["regions"]]
    if elsewhere:
        yield Finding(
            setting="image",
            problem=f"image {settings.image!r} is not in {', '.join(elsewhere)}",
            remedy="copy it there, or take these regions out",
        )


def _check_ssh_keys(api: API, settings: Settings) -> Iterator[Finding]:
    if not settings.ssh_key_names:
        return
    known = {key["name"] for key in api.pages("ssh_keys.list", "ssh_keys")}
    missing = [name for name in settings.ssh_key_names if name not in known]
    if missing:
        yield Finding(
            setting="ssh_key_names",
            problem=f"there is no SSH key {', '.join(missing)}",
            remedy="add it to the account, or mend its name",
        )


def _check_firewall(api: API, settings: Settings) -> Iterator[Finding]:
    name = settings.firewall_name
    if name is None:
        return
    firewall = next((one for one in api.pages("firewalls.list", "firewalls") if one["name"] == name), None)
    if firewall is None:
        yield Finding(
            setting="firewall_name",
            problem=f"there is no firewall {name!r}",
            remedy="make it in the account, or mend its name",
        )
        return
    tags = firewall.get("tags") or ()
    if firewall_tag(name) not in tags and len(tags) >= MOST_FIREWALL_TAGS:
        yield Finding(
            setting="firewall_name",
            problem=f"firewall {name!r} has its {MOST_FIREWALL_TAGS} tags and takes no other",
            remedy=f"take one from it, or give it the tag {firewall_tag(name)} yourself",
        )


def _check_vpcs(api: API, settings: Settings) -> Iterator[Finding]:
    for region, vpc_id in settings.vpc_ids.items():
        try:
            vpc: Mapping[str, Any] = api.call("vpcs.get", str(vpc_id))["vpc"]
        except Refused as refused:
            if refused.fault is not Fault.MISSING:
                raise
            yield Finding(
                setting="vpc_ids", problem=f"there is no VPC {vpc_id}", remedy="choose one of `doctl vpcs list`"
            )
            continue
        if vpc["region"] != region:
            yield Finding(
                setting="vpc_ids",
                problem=f"VPC {vpc_id} is in {vpc['region']}, not in {region}",
                remedy="name a VPC of that region",
            )


def _check_attached(api: API, settings: Settings) -> Iterator[Finding]:
    for group in ("volumes", "reserved_ips") if settings.delete_attached else ():
        api.call(f"{group}.list", per_page=1)
    yield from ()


_CHECKS: Final[Sequence[tuple[_Check, str]]] = (
    (_check_droplets, "droplet:read and tag:read"),
    (_check_regions, "regions:read"),
    (_check_sizes, "sizes:read"),
    (_check_image, "image:read"),
    (_check_ssh_keys, "ssh_key:read"),
    (_check_firewall, "firewall:read"),
    (_check_vpcs, "vpc:read"),
    (_check_attached, "block_storage:read and reserved_ip:read, or turn delete_attached off"),
)
