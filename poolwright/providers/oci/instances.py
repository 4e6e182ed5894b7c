"""Instances of one compartment, as many threads read them: one list answers all who ask at the same time."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VMState
from poolwright.providers.errors import PermissionDenied
from poolwright.providers.oci.errors import provider_error, translated
from poolwright.providers.oci.requests import ATTEMPT_TAG, mark_in, place_text
from poolwright.vendors.faults import Fault
from poolwright.vendors.oci import CallFailed, Connection, every
from poolwright.vendors.shared_read import SharedRead
from poolwright.vendors.shared_wait import SharedWait

_STATES: Final[Mapping[str, VMState]] = {
    "MOVING": VMState.PENDING,
    "PROVISIONING": VMState.PENDING,
    "STARTING": VMState.PENDING,
    "RUNNING": VMState.RUNNING,
    "CREATING_IMAGE": VMState.RUNNING,
    "STOPPING": VMState.STOPPED,
    "STOPPED": VMState.STOPPED,
    "TERMINATING": VMState.DELETING,
    "TERMINATED": VMState.DELETING,
}


class Instance(NamedTuple):
    """What OCI tells of an instance, as far as it matters here."""

    reference: str
    mark: OwnerMark | None
    lifecycle_state: str
    created_at: datetime
    place: str
    retry_token: str | None
    is_preemptible: bool

    @property
    def state(self) -> VMState:
        """In the protocol's terms. A state that OCI may add one day is taken for one on the way."""
        return _STATES.get(self.lifecycle_state, VMState.PENDING)

    @property
    def is_gone(self) -> bool:
        """Terminated: OCI goes on listing it for half a day or more."""
        return self.lifecycle_state == "TERMINATED"

    @property
    def is_alive(self) -> bool:
        """Neither terminated nor on the way there."""
        return self.state is not VMState.DELETING


class _Question(NamedTuple):
    server_id: str | None = None
    reference: str | None = None


class Instances:
    """Reads of instances in the compartment of the settings."""

    def __init__(
        self,
        connection: Connection,
        compartment_ocid: str,
        controller_id: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds."""
        self._connection = connection
        self._compartment = compartment_ocid
        self._controller_id = controller_id
        self._reads: SharedRead[_Question, tuple[Instance, ...]] = SharedRead(self._answer, self._answer_all)
        self._awaited: SharedWait[_Question, tuple[Instance, ...]] = SharedWait(
            self._answer, self._answer_all, is_awaited=_is_pending, clock=clock
        )

    def of_server(self, server_id: str) -> Sequence[Instance]:
        """Every instance that bears this server's mark of our controller, the oldest first, dead ones included."""
        return self._reads.read(_Question(server_id=server_id)) or ()

    def by_reference(self, reference: str, *, waiting: bool = False) -> Instance | None:
        """The instance with this OCID, whoever's it is; None when OCI has proven that there is none. `waiting`: as it
        was at most two seconds ago."""
        found = (self._awaited if waiting else self._reads).read(_Question(reference=reference))
        return found[0] if found else None

    def owned(self) -> Sequence[Instance]:
        """Every instance that bears our controller's mark, dead ones included."""
        return [one for one in self._listed() if one.mark and one.mark.controller_id == self._controller_id]

    def _answer(self, question: _Question) -> tuple[Instance, ...] | None:
        if question.reference is None:
            # Asked by mark and not by name: a name can be changed by hand.
            return self._answers(frozenset({question}))[question]
        try:
            return (_instance(self._connection.compute("get_instance", question.reference).data),)
        except CallFailed as failure:
            if failure.fault is not Fault.MISSING:
                raise provider_error(failure) from None
        return self._proven_gone(question)

    def _proven_gone(self, question: _Question) -> tuple[Instance, ...] | None:
        """OCI gives one answer for gone and for forbidden. Only a list that we may read, without it, tells which."""
        return self._answers(frozenset({question})).get(question)

    def _answer_all(self, questions: frozenset[_Question]) -> Mapping[_Question, tuple[Instance, ...]]:
        with self._connection.for_others():
            return self._answers(questions)

    def _answers(self, questions: frozenset[_Question]) -> Mapping[_Question, tuple[Instance, ...]]:
        by_server: dict[str, list[Instance]] = {}
        by_reference: dict[str, Instance] = {}
        for one in self._listed():
            by_reference[one.reference] = one
            if one.mark and one.mark.controller_id == self._controller_id:
                by_server.setdefault(one.mark.server_id, []).append(one)
        answers: dict[_Question, tuple[Instance, ...]] = {}
        for question in questions:
            if question.server_id is not None:
                found = by_server.get(question.server_id, [])
                answers[question] = tuple(sorted(found, key=lambda one: (one.created_at, one.reference)))
            elif question.reference in by_reference:
                answers[question] = (by_reference[question.reference],)
        return answers

    def _listed(self) -> Sequence[Instance]:
        with translated():
            return [_instance(one) for one in every(self._connection.compute, "list_instances", self._compartment)]

    def launch(self, request: Mapping[str, Any], token: str) -> Instance:
        """Launch an instance, or get the one that this token has launched. Raises `CallFailed`."""
        response = self._connection.compute("launch_instance", dict(request), opc_retry_token=token)
        launched = _instance(response.data)
        self._awaited.tell(_Question(reference=launched.reference), (launched,))
        return launched

    def terminate(self, instance: Instance) -> None:
        """Ask for its end, with all its volumes. Quiet when it is ending, or cannot end yet."""
        try:
            self._connection.compute(
                "terminate_instance",
                instance.reference,
                preserve_boot_volume=False,
                preserve_data_volumes_created_at_launch=False,
            )
        except CallFailed as failure:
            if failure.fault is Fault.CONFLICT:
                return
            if failure.fault is not Fault.MISSING:
                raise provider_error(failure) from None
            seen = self.by_reference(instance.reference)
            if seen is not None and seen.is_alive:
                raise PermissionDenied(
                    f"OCI shows {instance.reference} but lets us not terminate it; allow `manage instance-family` in "
                    "the compartment"
                ) from None


def _is_pending(found: tuple[Instance, ...]) -> bool:
    return any(one.state is VMState.PENDING for one in found)


def _instance(data: Any) -> Instance:
    tags = data.freeform_tags or {}
    return Instance(
        reference=data.id,
        mark=mark_in(tags),
        lifecycle_state=data.lifecycle_state,
        created_at=data.time_created,
        place=place_text(data.availability_domain, data.shape),
        retry_token=tags.get(ATTEMPT_TAG),
        is_preemptible=data.preemptible_instance_config is not None,
    )
