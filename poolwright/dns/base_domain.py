"""What a live check says of the base domain, whatever the service."""

from collections.abc import Iterator, Sequence

from poolwright.dns.names import NameProblem, domain_name, longest_suffix
from poolwright.dns.zones import NamedZone, is_reverse
from poolwright.domain.findings import Finding
from poolwright.domain.wording import listed


def badly_spelt(base_domain: str) -> list[Finding]:
    """The finding that this is no domain name, if it is none."""
    try:
        domain_name(base_domain)
    except NameProblem as problem:
        remedy = "Write a domain name such as vdi.example.org."
        return [Finding(setting="base_domain", problem=str(problem), remedy=remedy)]
    return []


def outside(base_domain: str, zones: Sequence[NamedZone], *, chosen_by: str) -> Iterator[Finding]:
    """The finding that this domain lies in none of these zones, or in several of one name; `chosen_by` is the setting
    that tells these apart."""
    name, forward = domain_name(base_domain), [zone for zone in zones if not is_reverse(zone)]
    longest = longest_suffix(name, [zone.name for zone in forward])
    same = [str(zone) for zone in forward if zone.name == longest]
    if longest is None:
        names = listed([zone.name for zone in forward]) or "there are none"
        yield Finding(
            setting="base_domain",
            problem=f"{name} lies in none of the zones ({names}).",
            remedy="Create its zone, name it in `zones`, or choose a base domain in one of them.",
        )
    elif len(same) > 1:
        yield Finding(
            setting=chosen_by,
            problem=f"{name} lies in {len(same)} zones that are all named {longest}: {listed(same)}.",
            remedy=f"Let `{chosen_by}` name the right one.",
        )
