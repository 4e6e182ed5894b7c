"""One-time passwords of computer records."""

import secrets
import string
from typing import Final

from pydantic import SecretStr

_LENGTH: Final = 32
# Letters and digits only: nothing that a shell, PowerShell or a Kerberos tool would have to quote.
_ALPHABET: Final = string.ascii_letters + string.digits


def new_join_password() -> SecretStr:
    """A random password of 190 bits with lower-case letters, capitals and digits.

    No domain policy looks at computers' passwords, so its strength rests here alone.
    """
    while True:
        password = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        if all(any(test(c) for c in password) for test in (str.islower, str.isupper, str.isdigit)):
            return SecretStr(password)


def as_unicode_pwd(password: SecretStr) -> bytes:
    """The value of the attribute `unicodePwd` that sets this password."""
    return f'"{password.get_secret_value()}"'.encode("utf-16-le")
