"""Settings of the Route 53 provider. No SDK is needed to check them."""

from typing import Annotated

from pydantic import AfterValidator, Field

from poolwright.vendors.aws import Account


def _bare(zone_id: str) -> str:
    return zone_id.removeprefix("/hostedzone/")


class Settings(Account):
    """Which AWS account has the hosted zones, and which of them are ours to write."""

    private_zones: bool = False
    """Write to the account's private hosted zones, which only their VPCs see, instead of its public ones."""
    hosted_zone_ids: tuple[
        Annotated[str, Field(pattern=r"^(/hostedzone/)?[A-Z0-9]{1,32}$"), AfterValidator(_bare)], ...
    ] = ()
    """Hosted zones that records are written to and swept, such as `Z0123456789ABCDEFGHIJ`; left out: all of the account
    that are public (or private). Needed where two of these have the same name."""
