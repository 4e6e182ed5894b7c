"""What all cases of the DNS suite share: the account of the case, and what is asked of it."""

from typing import ClassVar

import pytest

from poolwright.dns.base import AddressRecord, DNSProvider
from poolwright.dns.names import owner_name
from poolwright.domain.identities import OwnerMark
from tests.dns.harness import Fault, Feature, Harness, Seen, needed_by

OURS = "controller-1"
THEIRS = "controller-2"
ADDRESS = "192.0.2.5"
OTHER_ADDRESS = "192.0.2.6"
ADDRESS_6 = "2001:db8::5"
REVERSE = "5.2.0.192.in-addr.arpa"
OTHER_REVERSE = "6.2.0.192.in-addr.arpa"
REVERSE_6 = f"5.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa"


class Account:
    """Base of all cases: each has an account with empty zones, and a provider on it that is controller `OURS`."""

    abilities: ClassVar[frozenset[Fault | Feature]] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "abilities" in vars(cls):
            _drop_impossible_cases(cls)

    @pytest.fixture
    def provider(self, harness: Harness) -> DNSProvider:
        return harness.open(OURS)

    @pytest.fixture
    def name(self, harness: Harness) -> str:
        """The name of server `a`."""
        return f"a.{harness.base_domain}"


def mark_of(server_id: str = "a", controller_id: str = OURS) -> OwnerMark:
    """The owner mark of a server."""
    return OwnerMark(controller_id=controller_id, server_id=server_id)


def record_of(name: str, *addresses: str, ttl_seconds: int = 60, ptr: bool = False) -> AddressRecord:
    """What is asked for a name, `ADDRESS` unless others are given."""
    return AddressRecord.model_validate(
        {"fqdn": name, "addresses": addresses or (ADDRESS,), "ttl_seconds": ttl_seconds, "ptr": ptr}
    )


def marked(name: str, mark: OwnerMark) -> Seen:
    """The owner mark of this name, as the service has it."""
    return Seen(owner_name(name), "TXT", f'"{mark.text()}"')


def forward(name: str, *addresses: str, mark: OwnerMark | None = None) -> frozenset[Seen]:
    """What the service has for a name with these addresses and this mark, by default that of server `a`."""
    kinds = {address: "AAAA" if ":" in address else "A" for address in addresses or (ADDRESS,)}
    return frozenset({marked(name, mark or mark_of()), *(Seen(name, kind, one) for one, kind in kinds.items())})


def reverse(reverse_name: str, name: str, mark: OwnerMark | None = None) -> frozenset[Seen]:
    """What the service has for the way back to a name."""
    return frozenset({Seen(reverse_name, "PTR", f"{name}."), marked(reverse_name, mark or mark_of())})


def _drop_impossible_cases(cls: type[Account]) -> None:
    for name in dir(cls):
        if name.startswith("test_") and needed_by(getattr(cls, name)) - cls.abilities:
            setattr(cls, name, None)
