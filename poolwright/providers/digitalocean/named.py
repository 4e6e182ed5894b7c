"""What the settings name and requests need by number: SSH keys, and the firewall with its tag."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from poolwright.providers.digitalocean.requests import firewall_tag
from poolwright.providers.digitalocean.settings import Settings
from poolwright.providers.errors import InvalidSettings
from poolwright.vendors.digitalocean import API, Refused
from poolwright.vendors.faults import Fault

MOST_FIREWALL_TAGS: Final = 5

# A firewall that lost its tag would leave new droplets open; a look for each droplet would cost as much as making it.
_TRUSTED_SECONDS: Final = 300.0


class NamedThings:
    """The account's things that the settings name. Looked up when they are needed and trusted for five minutes."""

    def __init__(self, api: API, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._settings, self._clock = api, settings, clock
        self._lock = threading.Lock()
        self._ssh_keys: tuple[int, ...] = ()
        self._looked_at: float | None = None

    def ready(self) -> Sequence[int]:
        """The numbers of the SSH keys; the firewall is tied to its tag, which exists.

        Raises `InvalidSettings` for a name that the account does not have, and `Refused`.
        """
        with self._lock:
            if self._looked_at is None or self._clock() - self._looked_at >= _TRUSTED_SECONDS:
                self._ssh_keys = self._find_ssh_keys()
                self._tie_firewall()
                self._looked_at = self._clock()
            return self._ssh_keys

    def forget(self) -> None:
        """Look everything up again next time: a request with these was refused."""
        with self._lock:
            self._looked_at = None

    def _find_ssh_keys(self) -> tuple[int, ...]:
        wanted = self._settings.ssh_key_names
        if not wanted:
            return ()
        known = {key["name"]: int(key["id"]) for key in self._api.pages("ssh_keys.list", "ssh_keys")}
        missing = [name for name in wanted if name not in known]
        if missing:
            raise InvalidSettings(f"there is no SSH key {', '.join(missing)}; add it to the account, or mend its name")
        return tuple(known[name] for name in wanted)

    def _tie_firewall(self) -> None:
        name = self._settings.firewall_name
        if name is None:
            return
        tag = firewall_tag(name)
        firewall = next((one for one in self._api.pages("firewalls.list", "firewalls") if one["name"] == name), None)
        if firewall is None:
            raise InvalidSettings(f"there is no firewall {name!r}; make it in the account, or mend firewall_name")
        if tag in (firewall.get("tags") or ()):
            return
        try:
            # DigitalOcean refuses to tie a firewall to a tag that does not exist yet.
            self._api.call("tags.create", {"name": tag})
        except Refused as refused:
            if refused.fault is not Fault.CONFLICT:
                raise
        self._api.call("firewalls.add_tags", firewall["id"], {"tags": [tag]})
