"""The closed tree of what a directory can answer.

Policy is decided by type, never by text. What an adapter does not know becomes `Transient`, never `NotFound`.
"""

from typing import ClassVar


class DirectoryError(Exception):
    """Root of the tree. No message carries a secret."""

    retryable: ClassVar[bool]
    """Whether the same call can succeed later without anybody changing something."""

    def __init__(self, problem: str, remedy: str) -> None:
        """What happened and the way out, for operators; together they are the message."""
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class AuthenticationFailed(DirectoryError):
    """The service account was refused. Each further try counts towards its lock-out. What exists is unknown."""

    retryable = False


class PermissionDenied(DirectoryError):
    """The service account may not do this. What exists is unknown."""

    retryable = False


class NotFound(DirectoryError):
    """The object does not exist. The only answer that means gone."""

    retryable = False


class NameTaken(DirectoryError):
    """The computer name, or a service name that comes with it, belongs to an object that is not this server's.

    Nothing was changed. Another name may do.
    """

    retryable = False


class NotOurs(DirectoryError):
    """The object exists and does not bear the server's mark, so it is left alone. A person has to look."""

    retryable = False


class HasChildren(DirectoryError):
    """The record has objects below it and was to be deleted alone. Nothing was changed."""

    retryable = False


class InvalidSettings(DirectoryError):
    """The request can never succeed as configured: no such OU, a plain `ldap://` URL, a name out of rule."""

    retryable = False


class CertificateRefused(DirectoryError):
    """No domain controller showed a certificate that can be trusted, and nothing was sent to any of them."""

    retryable = False


class Unreachable(DirectoryError):
    """No domain controller answered. Nothing was changed."""

    retryable = True


class Transient(DirectoryError):
    """A domain controller failed in the middle: what happened is unknown, ask again."""

    retryable = True
