"""An administrator of the test domain, with tools that are not the project's own."""

import ssl
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from ldap3 import BASE, NONE, SUBTREE, Connection, Server, Tls
from ldap3.core.exceptions import LDAPNoSuchObjectResult
from ldap3.utils.dn import parse_dn

from tests.servers.samba import BASE_DN, DOMAIN, DomainController

COMPUTER_CLASSES = ["top", "person", "organizationalPerson", "user", "computer"]
CONNECTION_POINT_CLASSES = ["top", "leaf", "connectionPoint", "serviceConnectionPoint"]
COMPUTER = "bf967a86-0de6-11d0-a285-00aa003049e2"
DELEGATION: Mapping[str, str] = {
    "create": f"(OA;;CC;{COMPUTER};;{{sid}})",
    "delete": f"(OA;;DC;{COMPUTER};;{{sid}})",
    "reset the password": f"(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;{COMPUTER};{{sid}})",
    "account restrictions": f"(OA;CIIO;WP;4c164200-20c0-11d0-a768-00aa006e0529;{COMPUTER};{{sid}})",
    "objects below": f"(OA;CIIO;DT;;{COMPUTER};{{sid}})",
}
"""What `docs/directory.md` has an administrator grant, in the notation of access lists."""


class Administrator:
    """May do all. Each call is a connection of its own."""

    def __init__(self, domain_controller: DomainController) -> None:
        self._domain_controller = domain_controller

    def add_ou(self, dn: str) -> str:
        """Make the OU; its name again."""
        self.add(dn, ["top", "organizationalUnit"], {})
        return dn

    def add_account(self, name: str, password: str, *, disabled: bool = False) -> str:
        """Make a user without any rights; its security identifier."""
        attributes = {
            "sAMAccountName": name,
            "userPrincipalName": f"{name}@{DOMAIN}",
            "userAccountControl": "514" if disabled else "512",
            "unicodePwd": f'"{password}"'.encode("utf-16-le"),
        }
        dn = f"CN={name},CN=Users,{BASE_DN}"
        self.add(dn, COMPUTER_CLASSES[:-1], attributes)
        return self.security_identifier(dn)

    def add_group(self, name: str, member: str) -> str:
        """Make a group with one member, named by its distinguished name; the group's security identifier."""
        dn = f"CN={name},CN=Users,{BASE_DN}"
        self.add(dn, ["top", "group"], {"sAMAccountName": name, "member": member})
        return self.security_identifier(dn)

    def security_identifier(self, dn: str) -> str:
        """The object's SID in the notation of access lists."""
        attributes = self.attributes(dn)
        assert attributes is not None
        sid = attributes["objectSid"][0]
        parts = struct.unpack_from(f"<{sid[1]}I", sid, 8)
        return "-".join(map(str, ("S", sid[0], int.from_bytes(sid[2:8], "big"), *parts)))

    def delegate(self, ou_dn: str, sid: str, *rights: str) -> None:
        """Grant these rights of `DELEGATION` on the OU; all of them, if none is named."""
        entries = "".join(DELEGATION[right] for right in rights or DELEGATION).format(sid=sid)
        self.grant(ou_dn, entries)

    def grant(self, ou_dn: str, entries: str) -> None:
        """Add these entries, in the notation of access lists, to the OU's."""
        self._domain_controller.tool("dsacl", "set", f"--objectdn={ou_dn}", f"--sddl={entries}")

    def add_computer(self, name: str, ou_dn: str, **attributes: str) -> str:
        """Make a record that is nobody's of ours; its distinguished name."""
        dn = f"CN={name},{ou_dn}"
        self.add(dn, COMPUTER_CLASSES, {"sAMAccountName": f"{name}$", "userAccountControl": "4096", **attributes})
        return dn

    def add_child(self, dn: str, name: str) -> str:
        """Put an object below a computer, as joined machines do."""
        child = f"CN={name},{dn}"
        self.add(child, CONNECTION_POINT_CLASSES, {})
        return child

    def add(self, dn: str, classes: Sequence[str], attributes: Mapping[str, Any]) -> None:
        """Make an object."""
        with self._connected() as connection:
            connection.add(dn, list(classes), dict(attributes))  # type: ignore[no-untyped-call]

    def move(self, dn: str, ou_dn: str, new_name: str | None = None) -> str:
        """Move an object, under a new name if one is given; its new distinguished name."""
        first = f"CN={new_name}" if new_name else dn.partition(",")[0]
        with self._connected() as connection:
            connection.modify_dn(dn, first, new_superior=ou_dn)
        return f"{first},{ou_dn}"

    def attributes(self, dn: str) -> Mapping[str, Sequence[bytes]] | None:
        """All attributes of the object, or None where there is no such object."""
        with self._connected() as connection:
            try:
                connection.search(dn, "(objectClass=*)", BASE, attributes=["*"])
            except LDAPNoSuchObjectResult:
                return None
            assert connection.response is not None
            raw: Mapping[str, Sequence[bytes]] = connection.response[0]["raw_attributes"]
            return raw

    def exists(self, dn: str) -> bool:
        """Whether there is such an object."""
        return self.attributes(dn) is not None

    def object_guid(self, dn: str) -> UUID:
        """The object's GUID."""
        attributes = self.attributes(dn)
        assert attributes is not None
        return UUID(bytes_le=attributes["objectGUID"][0])

    def computers_below(self, ou_dn: str) -> set[str]:
        """First parts of the names of all computers in the OU."""
        with self._connected() as connection:
            connection.search(ou_dn, "(objectCategory=computer)", SUBTREE, attributes=["1.1"])
            return {str(parse_dn(entry["dn"])[0][1]) for entry in connection.response or ()}

    def delete(self, dn: str) -> None:
        """Delete the object, which has none below it."""
        with self._connected() as connection:
            connection.delete(dn)  # type: ignore[no-untyped-call]

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        domain_controller = self._domain_controller
        tls = Tls(validate=ssl.CERT_NONE)
        server = Server(domain_controller.address, 636, use_ssl=True, tls=tls, get_info=NONE)
        with Connection(
            server,
            f"Administrator@{DOMAIN}",
            domain_controller.administrator_password,
            raise_exceptions=True,
            check_names=False,
        ) as connection:
            yield connection
