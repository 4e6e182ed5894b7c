"""The calls to Azure DNS: each keeps the subscription's pace and raises only our own errors."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from poolwright.dns.azure.errors import error_of, throttled
from poolwright.dns.azure.records import RecordSet, read, written
from poolwright.dns.azure.settings import Settings
from poolwright.dns.azure.zones import Zone
from poolwright.dns.claims import TURNS
from poolwright.dns.errors import InvalidSettings, Throttled, Transient
from poolwright.dns.names import plain
from poolwright.vendors.azure import Kind, pacing, trouble
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast
from poolwright.vendors.patience import Patience
from poolwright.vendors.shared_read import SharedRead

if TYPE_CHECKING:
    from poolwright.dns.azure.clients import Client

LISTED_UP_TO: Final = 700
"""A zone with at most so many record sets is listed, 100 in a call, to see one name; in a larger one it takes fewer
calls to ask for each kind of record."""

Answer = TypeVar("Answer")
Sets = tuple[RecordSet, ...]


class Unmet(Exception):
    """Nothing was written, because the record set is not as it was or another one is in its way. Look again."""


class AzureDNS:
    """The DNS zones of one subscription. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pacing = pacing(settings)
        self._patience = Patience()
        self.operation = self._patience.operation
        """Around the calls that belong together: the first may be refused for coming too early, the others wait."""
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._looks: SharedRead[tuple[Zone, str], Sets] = SharedRead(self._look_for_one, self._look_for_many)

    @property
    def resource_type(self) -> str:
        """The zones' type, as in a role's actions."""
        return self._open().resource_type

    def zones(self) -> Sequence[Zone]:
        """The zones of the resource group or of the subscription."""
        group = self._settings.resource_group
        natives = self._all("asked for the zones", lambda client: client.zones(group))
        return [
            Zone(
                name=plain(str(native.name)),
                group=str(native.id).split("/")[4],
                resource_id=str(native.id),
                record_sets=int(native.number_of_record_sets or 0),
            )
            for native in natives
        ]

    def look(self, zone: Zone, name: str) -> Sets:
        """All record sets at this name. Looks of many threads at the same time are answered together."""
        return self._looks.read((zone, name)) or ()

    def at(self, zone: Zone, name: str, kinds: Sequence[str]) -> Sets:
        """The record sets of these kinds at this name, each asked for by itself."""
        found = (self._get(zone, name, kind) for kind in kinds)
        return tuple(one for one in found if one is not None)

    def every_set(self, zone: Zone) -> Sets:
        """All record sets of a zone."""
        natives = self._all(
            f"asked for all records of {zone.name}", lambda client: client.every_set(zone.group, zone.name)
        )
        return tuple(read(native, zone.name) for native in natives)

    def put(self, zone: Zone, records: RecordSet, over: RecordSet | None = None) -> RecordSet:
        """Write these records in place of `over`, or if there are none of their kind. Returns them as they are now.

        Raises `Unmet`.
        """
        name, etag = zone.relative(records.name), over.etag if over else ""
        client = self._open()
        body = written(client.models, records)
        return self._write(
            Kind.WRITE,
            f"asked to write {records.name} {records.kind}",
            lambda: read(client.put(zone.group, zone.name, name, records.kind, body, etag), zone.name),
        )

    def delete(self, zone: Zone, records: RecordSet) -> None:
        """Remove these records if they are still as they were. Raises `Unmet`."""
        name = zone.relative(records.name)
        client = self._open()
        self._write(
            Kind.DELETE,
            f"asked to remove {records.name} {records.kind}",
            lambda: client.delete(zone.group, zone.name, name, records.kind, records.etag),
        )

    def permissions(self, zone: Zone) -> Sequence[Mapping[str, Sequence[str]]]:
        """What we may do with this zone: `actions` and `notActions`, as a role has them."""
        client, action = self._open(), f"asked for our permissions on {zone.name}"
        answer = self._call(Kind.READ, action, lambda: client.permissions(zone.resource_id).get("value") or ())
        return list(answer)

    def _look_for_one(self, key: tuple[Zone, str]) -> Sets:
        zone, name = key
        if zone.record_sets <= LISTED_UP_TO:
            return tuple(one for one in self.every_set(zone) if one.name == name)
        return self.at(zone, name, self._open().kinds)

    def _look_for_many(self, keys: frozenset[tuple[Zone, str]]) -> Mapping[tuple[Zone, str], Sets]:
        found: dict[tuple[Zone, str], Sets] = dict.fromkeys(keys, ())
        with self._patience.operation(begun=True):
            for zone in {zone for zone, _ in keys}:
                for one in self.every_set(zone):
                    if (zone, one.name) in found:
                        found[zone, one.name] += (one,)
        return found

    def _get(self, zone: Zone, name: str, kind: str) -> RecordSet | None:
        from azure.core.exceptions import HttpResponseError

        client, relative = self._open(), zone.relative(name)

        def ask() -> RecordSet | None:
            try:
                found = read(client.get(zone.group, zone.name, relative, kind), zone.name)
            except HttpResponseError as error:
                if trouble(error).fault is Fault.MISSING:
                    return None
                raise
            if (found.name, found.kind) != (name, kind):
                raise ValueError(f"{found.name} {found.kind} is not what was asked for")
            return found

        return self._call(Kind.READ, f"asked for {name} {kind}", ask)

    def _all(self, action: str, ask: Callable[["Client"], Any]) -> list[Any]:
        client = self._open()
        pages = ask(client).by_page()
        found = list(self._call(Kind.READ, action, lambda: next(pages)))
        while pages.continuation_token:
            found += self._call(Kind.READ, action, lambda: next(pages))
        return found

    def _write(self, kind: Kind, action: str, call: Callable[[], Answer]) -> Answer:
        from azure.core.exceptions import HttpResponseError

        def write() -> Answer:
            try:
                return call()
            except HttpResponseError as error:
                if trouble(error).fault in (Fault.CONFLICT, Fault.MISSING):
                    raise Unmet(action) from error
                raise

        return self._call(kind, action, write)

    def _call(self, kind: Kind, action: str, call: Callable[[], Answer]) -> Answer:
        from azure.core.exceptions import AzureError

        for turns_left in reversed(range(TURNS)):
            try:
                with self._pacing.call(kind):
                    answer = call()
            except TooFast as refusal:
                refused = throttled(action, refusal.retry_after_seconds)
            except AzureError as error:
                told = error_of(trouble(error), action)
                if not isinstance(told, Throttled):
                    raise told from error
                refused = told
            except (AttributeError, TypeError, ValueError) as error:
                # The SDK takes answers apart without looking: what a gateway puts in their place ends like this.
                raise Transient(f"Azure DNS, {action}: the answer is not one of its own; ask again") from error
            else:
                self._patience.made()
                return answer
            if not turns_left or not self._patience.waited(refused.retry_after_seconds):
                raise refused
        raise AssertionError("the last turn ends in an answer or an error")

    def _open(self) -> "Client":
        with self._lock:
            if self._client is None:
                ca_file = self._settings.ca_file
                if ca_file and not ca_file.is_file():
                    raise InvalidSettings(f"there is no file {ca_file} to read authorities from; correct `ca_file`")
                from poolwright.dns.azure.clients import open_client

                self._client = open_client(self._settings)
            return self._client
