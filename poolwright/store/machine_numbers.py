"""Numbers that tell VMs apart at providers which have no names for that (Proxmox's VM ids), reserved for servers.

All configs of one kind of provider draw from the same numbers: two of them may well name the same cluster.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from poolwright.store.tables import EXISTING, ServerRow


class NumbersExhausted(RuntimeError):
    """No number in the range is free."""


def reserve_number(session: Session, row: ServerRow, first: int, last: int) -> int:
    """The number of this server, the lowest free one from `first` to `last` if it has none yet.

    It is free again once the server is deleted, and so its VM proven gone. Raises `NumbersExhausted`. Of two that
    reserve at the same time one fails at its commit, and may do it again.
    """
    if row.machine_number is None:
        row.machine_number = _lowest_free(session, row, first, last)
    return row.machine_number


def reserve_another(session: Session, row: ServerRow, first: int, last: int) -> int:
    """Give the server the next free number above the one it has, which belongs to somebody else outside; after the last
    one, the first. Raises `NumbersExhausted`."""
    above = (row.machine_number or first - 1) + 1
    try:
        row.machine_number = _lowest_free(session, row, above, last)
    except NumbersExhausted:
        row.machine_number = _lowest_free(session, row, first, last)
    return row.machine_number


def _lowest_free(session: Session, row: ServerRow, first: int, last: int) -> int:
    numbers = select(ServerRow.machine_number).where(
        ServerRow.provider == row.provider,
        EXISTING,
        ServerRow.machine_number.between(first, last),
    )
    taken = set(session.scalars(numbers))
    free = next((number for number in range(first, last + 1) if number not in taken), None)
    if free is None:
        raise NumbersExhausted(
            f"all numbers from {first} to {last} are taken by {len(taken)} servers: widen the range in the settings"
        )
    return free
