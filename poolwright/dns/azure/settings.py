"""Settings of Azure DNS. Azure's SDK is not needed to check them."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from poolwright.dns.names import domain_name, reverse_zone
from poolwright.vendors.azure import Account


class Visibility(StrEnum):
    """Who can ask a zone."""

    PUBLIC = "public"
    """The whole internet."""
    PRIVATE = "private"
    """The virtual networks that are linked to the zone."""


class Settings(Account):
    """Which subscription, as whom, and which of its zones."""

    # A machine has to be made somewhere; for zones it is only where to look.
    resource_group: Annotated[str, Field(min_length=1, max_length=90)] | None = None  # type: ignore[assignment]
    """The resource group that has the zones. Left out: all zones of the subscription."""
    visibility: Visibility = Visibility.PUBLIC
    """Whether records go to public or to private DNS zones."""
    zones: tuple[Annotated[str, AfterValidator(domain_name)], ...] = ()
    """Zones to write to and to sweep, such as `vdi.example.org`; none: all that are there. A name goes to the zone with
    the longest name that holds it."""
    reverse_zones: tuple[Annotated[str, AfterValidator(reverse_zone)], ...] = ()
    """Zones for PTR records, such as `2.0.192.in-addr.arpa`; none: all that are there."""
