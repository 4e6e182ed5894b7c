"""What a live check finds: asked of each server on its own, and without changing anything."""

from collections.abc import Iterator, Sequence

from dns.flags import Flag
from dns.message import Message
from dns.rdatatype import RdataType

from poolwright.dns.errors import AuthenticationFailed, InvalidSettings, PermissionDenied, Transient
from poolwright.dns.names import NameProblem, domain_name, longest_suffix, plain
from poolwright.dns.rfc2136.servers import Servers
from poolwright.dns.rfc2136.settings import Endpoint, Settings
from poolwright.dns.rfc2136.updates import probe, wire_name
from poolwright.domain.findings import Finding
from poolwright.domain.wording import listed


def findings(settings: Settings, servers: Servers, base_domain: str) -> Sequence[Finding]:
    """Everything that is wrong with these settings for records below this domain, each problem once."""
    found = dict.fromkeys(_wrong_base_domain(settings, base_domain))
    for server, way in servers.each():
        found |= dict.fromkeys(_OneServer(settings, server, way, base_domain).findings())
    return list(found)


def _wrong_base_domain(settings: Settings, base_domain: str) -> Iterator[Finding]:
    try:
        name = domain_name(base_domain)
    except NameProblem as problem:
        yield Finding(
            setting="base_domain", problem=str(problem), remedy="Write a domain name such as vdi.example.org."
        )
        return
    if longest_suffix(name, settings.zones) is None:
        yield Finding(
            setting="base_domain",
            problem=f"{name} lies in none of the zones {listed(settings.zones)}.",
            remedy="Add its zone to `zones`, or choose a base domain in one of them.",
        )


class _OneServer:
    def __init__(self, settings: Settings, server: Endpoint, way: Servers, base_domain: str) -> None:
        self._settings = settings
        self._server = server
        self._way = way
        self._base_domain = plain(base_domain)

    def findings(self) -> Iterator[Finding]:
        """What is wrong with this server; nothing more once it is plain that no question gets anywhere."""
        try:
            for setting, zone in self._zones():
                yield from self._zone(setting, zone)
        except Transient as problem:
            remedy = "Correct its address, start it, or let TCP and UDP to its port through the firewall."
            yield Finding(setting="servers", problem=str(problem), remedy=remedy)
        except AuthenticationFailed as problem:
            remedy = "Make name, algorithm and secret those of the server's key file, and keep both clocks right."
            yield Finding(setting="key", problem=str(problem), remedy=remedy)

    def _zones(self) -> Iterator[tuple[str, str]]:
        yield from (("zones", zone) for zone in self._settings.zones)
        yield from (("reverse_zones", zone) for zone in self._settings.reverse_zones)

    def _zone(self, setting: str, zone: str) -> Iterator[Finding]:
        if not self._serves(zone):
            yield Finding(
                setting=setting,
                problem=f"DNS server {self._server} is not authoritative for {zone}.",
                remedy="Name the zone as that server has it, or name the server that has it in `servers`.",
            )
            return
        if zone == longest_suffix(self._base_domain, self._settings.zones):
            yield from self._base_domain_below(setting, zone)
        elif setting == "reverse_zones":
            yield from self._writing(setting, zone, zone)
        yield from self._listing(setting, zone)

    def _serves(self, zone: str) -> bool:
        try:
            answer = self._way.query(zone, RdataType.SOA)
        except (PermissionDenied, InvalidSettings):
            return False
        return _is_authoritative(answer) and any(
            records.rdtype == RdataType.SOA and records.name == wire_name(zone) for records in answer.answer
        )

    def _base_domain_below(self, setting: str, zone: str) -> Iterator[Finding]:
        if _is_authoritative(self._way.query(self._base_domain, RdataType.SOA)):
            yield from self._writing(setting, zone, self._base_domain)
            return
        yield Finding(
            setting="base_domain",
            problem=f"DNS server {self._server} has {zone}, but {self._base_domain} in it is delegated to others.",
            remedy="Name the servers that it is delegated to in `servers` and its zone in `zones`.",
        )

    def _writing(self, setting: str, zone: str, domain: str) -> Iterator[Finding]:
        try:
            self._way.update(probe(zone, domain), f"asked whether records below {domain} may be written")
        except (PermissionDenied, InvalidSettings) as problem:
            remedy = (
                f"Let the key update {zone}: A, AAAA, PTR and TXT records (BIND: update-policy or allow-update). "
                "Only the zone's primary server takes updates."
            )
            yield Finding(setting=setting, problem=str(problem), remedy=remedy)

    def _listing(self, setting: str, zone: str) -> Iterator[Finding]:
        try:
            self._way.transfer(zone)
        except (PermissionDenied, InvalidSettings) as problem:
            remedy = (
                f"Let the key transfer {zone} (BIND: allow-transfer). Without it records are written and removed as "
                "they should be, but the sweep cannot find any that were left over."
            )
            yield Finding(setting=setting, problem=str(problem), remedy=remedy)


def _is_authoritative(answer: Message) -> bool:
    return bool(answer.flags & Flag.AA)
