"""Names of DNS records, as pure rules. Every name here is lower-case ASCII and has no dot at its end."""

import re
from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from poolwright.domain.hostnames import DNS_LABEL_LIMIT

Address = IPv4Address | IPv6Address

NAME_LIMIT: Final = 253
"""Characters of a whole domain name, written with dots."""
OWNER_LABEL: Final = "_poolwright"
"""First label of the name that holds the owner mark.

The mark is a TXT record one label below the name that it claims: `_poolwright.s1.example.org` for `s1.example.org`.
Not at that name itself, where a CNAME would forbid it and where a site's own TXT records may stand. Not beside it in a
spelling of our own (`txt-s1.example.org`), which a host could have. No host name begins with an underscore, so nothing
else is ever there; whatever lies below a name sorts right after it, so a listing shows the two together; the zone that
holds the one holds the other, so both are written in one transaction; and since the name then exists, a wildcard above
answers for neither.
"""

_HOST_LABEL = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
_REVERSE_SUFFIXES: Final = ("in-addr.arpa", "ip6.arpa")
_REVERSE_LABELS = {"in-addr.arpa": re.compile(r"^(0|[1-9]\d{0,2})$"), "ip6.arpa": re.compile(r"^[0-9a-f]$")}
_IPV4_LABELS: Final = 4
_IPV6_LABELS: Final = 32


class NameProblem(ValueError):
    """The text is no name that a record may have."""


def domain_name(text: str) -> str:
    """The name in our spelling. Raises `NameProblem` unless each label is one that a host may have."""
    name = plain(text)
    for label in name.split("."):
        if not _HOST_LABEL.match(label):
            raise NameProblem(
                f"{text!r} is no domain name: its label {label!r} must be letters, digits and inner hyphens "
                "(write letters beyond ASCII in their xn-- form)"
            )
        if len(label) > DNS_LABEL_LIMIT:
            raise NameProblem(f"{text!r} is no domain name: a label has at most {DNS_LABEL_LIMIT} characters")
    if len(name) > NAME_LIMIT:
        raise NameProblem(f"{text!r} is no domain name: it has {len(name)} characters, {NAME_LIMIT} are allowed")
    return name


def plain(name: str) -> str:
    """A name as anybody may have written it, in our spelling. Nothing is checked."""
    return name.strip().rstrip(".").lower()


def record_name(text: str) -> str:
    """A name for address records, in our spelling: one that leaves room for its owner mark. Raises `NameProblem`."""
    name = domain_name(text)
    if "." not in name:
        raise NameProblem(f"{text!r} is no name for a record: it lies in no domain")
    if len(owner_name(name)) > NAME_LIMIT:
        raise NameProblem(
            f"{text!r} has {len(name)} characters; with the label {OWNER_LABEL} before it, it would pass {NAME_LIMIT}: "
            "choose a shorter base domain"
        )
    return name


def server_fqdn(server_id: str, base_domain: str) -> str:
    """`<server id>.<base domain>`. Raises `NameProblem`."""
    label = server_id.lower()
    if "." in label:
        raise NameProblem(f"the server id {server_id!r} is no label of a domain name: it has a dot")
    return record_name(f"{label}.{domain_name(base_domain)}")


def owner_name(name: str) -> str:
    """Where the owner mark of this name's records is kept."""
    return f"{OWNER_LABEL}.{name}"


def claimed_name(owner: str) -> str | None:
    """The inverse of `owner_name`; None when the name is not one that holds owner marks."""
    label, _, name = owner.partition(".")
    return name if label == OWNER_LABEL and name else None


def reverse_name(address: Address) -> str:
    """`5.2.0.192.in-addr.arpa` for 192.0.2.5, and the like below `ip6.arpa`."""
    return address.reverse_pointer


def address_of(reverse: str) -> Address | None:
    """The inverse of `reverse_name`; None when the name is not that of one address."""
    for suffix in _REVERSE_SUFFIXES:
        if not reverse.endswith(f".{suffix}"):
            continue
        labels = reverse.removesuffix(f".{suffix}").split(".")[::-1]
        try:
            if suffix == "in-addr.arpa" and len(labels) == _IPV4_LABELS:
                return IPv4Address(".".join(labels))
            if suffix == "ip6.arpa" and len(labels) == _IPV6_LABELS:
                return IPv6Address(int("".join(labels), 16))
        except ValueError:
            return None
    return None


def reverse_zone(text: str) -> str:
    """The name of a reverse zone in our spelling, such as `2.0.192.in-addr.arpa`. Raises `NameProblem`."""
    name = domain_name(text)
    for suffix in _REVERSE_SUFFIXES:
        labels = name.removesuffix(f".{suffix}").split(".") if name.endswith(f".{suffix}") else []
        if name == suffix or (labels and all(map(_REVERSE_LABELS[suffix].match, labels))):
            return name
    raise NameProblem(
        f"{text!r} is no reverse zone: it must end in in-addr.arpa or ip6.arpa, with the address's parts before it in "
        "reverse order, such as 2.0.192.in-addr.arpa for 192.0.2.0/24"
    )


def kind_of(address: Address) -> str:
    """The kind of record that holds this address."""
    return "A" if address.version == 4 else "AAAA"  # the two versions there are


def renewed_ttl(ttl_seconds: int, before: Collection[int | None]) -> int:
    """The TTL of a mark that is written in place of one with a TTL from before: another one, hardly shorter.

    Where a service removes only what is repeated exactly, whoever has looked before and is about to remove the mark
    then looks again. Nothing else might stop it: another worker may have added a record of a kind that was not there.
    """
    return ttl_seconds if ttl_seconds not in before else ttl_seconds - 1 or 2


def longest_suffix(name: str, zones: Iterable[str]) -> str | None:
    """The zone that holds this name: of those that it equals or lies below, the longest. None: it lies in none."""
    return next(iter(suffixes(name, zones)), None)


def suffixes(name: str, zones: Iterable[str]) -> Sequence[str]:
    """The zones that hold this name, each once, the longest first: there are zones within zones."""
    return sorted({zone for zone in zones if name == zone or name.endswith(f".{zone}")}, key=len, reverse=True)
