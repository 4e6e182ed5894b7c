"""What is asked of a guest through its QEMU guest agent: its addresses, and to run the startup script."""

import base64
import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from poolwright.providers.base import ScriptResult
from poolwright.providers.errors import InvalidSettings, Transient
from poolwright.providers.proxmox.guest_programs import command, part_path
from poolwright.providers.proxmox.listing import Row
from poolwright.providers.proxmox.settings import Settings
from poolwright.vendors.proxmox import API, Refused

PART_CHARACTERS: Final = 61_440
"""The most that the API takes to write into a guest's file at once."""

_NO_ANSWER: Final = re.compile(r"guest agent|got timeout|not running", re.IGNORECASE)
_NO_DIRECTORY: Final = re.compile(r"no such file|cannot find the|not a directory", re.IGNORECASE)
_MAC: Final = re.compile(r"([0-9a-f]{2}(:[0-9a-f]{2}){5})", re.IGNORECASE)

Address = IPv4Address | IPv6Address
Addresses = tuple[str | None, str | None]
"""Public address, or the only one; private address."""


class Guests:
    """The guests of one cluster. Instances may be shared by threads. Raises `Refused` and errors of the tree."""

    def __init__(self, api: API, settings: Settings) -> None:
        self._api = api
        self._settings = settings
        self._processes: dict[int, int] = {}
        """VM -> process in it whose end is waited for. Another worker starts one more, which tells the same."""

    def addresses(self, row: Row) -> Addresses:
        """The addresses that the guest tells; none while its agent does not answer."""
        try:
            interfaces = self._api.get(f"{row.path}/agent/network-get-interfaces")["result"] or []
        except Refused as refused:
            if _does_not_answer(refused):
                return None, None
            raise
        found = {_mac_of(interface): _usable(interface) for interface in interfaces if _usable(interface)}
        if len(found) > 1:
            # Containers and tunnels inside the guest have interfaces, too. The VM's own are in its configuration.
            own = self._own_macs(row)
            found = {mac: addresses for mac, addresses in found.items() if mac in own} or found
        return _chosen([address for addresses in found.values() for address in addresses])

    def run(self, row: Row, script: str) -> ScriptResult:
        """Run the script once, or tell how its first run ended. `finished=False` while it runs, and while the agent
        does not answer."""
        try:
            process = self._processes.get(row.number)
            if process is None:
                process = self._processes[row.number] = self._start(row, script.encode())
            status = self._api.get(f"{row.path}/agent/exec-status", pid=process)
        except Refused as refused:
            if refused.status != 500:
                raise
            # The agent is away, or knows nothing of this process: it has told of it before, or was restarted.
            known = self._processes.pop(row.number, None) is not None
            if known or _does_not_answer(refused):
                return ScriptResult(finished=False)
            raise
        if not int(status.get("exited") or 0):
            return ScriptResult(finished=False)
        self._processes.pop(row.number, None)
        return _result(row, status)

    def forget(self, number: int) -> None:
        """This VM is gone; another may get its number."""
        self._processes.pop(number, None)

    def _start(self, row: Row, script: bytes) -> int:
        directory, os_type = self._settings.script_directory, self._settings.os_type
        for number, part in enumerate(parts_of(script), start=1):
            self._write(row, part_path(os_type, directory, number), part)
        started = self._api.post(f"{row.path}/agent/exec", {"command": list(command(os_type, directory, script))})
        return int(started["pid"])

    def _write(self, row: Row, path: str, text: str) -> None:
        try:
            self._api.post(f"{row.path}/agent/file-write", {"file": path, "content": text})
        except Refused as refused:
            if not _NO_DIRECTORY.search(str(refused)):
                raise
            raise InvalidSettings(
                f"{path} cannot be written in VM {row.number}; name a directory that the template has as "
                "startup_script_path, and see that os_type is right"
            ) from None

    def _own_macs(self, row: Row) -> frozenset[str]:
        configuration: Mapping[str, Any] = self._api.get(f"{row.path}/config")
        nets = (str(value) for name, value in configuration.items() if re.fullmatch(r"net\d+", name))
        return frozenset(found[1].lower() for net in nets if (found := _MAC.search(net)))


def parts_of(script: bytes) -> Sequence[str]:
    """The script as text that any agent writes unchanged: compressed, in base64, in parts that the API takes."""
    text = base64.b64encode(gzip.compress(script, mtime=0)).decode("ascii")
    return [text[start : start + PART_CHARACTERS] for start in range(0, len(text), PART_CHARACTERS)]


def _does_not_answer(refused: Refused) -> bool:
    return refused.status == 500 and _NO_ANSWER.search(str(refused)) is not None


def _result(row: Row, status: Mapping[str, Any]) -> ScriptResult:
    first, _, output = _text(status.get("out-data")).partition("\n")
    word, _, code = first.strip().partition(" ")
    if word == "ended" and code.lstrip("-").isdigit():
        return ScriptResult(finished=True, exit_code=int(code), output=output)
    if word == "lost":
        said = "The guest was restarted, or the script was killed, before it ended; it is not run a second time.\n"
        return ScriptResult(finished=True, output=said + output)
    if word == "damaged":
        raise Transient(f"the startup script arrived damaged in VM {row.number} and was not run; it is written again")
    told = _text(status.get("err-data")).strip()[-200:] or first[:200] or "nothing"
    raise Transient(
        f"the startup script was not started in VM {row.number}, which says: {told}; see that startup_script_path is a "
        "directory there and os_type is right"
    )


def _text(data: Any) -> str:
    text = str(data or "")
    try:
        # Proxmox VE hands bytes on as if each were a character.
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _mac_of(interface: Mapping[str, Any]) -> str:
    return str(interface.get("hardware-address") or interface.get("name") or "").lower()


def _usable(interface: Mapping[str, Any]) -> list[Address]:
    told = (str(one.get("ip-address") or "").partition("%")[0] for one in interface.get("ip-addresses") or ())
    found = []
    for text in told:
        try:
            address = ip_address(text)
        except ValueError:
            continue
        if not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast):
            found.append(address)
    return found


def _chosen(addresses: Iterable[Address]) -> Addresses:
    ordered = sorted(addresses, key=lambda address: address.version)
    private = next((str(address) for address in ordered if not address.is_global), None)
    public = next((str(address) for address in ordered if address.is_global), None)
    return public or private, private
