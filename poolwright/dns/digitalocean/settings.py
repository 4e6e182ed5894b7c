"""Settings of the DigitalOcean DNS provider. No SDK is needed to check them."""

from typing import Annotated

from pydantic import AfterValidator

from poolwright.dns.names import domain_name
from poolwright.vendors.digitalocean import Account


class Settings(Account):
    """Which DigitalOcean account (team) has the domains, and which of them are ours to write."""

    domains: tuple[Annotated[str, AfterValidator(domain_name)], ...] = ()
    """Domains of the account that records are written to and swept; left out: all of them. A name goes to the one with
    the longest name that holds it. A token cannot be confined to one domain, so this is what confines us."""
