"""Random ids of rows."""

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Lower case and without the letters that are mistaken for others: ids become names of DNS and of VMs."""


def new_id(prefix: str) -> str:
    """A random id that is never given twice: a letter and eleven characters."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(11))
