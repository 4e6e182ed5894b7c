"""Host names of servers, from a pattern."""

import re
from collections.abc import Container, Mapping
from itertools import count
from string import Formatter

NETBIOS_LIMIT = 15
"""Characters of a computer name in Active Directory."""
DNS_LABEL_LIMIT = 63

_FIELDS = frozenset({"pool", "zone", "autoscale", "id", "n"})
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_WIDTH = re.compile(r"0?[0-9]{0,2}")
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
        if spec and (field != "n" or not _WIDTH.fullmatch(spec)):
            raise HostnameProblem(f"in {pattern!r} only n takes a width, written {{n:04}}, not {{{field}:{spec}}}")
        fields.add(field)
    if not fields & {"n", "id"}:
        raise HostnameProblem(f"the host name pattern {pattern!r} gives one name for all servers: add {{n}} or {{id}}")
    # Both, since a width without a zero fills the short numbers up with spaces.
    for number in (1, max(servers, 1)):
        name = render(pattern, pool=pool, zone=zone, autoscale=autoscale, server_id=LONGEST_ID, number=number)
        _check_name(f"the host name pattern {pattern!r} gives {name!r}", name, limit)


def _check_name(problem: str, name: str, limit: int) -> None:
    if not _LABEL.fullmatch(name):
        raise HostnameProblem(f"{problem}; a name has lower-case letters, digits and inner hyphens")
    if limit == NETBIOS_LIMIT and not any(map(str.isalpha, name)):
        raise HostnameProblem(f"{problem}; an Active Directory computer has at least one letter in its name")
    if len(name) > limit:
        raise HostnameProblem(
            f"{problem}, {len(name)} characters; at most {limit} are "
            "allowed " + ("for an Active Directory computer" if limit == NETBIOS_LIMIT else "in DNS")
        )


def render(pattern: str, *, pool: str, zone: str, autoscale: str, server_id: str, number: int) -> str:
    """The host name for this server."""
    return pattern.format(pool=pool, zone=zone, autoscale=autoscale, id=server_id, n=number)


def lowest_free(
    pattern: str,
    taken: Container[str],
    *,
    pool: str,
    zone: str,
    autoscale: str,
    server_id: str,
    instead_of: str | None = None,
) -> str:
    """The name with the lowest number, from 1, that is not taken; with `instead_of`, the next one after that name.

    Raises `HostnameProblem` where the pattern has no number and its one name is taken.
    """
    values = {"pool": pool, "zone": zone, "autoscale": autoscale, "id": server_id}
    start = 1 if instead_of is None else _number_in(instead_of, pattern, values) + 1
    for number in count(start):
        name = render(pattern, pool=pool, zone=zone, autoscale=autoscale, server_id=server_id, number=number)
        if name not in taken and name != instead_of:
            return name
        if "{n" not in pattern:
            raise HostnameProblem(
                f"the host name pattern {pattern!r} gives no other name than {name!r}, which is taken: add {{n}}"
            )
    raise AssertionError("count() does not end")


def _number_in(name: str, pattern: str, values: Mapping[str, str]) -> int:
    """What `{n}` stood for in this name; 0 when the pattern did not give it."""
    parts = []
    for literal, field, _, _ in Formatter().parse(pattern):
        parts.append(re.escape(literal))
        if field is not None:
            parts.append(r"(\d+)" if field == "n" else re.escape(values[field]))
    found = re.fullmatch("".join(parts), name)
    return int(found[1]) if found and found.groups() else 0
