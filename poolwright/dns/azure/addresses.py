"""The addresses of one name: claimed, rewritten, removed, each record set on its own condition."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from poolwright.dns.azure.records import ADDRESS_KINDS, RecordSet, address_sets, marks_in
from poolwright.dns.azure.service import AzureDNS, Unmet
from poolwright.dns.azure.zones import Zone
from poolwright.dns.base import AddressRecord
from poolwright.dns.claims import ATTEMPTS, name_taken, too_busy
from poolwright.domain.identities import OwnerMark


class OneName:
    """One name in one zone, for one mark."""

    def __init__(self, service: AzureDNS, zone: Zone, fqdn: str, mark: OwnerMark) -> None:
        self._service, self._zone, self._fqdn, self._mark = service, zone, fqdn, mark
        self._made: dict[str, RecordSet] = {}
        """What this call wrote to a name that was free, by kind: it goes again if the name turns out to be taken."""

    def write(self, record: AddressRecord, before_rewriting: Callable[[Iterable[RecordSet]], None]) -> None:
        """Let the name have these addresses. `before_rewriting` is told the record sets that are ours already.

        Raises `NameTaken`, and `Transient` when the name never keeps still.
        """
        wanted = address_sets(self._mark, record)
        for _ in range(ATTEMPTS):
            sets = self._service.look(self._zone, self._fqdn)
            ours = {one.kind: one for one in sets if self._is_ours(one)}
            try:
                self._refuse_strangers(sets, claimed=bool(ours) and not self._made)
                before_rewriting(ours.values())
                self._write(ours, wanted)
                if self._made:
                    # No condition covers the other kinds of record at this name: only a second look shows them.
                    self._refuse_strangers(self._service.look(self._zone, self._fqdn), claimed=False)
            except Unmet:
                continue
            return
        raise too_busy(self._fqdn)

    def remove(self, sets: Sequence[RecordSet]) -> tuple[list[str], Sequence[RecordSet]]:
        """Remove what is ours of these address records. Returns the kinds that went, and what was left."""
        gone: list[str] = []
        for _ in range(ATTEMPTS):
            try:
                for one in filter(self._is_ours, sets):
                    self._service.delete(self._zone, one)
                    gone.append(one.kind)
            except Unmet:
                sets = self._service.at(self._zone, self._fqdn, ADDRESS_KINDS)
            else:
                return gone, [one for one in sets if not self._is_ours(one)]
        raise too_busy(self._fqdn)

    def _write(self, ours: Mapping[str, RecordSet], wanted: Mapping[str, RecordSet]) -> None:
        is_new = bool(self._made) or not ours
        for kind, records in wanted.items():
            before = ours.get(kind)
            if before is None or not before.has_content_of(records):
                now = self._service.put(self._zone, records.keeping_metadata_of(before), before)
                if is_new:
                    self._made[kind] = now
        # New addresses come before old ones go, so that the name bears the mark all the time.
        for kind, before in ours.items():
            if kind not in wanted:
                self._service.delete(self._zone, before)

    def _refuse_strangers(self, sets: Sequence[RecordSet], *, claimed: bool) -> None:
        """Raise `NameTaken` for what stands in our way; beside addresses that are ours, most others may stand."""
        in_the_way = (*ADDRESS_KINDS, "CNAME")
        strangers = [one for one in sets if not self._is_ours(one) and (one.kind in in_the_way or not claimed)]
        if not strangers:
            return
        while self._made:
            self._service.delete(self._zone, self._made.popitem()[1])
        raise name_taken(self._fqdn, marks_in(strangers))

    def _is_ours(self, records: RecordSet) -> bool:
        return records.kind in ADDRESS_KINDS and records.mark == self._mark
