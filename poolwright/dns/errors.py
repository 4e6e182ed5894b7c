"""The closed tree of what a DNS provider can answer.

Policy is decided by type, never by text. An adapter maps each of its vendor's errors to one of these in one table; what
it does not know becomes `Transient`. There is no "not found": to delete what is not there is a success.
"""

from typing import ClassVar


class DNSError(Exception):
    """Root of the tree. The message is for operators: one sentence on what happened and one on the way out.

    Adapters never put a secret into a message.
    """

    retryable: ClassVar[bool]
    """Whether the same call can succeed later without anybody changing the configuration."""


class AuthenticationFailed(DNSError):
    """The credentials are wrong or expired, or the clocks disagree. Which records exist is unknown."""

    retryable = False


class PermissionDenied(DNSError):
    """The credentials are right but may not do this. Which records exist is unknown."""

    retryable = False


class QuotaExceeded(DNSError):
    """The account or the zone can hold no more records."""

    retryable = True


class InvalidSettings(DNSError):
    """The request can never succeed as configured: a name in no zone, a zone that the server does not serve."""

    retryable = False


class NameTaken(DNSError):
    """The name has records that are not ours. They were left as they are, and nothing was written."""

    retryable = False


class Throttled(DNSError):
    """Too many calls. Slow down for the whole account; never a reason to fail a server."""

    retryable = True

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Transient(DNSError):
    """Network trouble, a server error, an answer that was lost: what happened is unknown, ask again."""

    retryable = True
