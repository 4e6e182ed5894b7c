"""Settings of Google Cloud DNS. Google's SDK is not needed to check them."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from poolwright.vendors.gcp import Account


class Visibility(StrEnum):
    """Who can ask a managed zone."""

    PUBLIC = "public"
    """The whole internet."""
    PRIVATE = "private"
    """The networks that the zone is bound to."""


ZoneName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""The name of a managed zone in its project, such as `vdi-example-org`: not its DNS name."""


class Settings(Account):
    """Which project, as whom, and which of its managed zones."""

    visibility: Visibility = Visibility.PUBLIC
    """Whether records go to the project's public or to its private zones."""
    zones: tuple[ZoneName, ...] = ()
    """Managed zones to write to and to sweep; none: all that the project has. A name goes to the zone with the longest
    DNS name that holds it. Needed where two zones have the same DNS name."""
    reverse_zones: tuple[ZoneName, ...] = ()
    """Managed zones for PTR records; none: all that the project has below in-addr.arpa and ip6.arpa."""
