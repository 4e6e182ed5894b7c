"""Host names of servers, from a pattern."""

import re
from collections.abc import Container
from itertools import count
from string import Formatter

NETBIOS_LIMIT = 15
"""Characters of a computer name in Active Directory."""
DNS_LABEL_LIMIT = 63

_FIELDS = frozenset({"pool", "zone", "autoscale", "id", "n"})
_LABEL = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
_WIDTH = re.compile(r"^0?\d{0,2}$")
LONGEST_ID = "s" + "0" * 11
"""A server id of the longest kind."""


class HostnameProblem(ValueError):
    """The pattern cannot give host names that are unique and valid."""


def check_pattern(pattern: str, *, pool: str, zone: str, autoscale: str, limit: int, servers: int) -> None:
    """Raise `HostnameProblem` unless the pattern gives this many unique, valid names of at most `limit` characters."""
    fields = set()
    try:
        parts = list(Formatter().parse(pattern))
    except ValueError as error:
        raise HostnameProblem(f"the host name pattern {pattern!r} cannot be read: {error}") from None
    for _, field, spec, conversion in parts:
        if field is None:
            continue
        if field not in _FIELDS or conversion:
            raise HostnameProblem(
                f"the host name pattern {pattern!r} uses {{{field}}}; it may use {', '.join(sorted(_FIELDS))}"
            )
        if spec and (field != "n" or not _WIDTH.match(spec)):
            raise HostnameProblem(f"in {pattern!r} only n takes a width, written {{n:04}}, not {{{field}:{spec}}}")
        fields.add(field)
    if not fields & {"n", "id"}:
        raise HostnameProblem(f"the host name pattern {pattern!r} gives one name for all servers: add {{n}} or {{id}}")
    longest = render(pattern, pool=pool, zone=zone, autoscale=autoscale, server_id=LONGEST_ID, number=max(servers, 1))
    if not _LABEL.match(longest):
        raise HostnameProblem(
            f"the host name pattern {pattern!r} gives {longest!r}; "
            "a name has lower-case letters, digits and inner hyphens"
        )
    if len(longest) > limit:
        raise HostnameProblem(
            f"the host name pattern {pattern!r} gives {longest!r}, {len(longest)} characters; at most {limit} are "
            "allowed " + ("for an Active Directory computer" if limit == NETBIOS_LIMIT else "in DNS")
        )


def render(pattern: str, *, pool: str, zone: str, autoscale: str, server_id: str, number: int) -> str:
    """The host name for this server."""
    return pattern.format(pool=pool, zone=zone, autoscale=autoscale, id=server_id, n=number)


def lowest_free(pattern: str, taken: Container[str], *, pool: str, zone: str, autoscale: str, server_id: str) -> str:
    """The name with the lowest number, from 1, that is not taken."""
    for number in count(1):
        name = render(pattern, pool=pool, zone=zone, autoscale=autoscale, server_id=server_id, number=number)
        if name not in taken:
            return name
    raise AssertionError("count() does not end")
