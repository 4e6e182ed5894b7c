"""Settings of the local provider."""

import os
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from poolwright.domain.base import Model

LOOPBACK: Final = IPv4Network("127.0.0.0/8")
THIS_COMPUTER: Final = IPv4Network("127.0.0.0/24")
SMALLEST_RANGE_BITS: Final = 30


def default_directory() -> Path:
    """`local-machines` in the data directory: `POOLWRIGHT_DATA_DIRECTORY`, or `.poolwright` in the current one."""
    return Path(os.environ.get("POOLWRIGHT_DATA_DIRECTORY", ".poolwright")) / "local-machines"


def _checked_range(address_range: IPv4Network) -> IPv4Network:
    if not address_range.subnet_of(LOOPBACK):
        raise ValueError(f"{address_range} is not inside {LOOPBACK}; choose a loopback range such as 127.77.0.0/16")
    if address_range.overlaps(THIS_COMPUTER):
        raise ValueError(f"{address_range} overlaps {THIS_COMPUTER}, the computer itself; choose another one")
    if address_range.prefixlen > SMALLEST_RANGE_BITS:
        raise ValueError(f"{address_range} has no address for a machine; choose a /{SMALLEST_RANGE_BITS} or larger")
    return address_range


class Settings(Model):
    """Where local machines live and what they get."""

    directory: Path = Field(default_factory=default_directory)
    """Holds one private subdirectory per machine. Several controllers may share it; each sees only its own."""
    shell: str = "bash"
    """The bash that runs startup scripts: a name on PATH, or a path."""
    address_range: Annotated[IPv4Network, AfterValidator(_checked_range)] = IPv4Network("127.77.0.0/16")
    """Each machine gets one address of this loopback range. Linux needs no set-up for it."""
    stop_grace_seconds: float = Field(default=2.0, ge=0, le=60)
    """How long a machine being deleted may tidy up between TERM and KILL."""
