"""The way to the DNS servers: signed messages, time limits, and the next server when one does not answer."""

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import dns.message
import dns.query
import dns.xfr
import dns.zone
from dns.flags import Flag
from dns.rcode import Rcode
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.tsig import Key
from dns.update import UpdateMessage

from poolwright.dns.errors import Transient
from poolwright.dns.rfc2136.errors import UNMET_PREREQUISITE, error_of_code, translated
from poolwright.dns.rfc2136.settings import Endpoint, Settings, endpoint
from poolwright.dns.rfc2136.updates import wire_name

AVOIDED_SECONDS: Final = 30.0
"""A server that did not answer is asked last for so long, so that a dead one does not cost its timeout each time."""

Answer = TypeVar("Answer")


class Servers:
    """The servers of one provider. Every method asks them in order until one answers, whatever the answer is.

    `Transient` means that none did. Any other error is one server's answer, and so the end: a wrong key must show.
    """

    def __init__(self, settings: Settings, endpoints: Sequence[Endpoint] = ()) -> None:
        self._settings = settings
        self._endpoints = tuple(endpoints) or tuple(endpoint(text) for text in settings.servers)
        self._avoided_until: dict[Endpoint, float] = {}

    def each(self) -> "Sequence[tuple[Endpoint, Servers]]":
        """Each server, and the way to it alone."""
        return [(one, Servers(self._settings, [one])) for one in self._endpoints]

    def update(self, message: UpdateMessage, action: str) -> bool:
        """Whether the update was carried out; False: its conditions do not hold, so nothing was done."""
        return self._first_answer(lambda server: self._exchange(server, message, action)).rcode() == Rcode.NOERROR

    def query(self, name: str, kind: RdataType) -> dns.message.Message:
        """What the servers know of this name from their own zones. A name that does not exist is an empty answer."""
        message = dns.message.make_query(wire_name(name), kind)
        message.flags &= ~Flag.RD
        action = f"asked for the {kind.name} records of {name}"
        return self._first_answer(lambda server: self._exchange(server, message, action))

    def records(self, name: str, kind: RdataType) -> Sequence[Rdata]:
        """The records of this kind at this very name; none where it does not exist."""
        rrsets = self.query(name, kind).answer
        return [
            record for rrset in rrsets if rrset.name == wire_name(name) and rrset.rdtype == kind for record in rrset
        ]

    def transfer(self, zone: str) -> dns.zone.Zone:
        """All records of the zone."""
        return self._first_answer(lambda server: self._transfer(server, zone))

    def _first_answer(self, ask: Callable[[Endpoint], Answer]) -> Answer:
        problems = []
        for server in self._in_order():
            try:
                answer = ask(server)
            except Transient as problem:
                self._avoided_until[server] = time.monotonic() + AVOIDED_SECONDS
                problems.append(str(problem))
            else:
                self._avoided_until.pop(server, None)
                return answer
        raise Transient("; ".join(problems))

    def _in_order(self) -> Sequence[Endpoint]:
        now = time.monotonic()
        return sorted(self._endpoints, key=lambda server: self._avoided_until.get(server, 0) > now)

    def _exchange(self, server: Endpoint, message: dns.message.Message, action: str) -> dns.message.Message:
        self._sign(message)
        with translated(server, action):
            answer = self._send(server, message)
        code = answer.rcode()
        if code != Rcode.NOERROR and code not in UNMET_PREREQUISITE:
            raise error_of_code(code, server, action)
        return answer

    def _send(self, server: Endpoint, message: dns.message.Message) -> dns.message.Message:
        where, timeout = str(server.address), self._settings.timeout_seconds
        if self._settings.transport == "tcp":
            return dns.query.tcp(message, where, timeout, server.port)
        answer, _ = dns.query.udp_with_fallback(message, where, timeout, server.port, ignore_unexpected=True)
        return answer

    def _transfer(self, server: Endpoint, zone: str) -> dns.zone.Zone:
        settings, action = self._settings, f"asked for the whole zone {zone}"
        content = dns.zone.Zone(wire_name(zone), relativize=False)
        message, _ = dns.xfr.make_query(content)
        self._sign(message)
        with translated(server, action):
            dns.query.inbound_xfr(
                str(server.address),
                content,
                message,
                server.port,
                timeout=settings.timeout_seconds,
                lifetime=settings.transfer_timeout_seconds,
            )
        return content

    def _sign(self, message: dns.message.Message) -> None:
        if (key := self._settings.key) is not None:
            message.use_tsig(Key(key.name, key.secret.get_secret_value(), key.algorithm))
