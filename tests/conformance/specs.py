"""What the cases ask for, and in whose name."""

import zlib

from pydantic import SecretStr

from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VMSpec

OURS = "controller-1"
THEIRS = "controller-2"
TOKEN_IN_SCRIPT = "check-in-token-that-nobody-may-see"
FIRST_NUMBER = 1_000
HOW_MANY_NUMBERS = 900_000
"""Where VMs are told apart by numbers, the harness's settings allow these."""
SCRIPT = f"#!/bin/bash\n# {TOKEN_IN_SCRIPT}\nexit 0\n"


def mark_of(server_id: str, controller_id: str = OURS) -> OwnerMark:
    """The owner mark of a server."""
    return OwnerMark(controller_id=controller_id, server_id=server_id)


def spec_of(
    server_id: str,
    *,
    attempt: int = 1,
    controller_id: str = OURS,
    place: str | None = None,
    script: str = SCRIPT,
    token_suffices: bool = False,
) -> VMSpec:
    """What is asked for a server: the same for the same arguments."""
    return VMSpec(
        mark=mark_of(server_id, controller_id),
        token=f"{controller_id}-{server_id}-{attempt}-{place}",
        token_suffices=token_suffices,
        hostname=f"host-{server_id}",
        startup_script=SecretStr(script),
        place=place,
        number=FIRST_NUMBER + zlib.crc32(f"{controller_id}/{server_id}".encode()) % HOW_MANY_NUMBERS,
    )
