"""The records of an account's domains: reading them in few calls, and writing one at a time."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from poolwright.dns.digitalocean.errors import translated
from poolwright.dns.digitalocean.settings import Settings
from poolwright.dns.errors import InvalidSettings
from poolwright.dns.names import owner_name, plain, suffixes
from poolwright.domain.wording import listed
from poolwright.vendors.digitalocean import API, PAGE_SIZE, Refused
from poolwright.vendors.faults import Fault
from poolwright.vendors.patience import Patience
from poolwright.vendors.shared_read import SharedRead

DOMAINS_KEPT_SECONDS: Final = 60.0
"""For so long the list of domains is believed; a name that lies in none of them is looked up again at once."""
SHORTEST_TTL_SECONDS: Final = 30
_PROBED_ID: Final = 0
"""Of a record that cannot exist: ids begin at 1."""


class Record(NamedTuple):
    """One record of a domain."""

    id: int
    """Given in the order of creation."""
    name: str
    """The whole name in our spelling, unlike the API's, which is relative to the domain."""
    kind: str
    data: str
    ttl_seconds: int


class _Place(NamedTuple):
    domain: str
    fqdn: str


class Records:
    """All that is asked of the account. Raises errors of the closed tree. Instances may be shared by threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looks: SharedRead[_Place, Sequence[Record]] = SharedRead(self._look_at_one, self._look_at_many)
        self._domains: tuple[float, Sequence[str]] | None = None
        self._sizes: dict[str, int] = {}
        self._patience = Patience()
        self.operation = self._patience.operation
        """Around what asks for more than one thing, so that it comes to an end at a busy account."""

    def domains(self) -> Sequence[str]:
        """The account's domains that the settings allow, asked for anew."""
        with translated("list the account's domains"):
            found = [plain(domain["name"]) for domain in self._listed("list", "domains")]
        allowed = [name for name in found if not self._settings.domains or name in self._settings.domains]
        self._domains = time.monotonic(), allowed
        return allowed

    def domain_of(self, name: str) -> str:
        """The domain that records of this name are written to. Raises `InvalidSettings` when there is none."""
        return self.domains_of(name)[0]

    def domains_of(self, name: str) -> Sequence[str]:
        """Every domain that may have records of this name, the longest first. Raises `InvalidSettings` if there is
        none.

        More than one: domains within domains, of which the inner one may be younger than the records.
        """
        known = self._domains
        fresh = known is not None and time.monotonic() - known[0] < DOMAINS_KEPT_SECONDS
        found = suffixes(name, known[1]) if known and fresh else ()
        if found:
            return found
        domains = self.domains()
        found = suffixes(name, domains)
        if not found:
            raise InvalidSettings(
                f"{name} lies in none of the domains {listed(domains) or '(there are none)'} that this account has and "
                "`domains` allows; add its domain, or choose a base domain in one of them"
            )
        return found

    def look(self, domain: str, fqdn: str) -> Sequence[Record]:
        """What is at this name and at that of its owner mark, in order of id."""
        with translated(f"look at the records of {fqdn}"):
            return self._looks.read(_Place(domain, fqdn)) or ()

    def all(self, domain: str) -> Sequence[Record]:
        """All records of a domain that were there when this was asked, in order of id."""
        with translated(f"list the records of {domain}"):
            return self._all(domain)

    def create(self, domain: str, name: str, kind: str, data: str, ttl_seconds: int) -> Record:
        """Add a record, whatever is there: DigitalOcean refuses little and knows no conditions."""
        body = {"type": kind, "name": _relative(name, domain), "data": data, "ttl": ttl_seconds}
        with translated(f"add the {kind} record of {name}"):
            answer = self._call("create_record", domain, body=body, expected="domain_record")
        return _record(answer["domain_record"], domain)

    def change_ttl(self, domain: str, record: Record, ttl_seconds: int) -> None:
        """Let the record have this TTL."""
        with translated(f"change the TTL of {record.name}"):
            self._call("patch_record", domain, record.id, body={"type": record.kind, "ttl": ttl_seconds})

    def delete(self, domain: str, record: Record) -> bool:
        """Remove the record; False: it was gone already."""
        with translated(f"remove the {record.kind} record of {record.name}"):
            try:
                self._call("delete_record", domain, record.id)
            except Refused as refusal:
                if refusal.fault is not Fault.MISSING:
                    raise
                return False
        return True

    def probe_writing(self, domain: str) -> None:
        """Ask for a change of a record that cannot exist. Changes nothing; raises what a real change would."""
        with translated(f"change records of {domain}"):
            try:
                self._call("patch_record", domain, _PROBED_ID, body={"type": "TXT", "ttl": SHORTEST_TTL_SECONDS})
            except Refused as refusal:
                if refusal.fault not in (Fault.MISSING, Fault.INVALID):
                    raise

    @cached_property
    def _api(self) -> API:
        # Not before it is used: without a token it cannot be made, and that is for `check` to say.
        return API(self._settings)

    def _call(self, operation: str, *arguments: Any, expected: str | None = None, **options: Any) -> Any:
        """Call one of the operations on domains, whose answer has this key."""
        while True:
            try:
                answer = self._api.call(f"domains.{operation}", *arguments, **options)
            except Refused as refusal:
                if refusal.fault is Fault.MISSING:
                    self._domains = None
                if not self._patience.waited(refusal.retry_after_seconds):
                    raise
            else:
                self._patience.made()
                if expected and not (isinstance(answer, Mapping) and answer.get(expected) is not None):
                    raise Refused(Fault.UNKNOWN, f"domains.{operation}: the answer has no {expected}")
                return answer

    def _listed(self, operation: str, key: str, **options: Any) -> Iterator[Any]:
        page = 1
        while True:
            answer = self._call(operation, per_page=PAGE_SIZE, page=page, expected=key, **options)
            yield from answer[key]
            if page * PAGE_SIZE >= answer["meta"]["total"]:
                return
            page += 1

    def _look_at_one(self, place: _Place) -> Sequence[Record]:
        if self._sizes.get(place.domain, 0) <= PAGE_SIZE:
            # One page has it all, where two questions by name would be two calls.
            page = self._page(place.domain, 1)
            if self._sizes[place.domain] <= PAGE_SIZE:
                return _there(page, place.fqdn)
        questions = (place.fqdn, owner_name(place.fqdn))
        return _there([one for name in questions for one in self._named(place.domain, name)], place.fqdn)

    def _look_at_many(self, places: frozenset[_Place]) -> Mapping[_Place, Sequence[Record]]:
        found: dict[_Place, Sequence[Record]] = {}
        with self._patience.operation(begun=True):
            for domain in {place.domain for place in places}:
                here = [place for place in places if place.domain == domain]
                # Whoever is left out is looked at alone, in two calls.
                if self._sizes.get(domain, 0) <= 2 * len(here) * PAGE_SIZE:
                    content = self._all(domain)
                    found |= {place: _there(content, place.fqdn) for place in here}
        return found

    def _all(self, domain: str) -> Sequence[Record]:
        first = self._page(domain, 1)
        pages = math.ceil(self._sizes[domain] / PAGE_SIZE)
        if pages <= 1:
            return first
        # From the end: a removal meanwhile moves others to an earlier page, which is then still to come.
        found = {one.id: one for page in range(pages, 0, -1) for one in self._page(domain, page)}
        return sorted(found.values())

    def _page(self, domain: str, page: int) -> Sequence[Record]:
        answer = self._call("list_records", domain, per_page=PAGE_SIZE, page=page, expected="domain_records")
        self._sizes[domain] = int(answer["meta"]["total"])
        return [_record(one, domain) for one in answer["domain_records"]]

    def _named(self, domain: str, name: str) -> Iterable[Record]:
        answers = self._listed("list_records", "domain_records", domain_name=domain, name=name)
        return [_record(one, domain) for one in answers]


def _there(records: Iterable[Record], fqdn: str) -> Sequence[Record]:
    return sorted(one for one in records if one.name in (fqdn, owner_name(fqdn)))


def _record(found: Mapping[str, Any], domain: str) -> Record:
    label = plain(found["name"])
    name = domain if label in ("@", "") else f"{label}.{domain}"
    return Record(int(found["id"]), name, found["type"], str(found["data"]), int(found["ttl"] or 0))


def _relative(name: str, domain: str) -> str:
    return name.removesuffix(f".{domain}") if name != domain else "@"
