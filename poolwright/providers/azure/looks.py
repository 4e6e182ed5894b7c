"""Looks at the account that are shared by all threads: many questions, few calls."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.azure.client import Client
from poolwright.providers.azure.marks import mark_in_tags
from poolwright.providers.azure.reading import (
    NO_NETWORK,
    Network,
    Remains,
    Resource,
    interface_names,
    is_named,
    network_of,
    public_address_names,
    remains_by_mark,
    state_of,
    vm_from,
)
from poolwright.providers.azure.settings import Settings
from poolwright.providers.base import VM, VMState
from poolwright.vendors.shared_read import SharedRead
from poolwright.vendors.shared_wait import SharedWait


class _Question(NamedTuple):
    name: str
    by_list_alone: bool
    """A list that does not show the VM is answer enough; else Azure is asked for the VM itself."""


class _Seen(NamedTuple):
    vm: VM | None


class Looks:
    """What there is of one controller in one resource group. May be shared by threads.

    Everything raises `TooFast` or the SDK's errors.
    """

    def __init__(
        self, client: Client, settings: Settings, controller_id: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` gives seconds."""
        self._client, self._settings, self._controller_id = client, settings, controller_id
        self._vms: SharedRead[_Question, _Seen] = SharedRead(self._look_at, self._look_at_many)
        self._awaited: SharedWait[_Question, _Seen] = SharedWait(
            self._look_at, self._look_at_many, is_awaited=_is_pending, clock=clock
        )
        self._remains: SharedRead[OwnerMark, Remains] = SharedRead(self._remains_of, self._remains_of_many)
        self._once_listed: set[OwnerMark] = set()

    def vm(self, name: str, *, waiting: bool = False) -> VM | None:
        """The VM of this name; None if Azure said that there is none, or it is not ours. `waiting`: as it was at most
        two seconds ago."""
        seen = (self._awaited if waiting else self._vms).read(_Question(name, by_list_alone=False))
        return seen.vm if seen else None

    def search(self, mark: OwnerMark) -> VM | None:
        """The VM that bears the mark, if there is one. A creation that comes after it has to be on guard itself."""
        seen = self._vms.read(_Question(machine_name(mark.server_id), by_list_alone=True))
        return seen.vm if seen and seen.vm and seen.vm.mark == mark else None

    def remains(self, mark: OwnerMark) -> Remains:
        """All that there is of this server."""
        return self._remains.read(mark) or Remains()

    def all_vms(self) -> list[VM]:
        """Every VM; and for servers of which only other things are left, a broken one that says so."""
        everything = self._everything(self._client.vms())
        network = network_of(
            [one for remains in everything.values() for one in remains.interfaces],
            [one for remains in everything.values() for one in remains.public_addresses],
        )
        found = []
        for mark, remains in everything.items():
            # A VM may have been made since VMs were listed, and before its interface was.
            vm = remains.vm or self._vm_of(mark)
            told = self._told(self._with_reason(vm), mark, network) if vm else _left_alone(mark, remains)
            found.append(told)
        return found

    def made(self, vm: Resource) -> VM | None:
        """A VM as the answer to its creation tells of it, without addresses; None if it is not ours."""
        mark = self._our_mark(vm)
        if mark is None:
            return None
        told = self._told(vm, mark, NO_NETWORK)
        self._awaited.tell(_Question(told.reference, by_list_alone=False), _Seen(told))
        return told

    def _look_at(self, question: _Question) -> _Seen:
        vm = self._client.vm(question.name)
        mark = self._our_mark(vm) if vm else None
        if vm is None or mark is None:
            return _Seen(None)
        network = NO_NETWORK
        if state_of(vm) is not VMState.PENDING:
            network = self._network_of(vm)
        return _Seen(self._told(vm, mark, network))

    def _look_at_many(self, questions: frozenset[_Question]) -> Mapping[_Question, _Seen]:
        with self._client.operation(for_others=True):
            return self._answers(questions)

    def _answers(self, questions: frozenset[_Question]) -> Mapping[_Question, _Seen]:
        vms = {str(vm["name"]).lower(): vm for vm in self._client.vms()}
        asked = {question: vms.get(question.name.lower()) for question in questions}
        network = NO_NETWORK
        if any(vm and state_of(vm) is not VMState.PENDING for vm in asked.values()):
            addresses = self._client.public_addresses() if self._settings.assign_public_ip else []
            network = network_of(self._client.network_interfaces(), addresses)
        found = {}
        for question, vm in asked.items():
            mark = self._our_mark(vm) if vm else None
            if vm is not None and mark is not None:
                found[question] = _Seen(self._told(self._with_reason(vm), mark, network))
            elif vm is not None or question.by_list_alone:
                found[question] = _Seen(None)
        return found

    def _network_of(self, vm: Resource) -> Network:
        interfaces = [one for name in interface_names(vm)[:1] if (one := self._client.network_interface(name))]
        names = [name for one in interfaces for name in public_address_names(one)]
        return network_of(interfaces, [one for name in names if (one := self._client.public_address(name))])

    def _with_reason(self, vm: Resource) -> Resource:
        """Lists tell that a VM failed, but not why."""
        if state_of(vm) is not VMState.BROKEN:
            return vm
        return self._client.vm(str(vm["name"])) or vm

    def _remains_of(self, mark: OwnerMark) -> Remains:
        vm = self._vm_of(mark)
        return Remains(vm=vm) if vm else self._everything([]).get(mark, Remains())

    def _remains_of_many(self, marks: frozenset[OwnerMark]) -> Mapping[OwnerMark, Remains]:
        with self._client.operation(for_others=True):
            return self._remains_by_mark(marks)

    def _remains_by_mark(self, marks: frozenset[OwnerMark]) -> Mapping[OwnerMark, Remains]:
        vms = self._client.vms()
        found = {mark: Remains(vm=vm) for vm in vms if (mark := self._our_mark(vm)) in marks and mark is not None}
        unseen = marks - found.keys() - self._once_listed
        self._once_listed |= found.keys()
        for mark in unseen:
            # Lists may lag behind a creation. Only one that had the VM before is proof that it is gone.
            if vm := self._vm_of(mark):
                found[mark] = Remains(vm=vm)
        without_vm = marks - found.keys()
        if without_vm:
            everything = self._everything([])
            found |= {mark: everything.get(mark, Remains()) for mark in without_vm}
            self._once_listed -= {mark for mark in without_vm if not found[mark]}
        return found

    def _vm_of(self, mark: OwnerMark) -> Resource | None:
        vm = self._client.vm(machine_name(mark.server_id))
        return vm if vm and self._our_mark(vm) == mark else None

    def _everything(self, vms: Sequence[Resource]) -> dict[OwnerMark, Remains]:
        """All that there is. VMs are asked for before: what one that goes meanwhile leaves behind is then seen."""
        return remains_by_mark(
            vms,
            self._client.network_interfaces(),
            self._client.public_addresses(),
            self._client.disks(),
            self._controller_id,
        )

    def _our_mark(self, vm: Resource) -> OwnerMark | None:
        mark = mark_in_tags(vm)
        if mark is None or mark.controller_id != self._controller_id or not is_named(vm, mark):
            return None
        return mark

    def _told(self, vm: Resource, mark: OwnerMark, network: Network) -> VM:
        return vm_from(
            vm, mark, network, public=self._settings.assign_public_ip, has_places=len(self._settings.places) > 1
        )


def _is_pending(seen: _Seen) -> bool:
    return seen.vm is not None and seen.vm.state is VMState.PENDING


def _left_alone(mark: OwnerMark, remains: Remains) -> VM:
    left = [*remains.interfaces, *remains.public_addresses, *remains.disks]
    names = ", ".join(str(one["name"]) for one in left)
    return VM(
        reference=machine_name(mark.server_id),
        mark=mark,
        state=VMState.BROKEN,
        problem=f"the VM does not exist, but what was made for it does: {names}",
    )
