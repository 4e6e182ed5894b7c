"""The provider protocol on OCI's compute, network and block storage services."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VM, Capabilities, Preview, ScriptResult, VMSpec, VMState
from poolwright.providers.errors import Conflict, InvalidSettings, NotFound
from poolwright.providers.oci.addresses import Addresses, HostAddresses
from poolwright.providers.oci.checks import findings
from poolwright.providers.oci.errors import provider_error
from poolwright.providers.oci.instances import Instance, Instances
from poolwright.providers.oci.requests import (
    CONTROLLER_TAG,
    SERVER_TAG,
    launch_request,
    places,
    retry_token,
    script_limit_bytes,
)
from poolwright.providers.oci.settings import Settings
from poolwright.providers.oci.volumes import Volumes
from poolwright.vendors.faults import Fault
from poolwright.vendors.oci import CallFailed, Connection

_MOST_TOKENS: Final = 8
_USED_UP: Final = "InvalidatedRetryToken"


def open_provider(settings: Mapping[str, Any], controller_id: str) -> "OCIProvider":
    """The OCI provider with these settings. Raises pydantic's ValidationError."""
    return OCIProvider(Settings.model_validate(settings), controller_id)


class OCIProvider:
    """One controller's instances in one compartment.

    The owner mark is in freeform tags, which the launch request itself writes. A launch carries a retry token, which
    makes it repeatable for 24 hours; whatever happens later, the mark is looked for first.
    """

    def __init__(self, settings: Settings, controller_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._settings = settings
        self._controller_id = controller_id
        self._connection = Connection(settings)
        self._instances = Instances(self._connection, settings.compartment_ocid, controller_id, clock=clock)
        self._volumes = Volumes(self._connection, settings.compartment_ocid, controller_id)
        self._addresses = Addresses(self._connection, settings)

    def capabilities(self) -> Capabilities:
        """The script is handed over at creation. On Windows, Oracle's images make the first password."""
        return Capabilities(
            startup_script_limit_bytes=script_limit_bytes(self._settings),
            retrieves_password=self._settings.retrieve_windows_password,
            interruptible=self._settings.makes_preemptible_instances,
        )

    def places(self) -> Sequence[str]:
        """`<availability domain>/<shape>`, each availability domain with the first shape before any with the second."""
        known = [place.text for place in places(self._settings)]
        return known if len(known) > 1 else ()

    def preview(self, spec: VMSpec) -> Preview:
        """The body of `LaunchInstance`."""
        return Preview(request=launch_request(self._settings, spec, retry_token(spec.token, 0)))

    def check(self) -> Sequence[Finding]:
        """See the protocol. OCI has no dry run: whether instances may be launched shows when the first one is."""
        with self._connection.operation():
            return findings(self._settings, self._connection, self._controller_id)

    def find(self, mark: OwnerMark) -> VM | None:
        """See the protocol. One that is being deleted is only returned when there is no other."""
        if mark.controller_id != self._controller_id:
            return None
        with self._connection.operation():
            left = [one for one in self._instances.of_server(mark.server_id) if not one.is_gone]
            left.sort(key=lambda one: not one.is_alive)
            return self._vm(left[0]) if left else None

    def create(self, spec: VMSpec) -> VM:
        """See the protocol.

        A retry token whose instance has died is not used again: the next one is derived from the spec's token.
        """
        if spec.mark.controller_id != self._controller_id:
            raise InvalidSettings(f"{spec.mark.text()} is not of controller {self._controller_id}; open its provider")
        # A bad override or script is told before anything is looked for.
        launch_request(self._settings, spec, retry_token(spec.token, 0))
        # A creation follows a search: were it refused at its first call, the search would begin anew each time.
        with self._connection.operation(begun=not spec.token_suffices):
            seen = () if spec.token_suffices else self._instances.of_server(spec.mark.server_id)
            if adopted := self._adopted(spec, seen):
                return adopted
            dead = {one.retry_token for one in seen}
            for number in range(_MOST_TOKENS):
                token = retry_token(spec.token, number)
                if token not in dead and (made := self._launched(spec, token)):
                    return made
        raise Conflict(f"every attempt for {spec.name} has died; create it anew, with another token")

    def get(self, reference: str, *, waiting: bool = False) -> VM:
        """See the protocol."""
        with self._connection.operation():
            found = self._instances.by_reference(reference, waiting=waiting) if reference else None
            if found is None or found.is_gone or not self._is_ours(found):
                raise NotFound(f"{reference} does not exist; it was terminated, or is not of this controller")
            return self._vm(found)

    def list_owned(self) -> Sequence[VM]:
        """See the protocol."""
        with self._connection.operation():
            found = [one for one in self._instances.owned() if not one.is_gone]
            self._addresses.learn([one.reference for one in found if one.state is VMState.RUNNING])
            return [self._reported(one, self._addresses.known(one.reference)) for one in found]

    def delete(self, mark: OwnerMark, reference: str | None) -> bool:
        """See the protocol. Boot volume and the data volumes made at launch go with the instance."""
        if mark.controller_id != self._controller_id:
            raise Conflict(f"{mark.text()} belongs to another controller; only that one may delete it")
        with self._connection.operation():
            left = [one for one in self._of_mark(mark, reference) if not one.is_gone]
            for one in left:
                if one.is_alive:
                    self._instances.terminate(one)
            return not left and self._volumes.all_gone(mark.server_id)

    def run_startup_script(self, reference: str, script: SecretStr) -> ScriptResult:  # noqa: ARG002
        """Raises `InvalidSettings`, always: the script is handed over at creation."""
        raise InvalidSettings(f"{reference} got its startup script at creation; there is no other way to run it on OCI")

    def password(self, reference: str) -> SecretStr | None:
        """See the protocol. The one that Oracle's Windows images make at their first start, and want changed."""
        with self._connection.operation():
            try:
                found = self._connection.compute("get_windows_instance_initial_credentials", reference).data
            except CallFailed as failure:
                if failure.fault is not Fault.MISSING:
                    raise provider_error(failure) from None
                self.get(reference)
                return None
            return SecretStr(found.password) if found.password else None

    def _of_mark(self, mark: OwnerMark, reference: str | None) -> Sequence[Instance]:
        found = self._instances.of_server(mark.server_id)
        if not reference or any(one.reference == reference for one in found):
            return found
        # Lists may lag behind the reference that the launch gave.
        named = self._instances.by_reference(reference)
        if named is None or named.is_gone:
            return found
        if named.mark != mark:
            raise Conflict(
                f"{reference} does not bear the mark {mark.text()}, so it is left alone; restore its tags "
                f"{CONTROLLER_TAG} and {SERVER_TAG}, or terminate it by hand"
            )
        return [*found, named]

    def _launched(self, spec: VMSpec, token: str) -> VM | None:
        """The VM of this token; None: the token has made one that is dead."""
        try:
            made = self._instances.launch(launch_request(self._settings, spec, token), token)
        except CallFailed as failure:
            if failure.code != _USED_UP:
                raise provider_error(failure) from None
            return self._made_before(spec, token)
        if made.mark != spec.mark:
            raise Conflict(f"the token of {spec.name} has made {made.reference}, which is not its own; use a new token")
        return None if made.is_gone else self._adopted(spec, [made])

    def _made_before(self, spec: VMSpec, token: str) -> VM | None:
        """The VM that a token belongs to which OCI takes for nothing new.

        Either its instance is dead, or it lives and was asked for with other words, such as a script rendered anew. The
        next token is safe in the first case alone, so one of the two has to be seen.
        """
        seen = self._instances.of_server(spec.mark.server_id)
        if adopted := self._adopted(spec, seen):
            return adopted
        if any(one.retry_token == token for one in seen):
            return None
        raise Conflict(
            f"OCI has launched {spec.name} before and does not list it yet, neither alive nor terminated; ask again"
        )

    def _adopted(self, spec: VMSpec, seen: Sequence[Instance]) -> VM | None:
        alive = [one for one in seen if one.is_alive]
        if alive:
            return self._vm(alive[0])
        leaving = [one for one in seen if not one.is_gone]
        if leaving:
            raise Conflict(f"{leaving[0].reference} is still being deleted; create {spec.name} again when it is gone")
        return None

    def _is_ours(self, instance: Instance) -> bool:
        return instance.mark is not None and instance.mark.controller_id == self._controller_id

    def _vm(self, instance: Instance) -> VM:
        is_running = instance.state is VMState.RUNNING
        known = self._addresses.of if is_running else self._addresses.known
        return self._reported(instance, known(instance.reference))

    def _reported(self, instance: Instance, found: HostAddresses | None) -> VM:
        assert instance.mark is not None
        is_taken = instance.is_preemptible and not instance.is_alive
        return VM(
            reference=instance.reference,
            mark=instance.mark,
            state=instance.state,
            address=(found.public or found.private) if found else None,
            private_address=found.private if found else None,
            place=instance.place if instance.place in self.places() else None,
            interruption="OCI terminates this preemptible instance" if is_taken else None,
        )
