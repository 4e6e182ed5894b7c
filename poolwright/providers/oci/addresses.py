"""Addresses of instances, read once each: they belong to the network interfaces, which OCI keeps apart."""

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from poolwright.providers.oci.errors import translated
from poolwright.providers.oci.requests import network_interface
from poolwright.providers.oci.settings import Settings
from poolwright.vendors.oci import Connection, every
from poolwright.vendors.shared_read import SharedRead

_ATTACHED: Final = "ATTACHED"


class HostAddresses(NamedTuple):
    """Of the primary network interface."""

    public: str | None
    private: str | None


class Addresses:
    """What instances are reached at. An address that is known is not asked for again."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._lock = threading.Lock()
        self._known: dict[str, HostAddresses] = {}
        self._expects_public: bool | None = None
        self._reads: SharedRead[str, HostAddresses | None] = SharedRead(self._read_one, self._read_for_others)

    def known(self, reference: str) -> HostAddresses | None:
        """What was read before. No call."""
        with self._lock:
            return self._known.get(reference)

    def of(self, reference: str) -> HostAddresses | None:
        """The addresses of this running instance; None while it has not got them all."""
        found = self.known(reference)
        if found is None:
            with translated():
                found = self._reads.read(reference)
            self._remember({reference: found})
        return found

    def learn(self, references: Collection[str]) -> None:
        """Read the addresses of all these in a few calls, and forget those of all others."""
        with self._lock:
            self._known = {reference: found for reference, found in self._known.items() if reference in references}
            unknown = frozenset(references) - self._known.keys()
        if unknown:
            with translated():
                self._remember(self._read_many(unknown))

    def _remember(self, found: Mapping[str, HostAddresses | None]) -> None:
        with self._lock:
            self._known.update({reference: one for reference, one in found.items() if one is not None})

    def _read_one(self, reference: str) -> HostAddresses | None:
        return self._from_interfaces(self._attachments(instance_id=reference))

    def _read_for_others(self, references: frozenset[str]) -> Mapping[str, HostAddresses | None]:
        with self._connection.for_others():
            return self._read_many(references)

    def _read_many(self, references: frozenset[str]) -> Mapping[str, HostAddresses | None]:
        attachments: dict[str, list[Any]] = {reference: [] for reference in references}
        for one in self._attachments():
            attachments.get(one.instance_id, []).append(one)
        single = [found[0] for found in attachments.values() if len(found) == 1]
        private = self._private_ips({one.subnet_id for one in single if one.subnet_id})
        public = self._public_ips({one.availability_domain for one in single})
        answers: dict[str, HostAddresses | None] = {}
        for reference, found in attachments.items():
            own = private.get(found[0].vnic_id) if len(found) == 1 else None
            # Which of several interfaces is the primary one, lists do not tell, nor any address of the sixth version.
            answers[reference] = (
                self._whole(HostAddresses(public.get(own.id), own.ip_address)) if own else self._from_interfaces(found)
            )
        return answers

    def _from_interfaces(self, attachments: Sequence[Any]) -> HostAddresses | None:
        for attachment in attachments:
            vnic = self._connection.network("get_vnic", attachment.vnic_id).data
            if vnic.is_primary:
                private = vnic.private_ip or next(iter(vnic.ipv6_addresses or ()), None)
                return self._whole(HostAddresses(vnic.public_ip, private))
        return None

    def _attachments(self, **options: Any) -> Sequence[Any]:
        compartment = self._settings.compartment_ocid
        listed = every(self._connection.compute, "list_vnic_attachments", compartment, **options)
        return [one for one in listed if one.lifecycle_state == _ATTACHED]

    def _private_ips(self, subnets: Collection[str]) -> Mapping[str, Any]:
        return {
            one.vnic_id: one
            for subnet in sorted(subnets)
            for one in every(self._connection.network, "list_private_ips", subnet_id=subnet)
            if one.is_primary
        }

    def _public_ips(self, availability_domains: Collection[str]) -> Mapping[str, str]:
        if not availability_domains or not self._public_is_expected():
            return {}
        return {
            one.private_ip_id: one.ip_address
            for domain in sorted(availability_domains)
            for one in every(
                self._connection.network,
                "list_public_ips",
                "AVAILABILITY_DOMAIN",
                self._settings.compartment_ocid,
                availability_domain=domain,
                lifetime="EPHEMERAL",
            )
        }

    def _whole(self, found: HostAddresses) -> HostAddresses | None:
        """The addresses, unless there will be more."""
        is_whole = found.private is not None and (found.public is not None or not self._public_is_expected())
        return found if is_whole else None

    def _public_is_expected(self) -> bool:
        if self._expects_public is None:
            interface = network_interface(self._settings)
            said = interface.get("assignPublicIp")
            if said is None:
                subnet = self._connection.network("get_subnet", interface.get("subnetId")).data
                said = not subnet.prohibit_public_ip_on_vnic
            self._expects_public = bool(said)
        return self._expects_public
