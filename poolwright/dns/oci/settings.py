"""Settings of OCI DNS. Oracle's SDK is not needed to check them."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from poolwright.dns.names import domain_name, reverse_zone
from poolwright.vendors.oci import OCID, Account


class Visibility(StrEnum):
    """Who can ask a zone."""

    PUBLIC = "public"
    """The whole internet."""
    PRIVATE = "private"
    """The networks whose resolvers know the zone's view."""


class Settings(Account):
    """An account, and which zones of its compartment are meant."""

    visibility: Visibility = Visibility.PUBLIC
    """Whether records go to the compartment's public or to its private zones."""
    view_ocid: OCID | None = None
    """View that the private zones are in. Left out: all views. Needed where two views have a zone of the same name."""
    zones: tuple[Annotated[str, AfterValidator(domain_name)], ...] = ()
    """Zones to write to and to sweep; none: all that the compartment has. A name goes to the zone with the longest name
    that holds it."""
    reverse_zones: tuple[Annotated[str, AfterValidator(reverse_zone)], ...] = ()
    """Zones for PTR records; none: all that the compartment has below in-addr.arpa and ip6.arpa."""

    @model_validator(mode="after")
    def _only_private_zones_have_views(self) -> Self:
        if self.view_ocid is not None and self.visibility is not Visibility.PRIVATE:
            raise ValueError("view_ocid is for private zones: take it out, or set visibility to private")
        return self
