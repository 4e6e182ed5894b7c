"""The provider protocol on EC2."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.providers.aws.calls import Calls, KeyPairIsMissing
from poolwright.providers.aws.checks import check
from poolwright.providers.aws.doubts import Doubts
from poolwright.providers.aws.instances import is_leaving, is_terminated, mark_of, reported, was_asked_to_end
from poolwright.providers.aws.inventory import Belonging, Inventory
from poolwright.providers.aws.key_pairs import ImportedKeyPair, decrypted_password
from poolwright.providers.aws.requests import Requests
from poolwright.providers.aws.settings import Settings
from poolwright.providers.aws.user_data import script_limit_bytes
from poolwright.providers.base import VM, Capabilities, Preview, ScriptResult, VMSpec
from poolwright.providers.errors import Conflict, InvalidSettings, NotFound, Transient

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import InstanceTypeDef

_MOST_DEATHS: Final = 5


def open_provider(settings: Mapping[str, Any], controller_id: str) -> "AWSProvider":
    """The AWS provider with these settings. Raises pydantic's ValidationError."""
    return AWSProvider(Settings.model_validate(settings), controller_id)


class AWSProvider:
    """One controller's VMs in one region of an account. Thread-safe; calls of several threads are joined."""

    def __init__(self, settings: Settings, controller_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._settings, self._controller_id, self._clock = settings, controller_id, clock
        self._calls = Calls(settings, clock)
        self._inventory = Inventory(self._calls, controller_id, clock)
        self._key_pair = ImportedKeyPair(settings.ssh_public_key, controller_id) if settings.ssh_public_key else None
        key_name = self._key_pair.name if self._key_pair else settings.key_name
        self._requests = Requests(settings, self._calls.run_instances_shape, key_name)
        self._unseen_references, self._unanswered_creations = Doubts(clock), Doubts(clock)

    def capabilities(self) -> Capabilities:
        """See the protocol."""
        return Capabilities(
            startup_script_limit_bytes=script_limit_bytes(self._settings.operating_system),
            retrieves_password=self._settings.retrieve_windows_password,
            interruptible=self._settings.makes_spot_instances,
        )

    def places(self) -> Sequence[str]:
        """Subnets and instance types: the first type in each subnet, then the second, and so on."""
        places = [place.text for place in self._requests.places]
        return places if len(places) > 1 else []

    def preview(self, spec: VMSpec) -> Preview:
        """See the protocol."""
        also = {}
        if self._key_pair:
            also["ImportKeyPair"] = {"KeyName": self._key_pair.name, "TagSpecifications": [self._key_pair.tags]}
        return Preview(request=self._requests.to_show(spec), also=also)

    def check(self) -> Sequence[Finding]:
        """See the protocol."""
        return check(self._settings, self._calls, self._requests)

    def find(self, mark: OwnerMark) -> VM | None:
        """See the protocol. One that is being deleted is only returned when there is no other."""
        if mark.controller_id != self._controller_id:
            return None
        made = self._inventory.instances_of(mark.server_id)
        if living := [one for one in made if not is_terminated(one)]:
            return self._report(min(living, key=is_leaving))
        self._inventory.saw_none_living(mark.server_id, made)
        return None

    def create(self, spec: VMSpec) -> VM:
        """See the protocol. A spec whose VM has ended gets another, with the next of its tokens."""
        if spec.mark.controller_id != self._controller_id:
            raise InvalidSettings(f"{spec.mark.text()} is not of controller {self._controller_id}; open its provider")
        self._requests.to_send(spec)
        if spec.token_suffices:
            # What its token has made with other words, such as a script rendered anew, has to be searched for.
            with suppress(Conflict):
                return self._launched(spec, [])
        made = self._inventory.instances_of_lately(spec.mark.server_id)
        if living := [one for one in made if not is_terminated(one)]:
            return self._adopted(min(living, key=is_leaving))
        return self._launched(spec, [one["ClientToken"] for one in made if "ClientToken" in one])

    def get(self, reference: str, *, waiting: bool = False) -> VM:
        """See the protocol. An instance that ended without being asked to is `BROKEN`, as long as EC2 shows it."""
        instance = self._inventory.instance(reference, waiting=waiting)
        ours = instance and mark_of(instance, self._controller_id)
        if not instance or not ours:
            raise NotFound(
                f"EC2 has no instance {reference} in {self._settings.region} with the mark of this controller"
            )
        if is_terminated(instance) and was_asked_to_end(instance):
            raise NotFound(f"the instance {reference} was terminated; make another")
        return self._report(instance)

    def list_owned(self) -> Sequence[VM]:
        """See the protocol."""
        return [self._report(one) for one in self._inventory.living() if mark_of(one, self._controller_id)]

    def delete(self, mark: OwnerMark, reference: str | None) -> bool:
        """See the protocol. An instance that EC2 does not show is taken for gone only after a minute of looks, and so
        is one of a creation whose answer was lost."""
        if mark.controller_id != self._controller_id:
            raise Conflict(f"{mark.text()} belongs to another controller; only that one may delete it")
        made = self._inventory.instances_of(mark.server_id)
        is_known = reference is None or any(one["InstanceId"] == reference for one in made)
        if not is_known and not self._ended(mark, reference or ""):
            return False
        if living := [one for one in made if not is_terminated(one)]:
            for instance in living:
                if not is_leaving(instance):
                    self._inventory.terminate(instance["InstanceId"])
            return False
        if not made and self._unanswered_creations.remains(mark.server_id):
            return False
        rest = self._inventory.belongings_of(mark.server_id)
        for belonging in rest:
            if not belonging.in_use:
                self._remove(belonging)
        return not rest

    def run_startup_script(self, reference: str, script: SecretStr) -> ScriptResult:  # noqa: ARG002
        """Not for EC2: `capabilities` says that the script is handed over at creation."""
        raise InvalidSettings(f"{reference} got its startup script at creation; nothing is run in it later")

    def password(self, reference: str) -> SecretStr | None:
        """See the protocol. Windows takes some minutes for it."""
        self.get(reference)
        return decrypted_password(self._settings, self._calls.password_data(reference))

    def _launched(self, spec: VMSpec, used: list[str]) -> VM:
        """The instance of the first token that is not `used` and whose instance, if it has made one, has not ended."""
        if self._key_pair:
            self._key_pair.ensure(self._calls)
        for _ in range(_MOST_DEATHS):
            request = self._requests.to_send(spec, used)
            instance = self._run(spec, request)
            if not is_terminated(instance):
                self._inventory.told_of(instance)
                return self._adopted(instance)
            used.append(request["ClientToken"])
        raise Conflict(f"{_MOST_DEATHS} instances for {spec.name} have ended; it needs a new attempt")

    def _run(self, spec: VMSpec, request: Any) -> "InstanceTypeDef":
        try:
            return self._calls.run_instances(request)
        except Transient:
            self._unanswered_creations.renew(spec.mark.server_id)
            raise
        except KeyPairIsMissing as error:
            if self._key_pair is None:
                raise InvalidSettings(str(error)) from None
            self._key_pair.forget()
            raise Transient(f"the key pair {self._key_pair.name} was deleted; it is imported again") from None

    def _adopted(self, instance: "InstanceTypeDef") -> VM:
        if is_leaving(instance):
            raise Conflict(f"{instance['InstanceId']} is still being terminated; create again when it is gone")
        return self._report(instance)

    def _ended(self, mark: OwnerMark, reference: str) -> bool:
        """Whether this instance, which a search does not show, is gone or another server's; else have it end."""
        instance = self._inventory.instance(reference)
        if instance is None:
            self._unseen_references.begin(reference)
            return not self._unseen_references.remains(reference)
        self._unseen_references.end(reference)
        if mark_of(instance, self._controller_id) != mark or is_terminated(instance):
            return True
        if not is_leaving(instance):
            self._inventory.terminate(reference)
        return False

    def _remove(self, belonging: Belonging) -> None:
        match belonging.kind:
            case "volume":
                self._calls.delete_volume(belonging.reference)
            case "network interface":
                self._calls.delete_network_interface(belonging.reference)
            case "address":
                self._calls.release_address(belonging.reference)

    def _report(self, instance: "InstanceTypeDef") -> VM:
        mark = mark_of(instance, self._controller_id)
        assert mark is not None, "only what bears our mark is reported"
        subnet_id, instance_type = instance.get("SubnetId"), instance["InstanceType"]
        known = {(place.subnet_id, place.instance_type): place.text for place in self._requests.places}
        place = known.get((subnet_id, instance_type)) or known.get((None, instance_type))
        return reported(instance, mark, place if len(known) > 1 else None, self._inventory.notice_for(instance))
