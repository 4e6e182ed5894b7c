"""The calls to Route 53: hosted zones, their record sets, and changes of them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from poolwright.dns.errors import InvalidSettings, Transient
from poolwright.dns.names import longest_suffix, plain
from poolwright.dns.route53.errors import is_refused_batch, translated
from poolwright.dns.route53.record_sets import Change, RecordSet, Standing, name_of, sort_key
from poolwright.dns.route53.settings import Settings
from poolwright.dns.zones import zones_holding
from poolwright.domain.wording import listed
from poolwright.vendors import aws
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast
from poolwright.vendors.patience import Patience
from poolwright.vendors.shared_read import SharedRead

if TYPE_CHECKING:
    from types_boto3_route53.client import Route53Client
    from types_boto3_route53.type_defs import (
        ListHostedZonesResponseTypeDef,
        ListResourceRecordSetsResponseTypeDef,
    )

ZONES_KEPT_SECONDS: Final = 60.0
"""For so long the list of hosted zones is believed; a name that lies in none of them is looked up again at once."""
RATE: Final = aws.Limit("route53", calls_per_second=5, burst_calls=5)
"""Route 53 takes five calls per second from an account, whatever they ask for."""

_FEW: Final = "20"
"""Record sets in a page when one name is looked at: there are two or three."""
_MANY: Final = "300"

Answer = TypeVar("Answer", bound=Mapping[str, Any])


class HostedZone(NamedTuple):
    """A hosted zone of the account."""

    name: str
    id: str


class _Place(NamedTuple):
    zone_id: str
    name: str


class _Page(NamedTuple):
    record_sets: Sequence[RecordSet]
    is_last: bool


class HostedZones:
    """The account's hosted zones. Raises errors of the closed tree. Instances may be shared by threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pace = aws.pace_of(settings, RATE)
        self._patience = Patience()
        self._looks: SharedRead[_Place, Standing] = SharedRead(self._look_at_one, self._look_at_many)
        self._known: tuple[float, Sequence[HostedZone]] | None = None
        self.operation = self._patience.operation
        """Around what asks for more than one thing, so that it comes to an end at a busy account."""

    def zones(self) -> Sequence[HostedZone]:
        """The hosted zones that the settings mean, asked for anew."""
        with translated("list the hosted zones"):
            found = [
                HostedZone(plain(zone["Name"]), zone["Id"].removeprefix("/hostedzone/"))
                for zone in self._hosted_zones()
                if zone.get("Config", {}).get("PrivateZone", False) == self._settings.private_zones
            ]
        wanted = self._settings.hosted_zone_ids
        allowed = [zone for zone in found if not wanted or zone.id in wanted]
        self._known = time.monotonic(), allowed
        return allowed

    def zone_of(self, name: str) -> HostedZone:
        """The hosted zone that holds this name. Raises `InvalidSettings` when there is none, or more than one."""
        candidates = self.holding(name)
        longest = [zone for zone in candidates if zone.name == candidates[0].name]
        if len(longest) == 1:
            return longest[0]
        raise InvalidSettings(
            f"{name} lies in several {self._visible} hosted zones of the same name, "
            f"{listed([zone.id for zone in longest])}; put the one that is meant into `hosted_zone_ids`"
        )

    def holding(self, name: str) -> Sequence[HostedZone]:
        """Every hosted zone that may have records of a name, the longest first. Raises `InvalidSettings` if there is
        none.

        More than one: zones within zones, of which the inner one may be younger than the records.
        """
        found = zones_holding(name, self._kept()) or zones_holding(name, self.zones())
        if not found:
            raise InvalidSettings(
                f"{name} lies in none of the account's {self._visible} hosted zones {names_of(self._kept())} that "
                "`hosted_zone_ids` allows; add its zone, or choose a base domain in one of them"
            )
        return found

    def reverse(self, name: str) -> HostedZone | None:
        """The hosted zone that holds this reverse name; None where there is none, or no telling which of two of one
        name is meant."""
        candidates = self.reverse_holding(name)
        longest = [zone for zone in candidates if zone.name == candidates[0].name]
        return longest[0] if len(longest) == 1 else None

    def reverse_holding(self, name: str) -> Sequence[HostedZone]:
        """Every hosted zone that may have records of a reverse name, the longest first."""
        return zones_holding(name, self._kept() or self.zones())

    @property
    def reverse_names(self) -> Sequence[str]:
        """The DNS names of the reverse zones among the hosted zones."""
        return sorted({zone.name for zone in self._kept() or self.zones() if is_reverse(zone.name)})

    def look(self, zone: HostedZone, name: str) -> Standing:
        """What is at this name and at that of its owner mark, changes that are still spreading included."""
        with translated(f"look at the records of {name}"):
            return self._looks.read(_Place(zone.id, name)) or Standing(name, (), ())

    def change(self, zone: HostedZone, name: str, batch: Sequence[Change]) -> str | None:
        """Carry out all these changes or none. Returns None, or why nothing was done: as a rule since something is not
        as the changes say."""
        with translated(f"change the records of {name}"):
            try:
                self._call(
                    lambda client: client.change_resource_record_sets(
                        HostedZoneId=zone.id, ChangeBatch={"Changes": batch}
                    ),
                    "ChangeInfo",
                )
            except aws.errors() as error:
                if not is_refused_batch(error):
                    raise
                return aws.message_of(error)
        return None

    def all(self, zone: HostedZone) -> Sequence[RecordSet]:
        """All record sets of the zone."""
        with translated(f"list the records of {zone.name}"):
            return [one for page in self._pages(zone.id) for one in page.record_sets]

    @property
    def _visible(self) -> str:
        return "private" if self._settings.private_zones else "public"

    @cached_property
    def _client(self) -> "Route53Client":
        # Not before it is used: it takes a third of a second, and credentials that it cannot find are for `check`.
        return aws.client(self._settings, "route53")

    def _kept(self) -> Sequence[HostedZone]:
        known = self._known
        return known[1] if known is not None and time.monotonic() - known[0] < ZONES_KEPT_SECONDS else ()

    def _hosted_zones(self) -> Iterator[Mapping[str, Any]]:
        start: dict[str, Any] = {}
        while True:
            answer = self._call(partial(_list_zones, start), "HostedZones")
            yield from answer["HostedZones"]
            if not answer["IsTruncated"]:
                return
            start = {"Marker": answer["NextMarker"]}

    def _look_at_one(self, place: _Place) -> Standing:
        found: list[RecordSet] = []
        for page in self._pages(place.zone_id, place.name, _FEW):
            found += page.record_sets
            if not _end_of(page).startswith(sort_key(place.name)):
                break
        return Standing.of(place.name, found)

    def _look_at_many(self, places: frozenset[_Place]) -> Mapping[_Place, Standing]:
        found: dict[_Place, Standing] = {}
        with self._patience.operation(begun=True):
            for zone_id in {place.zone_id for place in places}:
                names = sorted((place.name for place in places if place.zone_id == zone_id), key=sort_key)
                found |= {_Place(zone_id, one.name): one for one in self._standings(zone_id, names)}
        return found

    def _standings(self, zone_id: str, names: list[str]) -> Iterator[Standing]:
        """What stands at these names, given in Route 53's order: each page answers for all that it reaches over."""
        while names:
            page = next(self._pages(zone_id, names[0]))
            over = [name for name in names if _reaches_over(page, name)]
            yield from (Standing.of(name, page.record_sets) for name in over)
            # A name that a page does not reach over is left to be looked at alone.
            names = [name for name in names[1:] if name not in over]

    def _pages(self, zone_id: str, name: str | None = None, size: str = _MANY) -> Iterator[_Page]:
        start: dict[str, Any] = {"StartRecordName": name} if name else {}
        while True:
            asked = {"HostedZoneId": zone_id, "MaxItems": size, **start}
            answer = self._call(partial(_list_record_sets, asked), "ResourceRecordSets")
            yield _Page(answer["ResourceRecordSets"], not answer["IsTruncated"])
            if not answer["IsTruncated"]:
                return
            start = {"StartRecordName": answer["NextRecordName"], "StartRecordType": answer["NextRecordType"]}
            if identifier := answer.get("NextRecordIdentifier"):
                start["StartRecordIdentifier"] = identifier

    def _call(self, call: "Callable[[Route53Client], Answer]", expected: str) -> Answer:
        """Make this call, whose answer has this element."""
        while True:
            try:
                with aws.paced(self._pace):
                    answer = call(self._client)
            except TooFast as refusal:
                if not self._patience.waited(refusal.retry_after_seconds):
                    raise
            except aws.errors() as error:
                if aws.fault_of(error) is Fault.MISSING:
                    self._known = None
                raise
            else:
                self._patience.made()
                if expected not in answer:
                    # boto3 makes an empty answer of a page that a gateway gives in Route 53's place.
                    raise Transient(f"Route 53: an answer without {expected} is not one of its own; ask again")
                return answer


def names_of(zones: Sequence[HostedZone]) -> str:
    """The zones' names as part of a sentence."""
    return listed([zone.name for zone in zones]) or "(there are none)"


def is_reverse(name: str) -> bool:
    """Whether this is the name of a reverse zone or in one."""
    return longest_suffix(name, ("in-addr.arpa", "ip6.arpa")) is not None


def _list_zones(parameters: Mapping[str, Any], client: "Route53Client") -> "ListHostedZonesResponseTypeDef":
    return client.list_hosted_zones(**parameters)


def _list_record_sets(
    parameters: Mapping[str, Any], client: "Route53Client"
) -> "ListResourceRecordSetsResponseTypeDef":
    return client.list_resource_record_sets(**parameters)


def _end_of(page: _Page) -> str:
    """How far the page reaches in Route 53's order; empty: to the end of the zone."""
    return "" if page.is_last else sort_key(name_of(page.record_sets[-1]))


def _reaches_over(page: _Page, name: str) -> bool:
    """Whether the page, which began at or before this name, has all that is at it and below it."""
    end = _end_of(page)
    return not end or (sort_key(name) < end and not end.startswith(sort_key(name)))
