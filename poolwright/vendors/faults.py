"""What a vendor's answer means, before a room says it with its own errors."""

from enum import StrEnum


class Fault(StrEnum):
    """The kinds of trouble that every vendor has. A VM provider and a DNS provider map them to their trees."""

    AUTHENTICATION = "authentication"
    """The credentials are wrong or expired."""
    PERMISSION = "permission"
    """The credentials are right but may not do this."""
    QUOTA = "quota"
    """A limit of the account is reached."""
    CAPACITY = "capacity"
    """The vendor has no room in this place now."""
    INVALID = "invalid"
    """The request can never succeed as it is."""
    MISSING = "missing"
    """What was named does not exist."""
    CONFLICT = "conflict"
    """It exists already, or something else is being done to it."""
    THROTTLED = "throttled"
    """Too many calls."""
    UNKNOWN = "unknown"
    """Anything else: network trouble, a server error, a lost answer. What happened is not known."""
