"""What a DNS provider has to bring to be driven by the conformance suite.

A test file subclasses `DNSConformance`, declares `abilities` and gives a `harness` per test:

    class TestExample(DNSConformance):
        abilities = frozenset({Fault.AUTHENTICATION, Feature.REVERSE})

        @pytest.fixture
        def harness(self) -> Iterator[Harness]:
            ...

A case that needs an ability which is not declared does not exist for that provider: nothing is skipped when tests run.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar

from poolwright.dns.base import DNSProvider

Case = TypeVar("Case", bound=Callable[..., None])


class Fault(StrEnum):
    """What can go wrong at the service. In brackets: the calls that have to meet it."""

    AUTHENTICATION = "authentication"
    """The credentials are refused. [all]"""
    PERMISSION = "permission"
    """The credentials may neither write nor list. [all]"""
    THROTTLED = "throttled"
    """Too many calls. [all]"""
    TRANSIENT = "transient"
    """Every call fails before it has an effect, as if the network were down. [all]"""
    LOST_RESPONSE = "lost response"
    """Changes are made, then the connection breaks. [upsert, delete]"""


class Feature(StrEnum):
    """What a provider or its harness has."""

    REVERSE = "reverse"
    """PTR records are written for 192.0.2.0/24 and for 2001:db8::/32."""
    NESTED_ZONE = "nested zone"
    """`agents.<base domain>` is a zone of its own, which the provider serves too."""
    MEANWHILE = "meanwhile"
    """The harness can let something happen just before a change reaches the service."""
    WILDCARDS = "wildcards"
    """The service has wildcard records."""
    SEVERAL_MARKS = "several marks"
    """A name can bear more marks than one."""


class Seen(NamedTuple):
    """A record at the service."""

    name: str
    """Lower-case, without a dot at its end."""
    kind: str
    data: str
    """As in a zone file: names with a dot at their end, texts in double quotes."""


class Harness(Protocol):
    """One account with empty zones. Made anew for each case."""

    base_domain: str
    """A zone of the account."""

    def open(self, controller_id: str) -> DNSProvider:
        """A provider on this account, opened anew each time, as another worker would."""
        ...

    def open_misconfigured(self) -> tuple[DNSProvider, Sequence[str]]:
        """A provider with settings that open but are wrong in at least two ways, and the names `check` must give."""
        ...

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        """Let providers opened before and within meet this fault until the block ends. Only declared faults."""
        ...

    def meanwhile(self, step: Callable[[], None]) -> None:
        """Let this happen when the next change is under way and has had no effect yet.

        Only with `Feature.MEANWHILE`.
        """
        ...

    def write(self, name: str, kind: str, data: str) -> None:
        """Add a record as somebody else does, without regard to owner marks. `data` as in `Seen`."""
        ...

    def remove(self, name: str, kind: str) -> None:
        """Remove records as somebody else does."""
        ...

    def seen(self) -> frozenset[Seen]:
        """All that is in the account's zones now, but for what every zone has at its top."""
        ...

    def ttl_seconds(self, name: str, kind: str) -> int:
        """The TTL that these records have."""
        ...

    def secrets(self) -> Sequence[str]:
        """The credentials in this account's settings: what must never show."""
        ...


def needs(*abilities: Fault | Feature) -> Callable[[Case], Case]:
    """Mark a case as one for providers with all these abilities."""

    def mark(case: Case) -> Case:
        setattr(case, _ABILITIES, frozenset(abilities))
        return case

    return mark


def needed_by(case: object) -> frozenset[Fault | Feature]:
    """The abilities that the case needs."""
    found: frozenset[Fault | Feature] = getattr(case, _ABILITIES, frozenset())
    return found


_ABILITIES = "needed_abilities"
