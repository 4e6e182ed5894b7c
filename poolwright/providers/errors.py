"""The closed tree of what a VM provider, DNS server or directory can answer.

Policy is decided by type, never by text. An adapter maps each of its vendor's errors to one of these in one table; what
it does not know becomes `Transient`, never `NotFound`.
"""

from typing import ClassVar


class ProviderError(Exception):
    """Root of the tree. The message is for operators: one sentence on what happened and one on the way out.

    Adapters never put a secret into a message.
    """

    retryable: ClassVar[bool]
    """Whether the same call can succeed later without anybody changing the configuration."""


class AuthenticationFailed(ProviderError):
    """The credentials are wrong or expired. What exists is unknown."""

    retryable = False


class PermissionDenied(ProviderError):
    """The credentials are right but may not do this. What exists is unknown."""

    retryable = False


class QuotaExceeded(ProviderError):
    """The account's limit is reached; another place of the same account may do."""

    retryable = True


class CapacityUnavailable(ProviderError):
    """The provider has no room in this place now; another place may have."""

    retryable = True


class InvalidSettings(ProviderError):
    """The request can never succeed as configured: a missing image, a malformed override, a name out of rule."""

    retryable = False


class NotFound(ProviderError):
    """The VM does not exist. The only answer that means gone."""

    retryable = False


class Conflict(ProviderError):
    """Something with this name or id exists and is not ours, or an operation on it is in progress."""

    retryable = True


class NumberTaken(Conflict):
    """The number of the spec belongs to a VM that is not ours. It was left as it is; another number may do."""


class Throttled(ProviderError):
    """Too many calls. Slow down for the whole account; never a reason to fail a server."""

    retryable = True

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Transient(ProviderError):
    """Network trouble, a server error, an answer that was lost: what happened is unknown, ask again."""

    retryable = True
