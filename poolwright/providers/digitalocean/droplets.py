"""This controller's droplets: read together by all threads, and destroyed."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.base import VM, VMState
from poolwright.providers.digitalocean.memory import Memory
from poolwright.providers.digitalocean.requests import (
    addresses_of,
    age_key,
    controller_tag,
    mark_of,
    place_of,
    state_of,
)
from poolwright.providers.errors import Conflict
from poolwright.vendors.digitalocean import API, Listing, Refused
from poolwright.vendors.faults import Fault
from poolwright.vendors.shared_read import SharedRead

Droplet = Mapping[str, Any]

_LOCK: Final = threading.Lock()
_CREATING: Final[set[OwnerMark]] = set()

_ALL: Final = "all droplets"
_ASK_AGAIN_SECONDS: Final = 60.0
_RECENT_SECONDS: Final = 3.0


class _Asked(NamedTuple):
    """A droplet whose destruction was asked for."""

    at_seconds: float
    listed: bool
    """It was seen in a list before: once lists lack it, it is gone. Otherwise lists may merely lag behind."""
    bare: bool
    """No volume was attached to it."""


@contextmanager
def alone(mark: OwnerMark) -> Iterator[None]:
    """Let no other thread of this process create for this server meanwhile. Raises `Conflict` when one does."""
    with _LOCK:
        if mark in _CREATING:
            raise Conflict(f"another thread creates {machine_name(mark.server_id)}; it is looked for again")
        _CREATING.add(mark)
    try:
        yield
    finally:
        with _LOCK:
            _CREATING.discard(mark)


class Droplets:
    """The droplets that bear one controller's tag. Instances may be shared by threads."""

    def __init__(self, api: API, controller_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._controller_id, self._clock = api, controller_id, clock
        self._shared: SharedRead[str, Listing] = SharedRead(
            self._list, lambda keys: {key: self._list(key) for key in keys}
        )
        self._asked = Memory[int, _Asked]()
        self._surplus: set[int] = set()
        self._last: tuple[float, Listing] | None = None

    def recent(self) -> Listing | None:
        """All of them as they were at most three seconds ago, where a list is that young. It costs no call, and is good
        for what is there: that something is not there takes a fresh list."""
        last = self._last
        return last[1] if last and self._clock() - last[0] < _RECENT_SECONDS else None

    def listing(self) -> Listing:
        """All of them, by a call that began after this one did; threads that ask at the same time share it."""
        listing = self._shared.read(_ALL)
        assert listing is not None
        for droplet in listing.items if self._surplus else ():
            if droplet["id"] in self._surplus:
                # Whoever asked for the list has it, whether or not this succeeds; the next list tries it again.
                with suppress(Refused):
                    self.destroy(droplet, listed=True)
        return listing

    def marked(self, mark: OwnerMark, listing: Listing) -> Sequence[Droplet]:
        """Those of the list with this mark: first those that are not being destroyed, the oldest first."""
        found = [droplet for droplet in listing.items if mark_of(droplet, self._controller_id) == mark]
        return sorted(found, key=lambda droplet: (self.is_leaving(droplet), age_key(droplet)))

    def named(self, name: str) -> Sequence[Droplet]:
        """Those of the account with this name, whatever their tags. DigitalOcean lists GPU droplets apart."""
        kinds = ("droplets", "gpus")
        return [one for kind in kinds for one in self._api.pages("droplets.list", "droplets", name=name, type=kind)]

    def get(self, number: int) -> Droplet | None:
        """The droplet with this number, whoever's it is; None when DigitalOcean says that there is none."""
        try:
            answer = self._api.call("droplets.get", number)
        except Refused as refused:
            if refused.fault is Fault.MISSING:
                return None
            raise
        if not isinstance(answer, Mapping) or not isinstance(answer.get("droplet"), Mapping):
            raise Refused(Fault.UNKNOWN, "droplets.get: the answer has no droplet")
        droplet: Droplet = answer["droplet"]
        return droplet

    def destroy(self, droplet: Droplet, *, listed: bool) -> None:
        """Ask for the droplet's destruction, unless that was done a moment ago. `listed`: it comes from a list."""
        number = int(droplet["id"])
        asked = self._asked.get(number)
        if asked and self._clock() - asked.at_seconds < _ASK_AGAIN_SECONDS:
            return
        try:
            self._api.call("droplets.destroy", number)
        except Refused as refused:
            # A droplet that is still being made takes no second event; it is asked again.
            if refused.fault is Fault.CONFLICT:
                return
            if refused.fault is not Fault.MISSING:
                raise
        bare = not droplet.get("volume_ids") and (asked is None or asked.bare)
        self._surplus.discard(number)
        self._asked.put(number, _Asked(self._clock(), listed or (asked is not None and asked.listed), bare))

    def destroy_surplus(self, droplet: Droplet, *, listed: bool) -> None:
        """Destroy one too many. As long as DigitalOcean refuses, which it does while it makes the droplet, each list
        that shows the droplet has it tried again."""
        self._surplus.add(int(droplet["id"]))
        self.destroy(droplet, listed=listed)

    def is_leaving(self, droplet: Droplet) -> bool:
        """Whether this process asked for its destruction."""
        return self._asked.get(int(droplet["id"])) is not None

    def is_gone_once_unlisted(self, number: int) -> bool:
        """Whether a list without it proves that it is gone: it was in one before, and its destruction was asked."""
        asked = self._asked.get(number)
        return asked is not None and asked.listed

    def is_gone(self, number: int) -> bool:
        """Whether a recent list proves that it is gone: one that began after its destruction was asked for."""
        last, asked, recent = self._last, self._asked.get(number), self.recent()
        if last is None or asked is None or recent is not last[1]:
            return False
        lacks_it = all(droplet["id"] != number for droplet in recent.items)
        return asked.listed and asked.at_seconds < last[0] and recent.whole and lacks_it

    def was_bare(self, number: int) -> bool:
        """Whether this process had it destroyed and it had no volumes."""
        asked = self._asked.get(number)
        return asked is not None and asked.bare

    def report(self, droplet: Droplet, mark: OwnerMark) -> VM:
        """The droplet as a VM."""
        address, private_address = addresses_of(droplet)
        return VM(
            reference=str(droplet["id"]),
            mark=mark,
            state=VMState.DELETING if self.is_leaving(droplet) else state_of(droplet),
            address=address,
            private_address=private_address,
            place=place_of(droplet),
        )

    def _list(self, _: str) -> Listing:
        began = self._clock()
        listing = self._ask()
        self._last = began, listing
        return listing

    def _ask(self) -> Listing:
        tag = controller_tag(self._controller_id)
        try:
            return self._api.listing("droplets.list", "droplets", tag_name=tag)
        except Refused as refused:
            if refused.fault is not Fault.MISSING:
                raise
        # A tag that nothing bore yet may not exist. That a list is missing must not be taken for an empty one.
        self._api.call("tags.create", {"name": tag})
        return self._api.listing("droplets.list", "droplets", tag_name=tag)
