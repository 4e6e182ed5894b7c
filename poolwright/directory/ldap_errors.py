"""What the LDAP library raises and answers -> the closed error tree, one table."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from ldap3 import Connection
from ldap3.core import exceptions as ldap

from poolwright.directory.errors import (
    AuthenticationFailed,
    DirectoryError,
    HasChildren,
    InvalidSettings,
    NameTaken,
    NotFound,
    PermissionDenied,
    Transient,
)

_LONGEST_SHOWN: Final = 300

_TABLE: Mapping[type[Exception], tuple[type[DirectoryError], str]] = {
    ldap.LDAPInvalidCredentialsResult: (AuthenticationFailed, "correct the service account's name and password"),
    ldap.LDAPInappropriateAuthenticationResult: (AuthenticationFailed, "give the service account a password"),
    ldap.LDAPInsufficientAccessRightsResult: (
        PermissionDenied,
        "give the service account the rights that the check of this LDAP config names, also where records are moved to",
    ),
    ldap.LDAPNoSuchObjectResult: (NotFound, "see that the name is right"),
    ldap.LDAPInvalidDNSyntaxResult: (InvalidSettings, "correct the distinguished name"),
    ldap.LDAPInvalidDnError: (InvalidSettings, "correct the distinguished name"),
    ldap.LDAPNamingViolationResult: (InvalidSettings, "name an OU or a container, which can hold computers"),
    ldap.LDAPEntryAlreadyExistsResult: (NameTaken, "take another name"),
    ldap.LDAPConstraintViolationResult: (InvalidSettings, "correct what it names"),
    ldap.LDAPInvalidAttributeSyntaxResult: (InvalidSettings, "correct what it names"),
    ldap.LDAPObjectClassViolationResult: (InvalidSettings, "see that this is an Active Directory domain"),
    ldap.LDAPUnwillingToPerformResult: (InvalidSettings, "correct what it names"),
    ldap.LDAPNotAllowedOnNotLeafResult: (HasChildren, "delete the objects below it, or set recursive_cleanup"),
}

_REFERRAL: Final = 10

_BIND_REASONS: Mapping[str, str] = {
    "525": "there is no such account",
    "52e": "wrong name or password",
    "530": "the account may not log on at this hour",
    "531": "the account may not log on from this machine",
    "532": "the account's password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the account must change its password first",
    "775": "the account is locked",
}


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise as errors of the tree what the LDAP library raises within; `doing` says what was tried."""
    try:
        yield
    except (ldap.LDAPException, OSError) as error:
        problem = f"{doing} failed: {words_of(error)}"
        for kind, (becomes, way_out) in _TABLE.items():
            if isinstance(error, kind):
                raise becomes(problem, way_out) from error
        raise Transient(problem, "it is not known what was done: ask again") from error


def require_success(connection: Connection) -> None:
    """Raise for the answers that the LDAP library lets pass: referrals and exceeded limits."""
    result = connection.result
    if result["result"] == 0:
        return
    if result["result"] == _REFERRAL:
        # Never followed: the library would log on there, in clear if the referral says so.
        raise InvalidSettings(
            "the domain controller refers to another server, so the name is not in its domain",
            "name domain controllers of that domain in urls",
        )
    raise Transient(f"the domain controller answered {result['description']}", "ask again")


def bind_reason(error: ldap.LDAPOperationResult) -> str:
    """Why the account was refused, as far as the domain controller says."""
    code = re.search(r"data ([0-9a-f]+)", error.message or "")
    if code is None:
        return words_of(error)
    return _BIND_REASONS.get(code[1], f"refused with code {code[1]}")


def words_of(error: Exception) -> str:
    """What the error says, on one line and not too long."""
    if isinstance(error, ldap.LDAPOperationResult):
        text = f"{error.description}: {error.message}" if error.message else str(error.description)
    else:
        text = str(error) or type(error).__name__
    text = " ".join(text.replace("\x00", " ").split())
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
