"""The provider protocol on DigitalOcean's API."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.base import VM, Capabilities, Preview, ScriptResult, VMSpec
from poolwright.providers.digitalocean import requests
from poolwright.providers.digitalocean.attachments import Attachments
from poolwright.providers.digitalocean.checks import check
from poolwright.providers.digitalocean.droplets import Droplet, Droplets, alone
from poolwright.providers.digitalocean.errors import creating, translated
from poolwright.providers.digitalocean.memory import Memory
from poolwright.providers.digitalocean.named import NamedThings
from poolwright.providers.digitalocean.settings import Settings
from poolwright.providers.errors import Conflict, InvalidSettings, NotFound
from poolwright.vendors.digitalocean import API, Listing, Refused
from poolwright.vendors.faults import Fault

_RECENT_SECONDS: Final = 3.0


def open_provider(settings: Mapping[str, Any], controller_id: str) -> "DigitalOceanProvider":
    """The DigitalOcean provider with these settings. Raises pydantic's ValidationError."""
    return DigitalOceanProvider(Settings.model_validate(settings), controller_id)


class DigitalOceanProvider:
    """One controller's droplets in one account.

    The owner mark is the controller's tag together with the droplet's name, both written by the creation itself. A
    droplet that was renamed is known by its reference only, and then every call on it says so rather than call it gone.
    """

    def __init__(self, settings: Settings, controller_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._controller_id = settings, controller_id
        self._api = API(settings)
        self._droplets = Droplets(self._api, controller_id, clock=clock)
        self._named = NamedThings(self._api, settings, clock=clock)
        self._attachments = Attachments(self._api, clock=clock)
        self._clock = clock
        self._missed = Memory[str, float]()
        """Server -> when a search that found nothing for it began."""
        self._made = Memory[str, int]()
        """Server -> number of the droplet that this process made: lists may lag behind a creation."""

    def capabilities(self) -> Capabilities:
        """The startup script is user data, which is limited."""
        return Capabilities(startup_script_limit_bytes=requests.USER_DATA_LIMIT_BYTES)

    def places(self) -> Sequence[str]:
        """Regions with sizes, such as `fra1/s-2vcpu-4gb`; empty when there is one only."""
        known = requests.places(self._settings)
        return [str(place) for place in known] if len(known) > 1 else []

    def preview(self, spec: VMSpec) -> Preview:
        """See the protocol. SSH keys are shown by name: their numbers are looked up when a VM is created."""
        request = requests.body(self._settings, spec, [f"number of {name}" for name in self._settings.ssh_key_names])
        firewall = self._settings.firewall_name
        if firewall is None:
            return Preview(request=request)
        tag = requests.firewall_tag(firewall)
        return Preview(request=request, also={"tag": {"name": tag}, f"tags of firewall {firewall}": {"tags": [tag]}})

    def check(self) -> Sequence[Finding]:
        """See the protocol. Whether the token may create and delete shows only when it does."""
        with translated():
            return check(self._api, self._settings)

    def find(self, mark: OwnerMark) -> VM | None:
        """See the protocol. One that is being deleted is only returned when there is no other."""
        with translated():
            if mark.controller_id != self._controller_id:
                return None
            began = self._clock()
            found = self._droplets.marked(mark, self._droplets.listing())
            if found:
                return self._droplets.report(found[0], mark)
            self._missed.put(mark.server_id, began)
            return None

    def create(self, spec: VMSpec) -> VM:
        """See the protocol. Of several droplets for the server, which only a race of two workers can make, the oldest
        stays. Raises `Conflict` while another thread creates for this server, or its droplet is busy."""
        if spec.mark.controller_id != self._controller_id:
            raise InvalidSettings(f"{spec.mark.text()} is not of controller {self._controller_id}; open its provider")
        # Before anything is asked: what can never succeed is refused without a call.
        requests.body(self._settings, spec, ())
        with translated(), alone(spec.mark):
            existing = None if self._just_missed(spec.mark) else self._settled(spec.mark, self._made_before(spec.mark))
            if existing is not None:
                _refuse_busy(existing)
                return self._droplets.report(existing, spec.mark)
            made = self._make(spec)
            kept = self._settled(spec.mark, made)
            return self._droplets.report(kept or made, spec.mark)

    def get(self, reference: str, *, waiting: bool = False) -> VM:
        """See the protocol. Raises `Conflict` for a droplet of ours that was renamed."""
        with translated():
            number = _number_of(reference)
            seen = self._listed(self._droplets.recent(), number) if waiting else None
            droplet = seen or self._listed(self._droplets.listing(), number) or self._droplets.get(number)
            return self._owned(droplet, reference)

    def list_owned(self) -> Sequence[VM]:
        """See the protocol. Droplets that were renamed are left out: nothing tells whose they are."""
        with translated():
            owned = []
            for droplet in self._droplets.listing().items:
                mark = requests.mark_of(droplet, self._controller_id)
                if mark:
                    owned.append(self._droplets.report(droplet, mark))
            return owned

    def delete(self, mark: OwnerMark, reference: str | None) -> bool:
        """See the protocol. Attached volumes and reserved IPs go too, unless `delete_attached` is off."""
        if mark.controller_id != self._controller_id:
            raise Conflict(f"{mark.text()} belongs to another controller; only that one may delete it")
        with translated():
            number = int(reference) if reference and reference.isdecimal() else None
            recent = self._droplets.recent()
            if recent and self._remove(self._droplets.marked(mark, recent), mark, listed=True):
                return False
            if number is None or not self._droplets.is_gone(number):
                listing = self._droplets.listing()
                if self._remove(self._droplets.marked(mark, listing), mark, listed=True):
                    return False
                if self._remove(self._unlisted(mark, number, listing), mark, listed=False):
                    return False
            self._made.take(mark.server_id)
            return self._is_cleared(mark, number)

    def run_startup_script(self, reference: str, script: SecretStr) -> ScriptResult:  # noqa: ARG002
        """Raises `InvalidSettings`: `capabilities` promises no scripts in the guest."""
        raise InvalidSettings(f"droplet {reference} got its script at creation; DigitalOcean runs none later")

    def password(self, reference: str) -> SecretStr | None:  # noqa: ARG002
        """None, always: `capabilities` promises no passwords."""
        return None

    def _owned(self, droplet: Droplet | None, reference: str) -> VM:
        mark = requests.mark_of(droplet, self._controller_id) if droplet else None
        if droplet is None or mark is None:
            self._refuse_renamed(droplet)
            raise NotFound(f"droplet {reference} does not exist; it was deleted, or is not of this controller")
        return self._droplets.report(droplet, mark)

    def _make(self, spec: VMSpec) -> Droplet:
        with creating():
            body = requests.body(self._settings, spec, self._named.ready())
            try:
                answer = self._api.call("droplets.create", body)
            except Refused as refused:
                if refused.fault in (Fault.INVALID, Fault.MISSING):
                    self._named.forget()
                raise
            if not isinstance(answer, Mapping) or not isinstance(answer.get("droplet"), Mapping):
                raise Refused(Fault.UNKNOWN, "droplets.create: the answer has no droplet")
        droplet: Droplet = answer["droplet"]
        self._made.put(spec.mark.server_id, int(droplet["id"]))
        return droplet

    def _made_before(self, mark: OwnerMark) -> Droplet | None:
        number = self._made.get(mark.server_id)
        if number is None:
            return None
        droplet = self._droplets.get(number)
        return droplet if droplet and requests.mark_of(droplet, self._controller_id) == mark else None

    def _settled(self, mark: OwnerMark, known: Droplet | None) -> Droplet | None:
        """The one droplet for this mark, or None; younger ones are destroyed. `known`: one that lists may not show."""
        found = list(self._droplets.marked(mark, self._droplets.listing()))
        if known is not None and all(droplet["id"] != known["id"] for droplet in found):
            found.append(known)
        staying = sorted((one for one in found if not self._droplets.is_leaving(one)), key=requests.age_key)
        if found and not staying:
            raise Conflict(f"droplet {found[0]['id']} is still being deleted; create it again when it is gone")
        for younger in staying[1:]:
            self._droplets.destroy_surplus(younger, listed=younger is not known)
        return staying[0] if staying else None

    def _unlisted(self, mark: OwnerMark, number: int | None, listing: Listing) -> Sequence[Droplet]:
        """Droplets of this mark that the list does not show, by what proves more than a list does."""
        found: dict[int, Droplet] = {}
        if number is not None and not self._droplets.is_gone_once_unlisted(number):
            named = self._droplets.get(number)
            if named is not None:
                found[int(named["id"])] = self._checked(named, mark)
        if not listing.whole:
            for droplet in self._droplets.named(machine_name(mark.server_id)):
                if requests.mark_of(droplet, self._controller_id) == mark:
                    found[int(droplet["id"])] = droplet
        return list(found.values())

    def _checked(self, droplet: Droplet, mark: OwnerMark) -> Droplet:
        if requests.mark_of(droplet, self._controller_id) != mark:
            self._refuse_renamed(droplet)
            raise Conflict(
                f"droplet {droplet['id']} exists and does not bear the mark {mark.text()}; give it the tag "
                f"{requests.controller_tag(self._controller_id)} and its name back, or delete it by hand"
            )
        return droplet

    def _refuse_renamed(self, droplet: Droplet | None) -> None:
        if droplet and requests.is_tagged(droplet, self._controller_id) and not requests.named_by_us(droplet):
            raise Conflict(
                f"droplet {droplet['id']} was renamed to {droplet['name']!r}; give it its name back, or take the tag "
                f"{requests.controller_tag(self._controller_id)} from it to keep it"
            )

    def _remove(self, droplets: Sequence[Droplet], mark: OwnerMark, *, listed: bool) -> bool:
        """Ask for the destruction of these; whether there were any."""
        for droplet in droplets:
            if self._settings.delete_attached and not self._droplets.is_leaving(droplet):
                self._attachments.release(droplet, mark)
            self._droplets.destroy(droplet, listed=listed)
        return bool(droplets)

    def _is_cleared(self, mark: OwnerMark, number: int | None) -> bool:
        nothing_to_clear = number is not None and self._droplets.was_bare(number)
        return nothing_to_clear or not self._settings.delete_attached or self._attachments.clear(mark)

    def _just_missed(self, mark: OwnerMark) -> bool:
        # `find` comes right before `create`, and what it saw is good enough once: what comes up in between, another
        # worker's, is settled after the creation as it always is.
        began = self._missed.take(mark.server_id)
        known = self._made.get(mark.server_id) is not None
        return began is not None and not known and self._clock() - began < _RECENT_SECONDS

    @staticmethod
    def _listed(listing: Listing | None, number: int) -> Droplet | None:
        items = listing.items if listing else ()
        return next((droplet for droplet in items if droplet["id"] == number), None)


def _refuse_busy(droplet: Droplet) -> None:
    # Another process may have asked for its destruction, which no status tells.
    if droplet.get("locked") and droplet.get("status") != "new":
        raise Conflict(f"something is being done to droplet {droplet['id']}; it is asked for again")


def _number_of(reference: str) -> int:
    if not reference.isdecimal():
        raise NotFound(f"droplet {reference!r} does not exist; droplets have numbers")
    return int(reference)
