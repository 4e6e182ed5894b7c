"""Volumes that instances may leave behind: those that bear our mark and hang on nothing any more."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from poolwright.providers.oci.errors import provider_error, translated
from poolwright.providers.oci.requests import mark_in
from poolwright.vendors.faults import Fault
from poolwright.vendors.oci import CallFailed, Connection, every
from poolwright.vendors.shared_read import SharedRead

_GONE: Final = "TERMINATED"
_DELETABLE: Final = ("AVAILABLE", "FAULTY")


class Volume(NamedTuple):
    """A boot volume or a data volume that still exists."""

    ocid: str
    is_boot_volume: bool
    lifecycle_state: str


class Volumes:
    """Reads and deletions of volumes in one compartment."""

    def __init__(self, connection: Connection, compartment_ocid: str, controller_id: str) -> None:
        self._connection = connection
        self._compartment = compartment_ocid
        self._controller_id = controller_id
        self._reads: SharedRead[str, tuple[Volume, ...]] = SharedRead(self._of_one, self._of_all)

    def all_gone(self, server_id: str) -> bool:
        """Whether nothing with this server's mark is left. What is left, is asked to be deleted."""
        with translated():
            left = self._reads.read(server_id) or ()
        for volume in left:
            if volume.lifecycle_state in _DELETABLE:
                self._delete(volume)
        return not left

    def _delete(self, volume: Volume) -> None:
        operation = "delete_boot_volume" if volume.is_boot_volume else "delete_volume"
        try:
            self._connection.block_storage(operation, volume.ocid)
        except CallFailed as failure:
            # Still attached for a moment, or gone meanwhile: the next look tells.
            if failure.fault not in (Fault.CONFLICT, Fault.MISSING):
                raise provider_error(failure) from None

    def _of_one(self, server_id: str) -> tuple[Volume, ...] | None:
        return self._of_many(frozenset({server_id}))[server_id]

    def _of_all(self, server_ids: frozenset[str]) -> Mapping[str, tuple[Volume, ...]]:
        with self._connection.for_others():
            return self._of_many(server_ids)

    def _of_many(self, server_ids: frozenset[str]) -> Mapping[str, tuple[Volume, ...]]:
        found: dict[str, tuple[Volume, ...]] = dict.fromkeys(server_ids, ())
        for is_boot_volume, data in self._listed():
            mark = mark_in(data.freeform_tags)
            if mark and mark.controller_id == self._controller_id and mark.server_id in found:
                volume = Volume(data.id, is_boot_volume, data.lifecycle_state)
                found[mark.server_id] += (volume,)
        return found

    def _listed(self) -> Sequence[tuple[bool, Any]]:
        return [
            (operation == "list_boot_volumes", data)
            for operation in ("list_boot_volumes", "list_volumes")
            for data in every(self._connection.block_storage, operation, compartment_id=self._compartment)
            if data.lifecycle_state != _GONE
        ]
