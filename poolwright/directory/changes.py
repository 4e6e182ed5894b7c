"""Changing objects of a directory. Raises what the LDAP library raises, and the tree's errors for what it lets pass."""

from collections.abc import Mapping, Sequence
from typing import Any

from ldap3 import MODIFY_REPLACE, Connection

from poolwright.directory.ldap_errors import require_success


def add(connection: Connection, dn: str, classes: Sequence[str], attributes: Mapping[str, Any]) -> None:
    """Create the object."""
    connection.add(dn, list(classes), dict(attributes))  # type: ignore[no-untyped-call]
    require_success(connection)


def replace(connection: Connection, dn: str, values: Mapping[str, str | bytes]) -> None:
    """Give the object's attributes these values, all or none."""
    changes = {name: [(MODIFY_REPLACE, [value])] for name, value in values.items()}
    connection.modify(dn, changes)  # type: ignore[no-untyped-call]
    require_success(connection)


def delete(connection: Connection, dn: str) -> None:
    """Delete the object, which has none below it."""
    connection.delete(dn)  # type: ignore[no-untyped-call]
    require_success(connection)


def delete_tree(connection: Connection, dn: str) -> None:
    """Delete the object and all below it. Needs a right of its own, even where nothing is below."""
    connection.delete(dn, controls=[("1.2.840.113556.1.4.805", True, None)])  # type: ignore[no-untyped-call]
    require_success(connection)
