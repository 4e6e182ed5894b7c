"""What is attached to a droplet and would outlive it: reserved IPs and volumes."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from poolwright.domain.identities import OwnerMark
from poolwright.providers.digitalocean.requests import controller_tag
from poolwright.vendors.digitalocean import API, Refused
from poolwright.vendors.faults import Fault
from poolwright.vendors.shared_read import SharedRead

Items = tuple[Mapping[str, Any], ...]

_RECENT_SECONDS: Final = 3.0


class Attachments:
    """Deletes a droplet's reserved IPs before it and its volumes after it. Instances may be shared by threads.

    A volume cannot go before its droplet, and the droplet, which bears the owner mark, then cannot tell of it any more.
    So it is tagged with the mark first.
    """

    def __init__(self, api: API, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._clock = api, clock
        self._reserved: tuple[float, Items] | None = None
        self._tagged: set[str] = set()
        self._lists: SharedRead[str, Items] = SharedRead(
            self._list, lambda keys: {key: self._list(key) for key in keys}
        )

    def release(self, droplet: Mapping[str, Any], mark: OwnerMark) -> None:
        """Before the droplet is destroyed. Raises `Refused`; until it did not, the droplet has to stay."""
        for reserved in self._reserved_ips():
            if (reserved.get("droplet") or {}).get("id") == droplet["id"]:
                self._delete("reserved_ips.delete", reserved["ip"])
        volumes = droplet.get("volume_ids") or ()
        for tag in _tags(mark) if volumes else ():
            self._tag(tag, volumes)
        if volumes:
            self._tagged.add(mark.server_id)

    def clear(self, mark: OwnerMark) -> bool:
        """After the droplet is gone: True when no volume bears the mark any more. Raises `Refused`."""
        wanted = set(_tags(mark))
        left = [volume for volume in self._all("volumes") if wanted <= set(volume.get("tags") or ())]
        for volume in left:
            # It is let go a moment after its droplet is gone.
            if not volume.get("droplet_ids"):
                self._delete("volumes.delete", volume["id"])
        if not left and mark.server_id in self._tagged:
            # The tag of one server is of no more use. After a crash in between it stays, empty.
            self._delete("tags.delete", _server_tag(mark))
            self._tagged.discard(mark.server_id)
        return not left

    def _reserved_ips(self) -> Items:
        # Only people attach them: what three seconds ago was not attached may be overlooked, as if it came too late.
        last, now = self._reserved, self._clock()
        if last is None or now - last[0] >= _RECENT_SECONDS:
            last = self._reserved = now, self._all("reserved_ips")
        return last[1]

    def _all(self, group: str) -> Items:
        items = self._lists.read(group)
        assert items is not None
        return items

    def _list(self, group: str) -> Items:
        listing = self._api.listing(f"{group}.list", group)
        if not listing.whole:
            raise Refused(Fault.UNKNOWN, f"{group}.list: something was deleted while it was read")
        return listing.items

    def _tag(self, tag: str, volumes: Sequence[str]) -> None:
        try:
            self._api.call("tags.create", {"name": tag})
        except Refused as refused:
            if refused.fault is not Fault.CONFLICT:
                raise
        resources = [{"resource_id": volume, "resource_type": "volume"} for volume in volumes]
        self._api.call("tags.assign_resources", tag, {"resources": resources})

    def _delete(self, operation: str, identifier: str) -> None:
        try:
            self._api.call(operation, identifier)
        except Refused as refused:
            if refused.fault is not Fault.MISSING:
                raise


def _tags(mark: OwnerMark) -> tuple[str, str]:
    return controller_tag(mark.controller_id), _server_tag(mark)


def _server_tag(mark: OwnerMark) -> str:
    return f"poolwright-server:{mark.server_id}"
