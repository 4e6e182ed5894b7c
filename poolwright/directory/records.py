"""What is said about computer records."""

from datetime import datetime
from uuid import UUID

from pydantic import SecretStr

from poolwright.domain.base import Model
from poolwright.domain.identities import OwnerMark


class ComputerRecord(Model):
    """A record that a machine can join with."""

    object_guid: UUID
    """Stays the same when the record is renamed or moved: store it."""
    dn: str
    join_password: SecretStr
    """Good for one join, in which the machine sets a password of its own."""
    domain_controller: str
    """Where the record was written. The others do not know it before it has replicated to them."""


class OwnedComputer(Model):
    """A record that bears a mark of this installation."""

    object_guid: UUID
    dn: str
    name: str
    """Computer name in capitals, without the trailing dollar sign."""
    mark: OwnerMark
    created_at: datetime
    """By the domain controller's clock, in UTC."""
