"""Computer records in a real domain: made, found and deleted, and what is not ours is left alone."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from ldap3 import Connection
from ldap3.core.exceptions import LDAPUnwillingToPerformResult

from poolwright.directory.active_directory import ComputerDirectory
from poolwright.directory.errors import HasChildren, InvalidSettings, NameTaken, NotOurs, PermissionDenied, Unreachable
from poolwright.domain.identities import OwnerMark
from tests.directory.administrator import COMPUTER_CLASSES
from tests.directory.conftest import CONTROLLER, Site
from tests.directory.relay import Relay
from tests.servers.ports import reserved_port
from tests.servers.samba import BASE_DN, DOMAIN

pytestmark = pytest.mark.slow

THEIRS = "badc0de0badc0de0"


class TestCreating:
    def test_the_record_has_what_a_machine_needs_to_join(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        name = hostname.upper()
        assert record.dn == f"CN={name},{site.ou}"
        assert record.domain_controller == site.domain_controller.address
        attributes = site.administrator.attributes(record.dn)
        assert attributes is not None
        assert attributes["sAMAccountName"] == [f"{name}$".encode()]
        assert attributes["userAccountControl"] == [b"4096"]
        assert attributes["dNSHostName"] == [f"{hostname}.{DOMAIN}".encode()]
        assert attributes["description"] == [mark.text().encode()]
        assert set(attributes["servicePrincipalName"]) == {
            f"{service}/{host}".encode()
            for service in ("HOST", "RestrictedKrbHost")
            for host in (name, f"{hostname}.{DOMAIN}")
        }
        assert record.object_guid == site.administrator.object_guid(record.dn)

    def test_another_dns_domain_can_be_named(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou, dns_domain="Desktops.Example")
        attributes = site.administrator.attributes(record.dn)
        assert attributes is not None
        assert attributes["dNSHostName"] == [f"{hostname}.desktops.example".encode()]

    def test_the_password_is_the_computers(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        password = directory.create_or_reset(mark, hostname, site.ou).join_password.get_secret_value()
        assert site.domain_controller.kinit(f"{hostname.upper()}$", password)
        assert not site.domain_controller.kinit(f"{hostname.upper()}$", password + "x")

    def test_an_ou_whose_name_has_special_characters_will_do(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.difficult_ou)
        assert site.administrator.computers_below(site.difficult_ou) == {hostname.upper()}
        assert [computer.dn for computer in directory.list_owned([site.difficult_ou])] == [record.dn]
        assert directory.delete(mark, record.object_guid, recursive=False)
        assert site.administrator.computers_below(site.difficult_ou) == set()

    @pytest.mark.parametrize(
        "name", ["", "a" * 16, "12345", "vm_1", "vm,cn=x", "-vm", "vm-", "vm\n", "vm*", "vm\0", "vµ"]
    )
    def test_a_name_that_no_computer_can_have_is_refused(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, name: str
    ) -> None:
        with pytest.raises(InvalidSettings, match="hostname_pattern"):
            directory.create_or_reset(mark, name, site.ou)

    @pytest.mark.parametrize(
        ("ou", "complaint"),
        [
            (f"OU=Nowhere,{BASE_DN}", "there is no OU"),
            ("OU=Desktops", "names no domain"),
            ("OU=Desktops,DC=other,DC=test", "is not in the domain"),
            (f"Desktops,{BASE_DN}", "is not a distinguished name"),
            (f"OU=Desk\0tops,{BASE_DN}", "has a control character"),
        ],
    )
    def test_an_ou_that_is_wrong_is_named(
        self, directory: ComputerDirectory, mark: OwnerMark, hostname: str, ou: str, complaint: str
    ) -> None:
        with pytest.raises(InvalidSettings, match=complaint):
            directory.create_or_reset(mark, hostname, ou)

    def test_an_ou_without_rights_is_denied(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        with pytest.raises(PermissionDenied, match=f"creating 'CN={hostname.upper()},OU=Elsewhere"):
            directory.create_or_reset(mark, hostname, site.other_ou)

    def test_another_installations_mark_is_refused(self, site: Site, directory: ComputerDirectory) -> None:
        with pytest.raises(InvalidSettings, match="another installation"):
            directory.create_or_reset(OwnerMark(controller_id=THEIRS, server_id="s1"), "vm", site.ou)

    def test_a_domain_controller_that_takes_no_password_in_an_addition_gets_it_afterwards(
        self, site: Site, mark: OwnerMark, hostname: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add = Connection.add

        def refuses_passwords(
            connection: Connection, dn: str, classes: object, attributes: dict[str, object]
        ) -> object:
            if "unicodePwd" in attributes:
                raise LDAPUnwillingToPerformResult
            assert attributes["userAccountControl"] == "4098"
            return add(connection, dn, classes, attributes)  # type: ignore[no-untyped-call]

        monkeypatch.setattr(Connection, "add", refuses_passwords)
        record = site.open().create_or_reset(mark, hostname, site.ou)
        attributes = site.administrator.attributes(record.dn)
        assert attributes is not None
        assert attributes["userAccountControl"] == [b"4096"]
        assert site.domain_controller.kinit(f"{hostname.upper()}$", record.join_password.get_secret_value())


class TestCreatingAgain:
    def test_our_own_record_gets_a_new_password(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        first = directory.create_or_reset(mark, hostname, site.ou)
        second = directory.create_or_reset(mark, hostname, site.ou)
        assert second.object_guid == first.object_guid
        kinit = site.domain_controller.kinit
        assert kinit(f"{hostname.upper()}$", second.join_password.get_secret_value())
        assert not kinit(f"{hostname.upper()}$", first.join_password.get_secret_value())

    def test_a_record_that_was_moved_gets_it_where_it_is(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        first = directory.create_or_reset(mark, hostname, site.ou)
        moved = site.administrator.move(first.dn, site.other_ou)
        second = directory.create_or_reset(mark, hostname, site.ou)
        assert (second.object_guid, second.dn) == (first.object_guid, moved)

    def test_a_record_that_another_service_account_made_gets_it_too(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        """Whoever makes a record may do all with it: the rights that count are those on others' records."""
        dn = site.administrator.add_computer(hostname.upper(), site.ou, description=mark.text())
        record = directory.create_or_reset(mark, hostname, site.ou)
        assert record.dn == dn
        assert site.domain_controller.kinit(f"{hostname.upper()}$", record.join_password.get_secret_value())

    def test_many_at_once_make_one_record_each(
        self, site: Site, directory: ComputerDirectory, new_mark: Callable[[], OwnerMark], hostname: str
    ) -> None:
        marks = [new_mark() for _ in range(8)]
        with ThreadPoolExecutor(4) as threads:
            made = list(
                threads.map(
                    lambda item: directory.create_or_reset(item[1], f"{hostname}-{item[0]}", site.ou),
                    [(number % 4, marks[number % 4]) for number in range(8)],
                )
            )
        assert len({record.object_guid for record in made}) == 4


class TestTakenNames:
    @pytest.mark.parametrize("elsewhere", [False, True])
    def test_a_strangers_record_is_refused_and_left_alone(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, elsewhere: bool
    ) -> None:
        dn = site.administrator.add_computer(hostname.upper(), site.other_ou if elsewhere else site.ou)
        before = site.administrator.attributes(dn)
        with pytest.raises(
            NameTaken, match=f"{hostname.upper()} is taken by '{dn}', which bears no mark of ours; take"
        ):
            directory.create_or_reset(mark, hostname, site.ou)
        assert site.administrator.attributes(dn) == before

    def test_another_installations_record_is_refused(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        site.open(THEIRS).create_or_reset(OwnerMark(controller_id=THEIRS, server_id=mark.server_id), hostname, site.ou)
        with pytest.raises(NameTaken, match="which another installation made"):
            directory.create_or_reset(mark, hostname, site.ou)

    def test_another_servers_record_is_refused(
        self, site: Site, directory: ComputerDirectory, new_mark: Callable[[], OwnerMark], hostname: str
    ) -> None:
        earlier = new_mark()
        directory.create_or_reset(earlier, hostname, site.ou)
        with pytest.raises(NameTaken, match=f"the record of server {earlier.server_id}, which is not gone yet"):
            directory.create_or_reset(new_mark(), hostname, site.ou)

    def test_an_account_that_has_one_of_the_service_names_is_named(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        dn = site.administrator.add_computer(
            f"{hostname}-x".upper(), site.other_ou, servicePrincipalName=f"HOST/{hostname}.{DOMAIN}"
        )
        with pytest.raises(NameTaken, match=dn):
            directory.create_or_reset(mark, hostname, site.ou)

    def test_an_object_of_another_kind_with_the_name_is_named(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        dn = f"CN={hostname.upper()},{site.ou}"
        site.administrator.add(dn, ["top", "container"], {})
        with pytest.raises(NameTaken, match=dn):
            directory.create_or_reset(mark, hostname, site.ou)


class TestFinding:
    def test_a_record_is_found_wherever_it_was_moved_to(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        moved = site.administrator.move(record.dn, site.other_ou, new_name=f"was {hostname}")
        found = directory.find(mark)
        assert found is not None
        assert (found.object_guid, found.dn, found.mark) == (record.object_guid, moved, mark)
        assert found.name == hostname.upper()
        assert abs(datetime.now(UTC) - found.created_at) < timedelta(minutes=1)

    def test_what_does_not_exist_is_not_found(self, directory: ComputerDirectory, mark: OwnerMark) -> None:
        assert directory.find(mark) is None

    def test_a_mark_with_other_capitals_is_another_mark(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        directory.create_or_reset(mark, hostname, site.ou)
        assert directory.find(mark.model_copy(update={"server_id": mark.server_id.upper()})) is None

    def test_a_wildcard_in_a_mark_means_nothing(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        directory.create_or_reset(mark, hostname, site.ou)
        assert directory.find(mark.model_copy(update={"server_id": "*"})) is None


class TestDeleting:
    @pytest.mark.parametrize("by_guid", [False, True])
    def test_a_record_is_deleted_once_and_then_gone(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, by_guid: bool
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        guid = record.object_guid if by_guid else None
        assert directory.delete(mark, guid, recursive=False) is True
        assert not site.administrator.exists(record.dn)
        assert directory.delete(mark, guid, recursive=False) is False

    @pytest.mark.parametrize("by_guid", [False, True])
    def test_a_record_that_was_moved_is_deleted(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, by_guid: bool
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        moved = site.administrator.move(record.dn, site.other_ou, new_name=f"was {hostname}")
        assert directory.delete(mark, record.object_guid if by_guid else None, recursive=False)
        assert not site.administrator.exists(moved)

    def test_a_record_that_was_made_again_has_another_guid_and_is_deleted(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        assert directory.delete(mark, uuid4(), recursive=False)
        assert not site.administrator.exists(record.dn)

    def test_objects_below_keep_a_record_and_are_named(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        child = site.administrator.add_child(record.dn, "SCP")
        with pytest.raises(HasChildren, match=f"below it: '{child}'; set recursive_cleanup"):
            directory.delete(mark, record.object_guid, recursive=False)
        assert site.administrator.exists(child)

    def test_a_record_is_deleted_with_objects_below_it_when_asked(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        for number in range(8):
            site.administrator.add_child(record.dn, f"SCP{number}")
        with pytest.raises(HasChildren, match="and more"):
            directory.delete(mark, record.object_guid, recursive=False)
        assert directory.delete(mark, record.object_guid, recursive=True)
        assert not site.administrator.exists(record.dn)

    def test_a_record_that_another_service_account_made_is_deleted_with_all_below(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        dn = site.administrator.add_computer(hostname.upper(), site.ou, description=mark.text())
        site.administrator.add_child(dn, "SCP")
        assert directory.delete(mark, site.administrator.object_guid(dn), recursive=True)
        assert not site.administrator.exists(dn)

    def test_a_record_where_the_account_has_no_rights_stays_and_is_denied(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        dn = site.administrator.add_computer(hostname.upper(), site.other_ou, description=mark.text())
        with pytest.raises(PermissionDenied, match=f"deleting the record of server {mark.server_id} failed"):
            directory.delete(mark, None, recursive=False)
        assert site.administrator.exists(dn)

    @pytest.mark.parametrize("description", ["", "a person's machine", f"poolwright/{CONTROLLER}/another"])
    def test_what_does_not_bear_the_mark_is_left_alone(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, description: str
    ) -> None:
        attributes = {"description": description} if description else {}
        dn = site.administrator.add_computer(hostname.upper(), site.ou, **attributes)
        with pytest.raises(NotOurs, match=dn):
            directory.delete(mark, site.administrator.object_guid(dn), recursive=True)
        assert directory.delete(mark, None, recursive=True) is False
        assert site.administrator.exists(dn)


class TestReplication:
    """Domain controllers tell each other of a record some time after it was made."""

    @pytest.fixture
    def ignorant(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
        """A domain controller that no record has replicated to yet."""
        search = Connection.search
        with Relay((site.domain_controller.address, 636)) as relay:

            def finds_nothing(connection: Connection, base: str, condition: str, *rest: Any, **more: Any) -> bool:
                found = "(cn=not here yet)" if connection.server.port == relay.port else condition
                return bool(search(connection, base, found, *rest, **more))

            monkeypatch.setattr(Connection, "search", finds_nothing)
            yield relay

    @pytest.mark.parametrize("by_guid", [False, True])
    def test_a_record_that_one_does_not_know_is_deleted_where_it_is_known(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, ignorant: Relay, by_guid: bool
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        both = site.open(urls=(ignorant.url, site.domain_controller.url))
        guid = record.object_guid if by_guid else None
        assert both.delete(mark, guid, recursive=False) is True
        assert not site.administrator.exists(record.dn)
        assert both.delete(mark, guid, recursive=False) is False

    def test_a_record_that_was_made_is_not_gone_while_one_that_may_know_it_is_away(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, ignorant: Relay
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        port = reserved_port()
        away = site.open(urls=(ignorant.url, f"ldaps://127.0.0.1:{port}"))
        with pytest.raises(Unreachable, match=f"127.0.0.1:{port} cannot be reached"):
            away.delete(mark, record.object_guid, recursive=False)
        # Nobody knows that this one was ever made.
        assert away.delete(mark, None, recursive=False) is False

    def test_of_two_that_were_made_at_once_both_are_deleted(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        """An answer was lost and another domain controller was asked: replication then renames one of the records."""
        record = directory.create_or_reset(mark, hostname, site.ou)
        name = f"{hostname.upper()}\\0ACNF:{uuid4()}"
        for number, description in enumerate((mark.text(), "a person's machine")):
            site.administrator.add(
                f"CN={name}{number},{site.ou}",
                COMPUTER_CLASSES,
                {"sAMAccountName": f"$DUPLICATE-{hostname}{number}", "description": description},
            )
        assert directory.delete(mark, record.object_guid, recursive=False)
        left = {one for one in site.administrator.computers_below(site.ou) if one.startswith(hostname.upper())}
        assert left == {f"{name}1"}


class TestListing:
    def test_every_record_of_this_installation_is_listed_page_by_page(
        self, site: Site, new_mark: Callable[[], OwnerMark], hostname: str
    ) -> None:
        mine, theirs = site.open("1157"), site.open("1157a")
        marks = [OwnerMark(controller_id="1157", server_id=new_mark().server_id) for _ in range(7)]
        for number, mark in enumerate(marks):
            mine.create_or_reset(mark, f"{hostname}-{number}", site.ou)
        theirs.create_or_reset(OwnerMark(controller_id="1157a", server_id="s"), f"{hostname}-x", site.ou)
        site.administrator.add_computer(f"{hostname}-y", site.ou, description="poolwright/1157/")
        site.administrator.add_computer(f"{hostname}-z", site.ou, description="poolwright/1157/a/b")
        listed = mine.list_owned([site.ou, BASE_DN])
        assert {computer.mark for computer in listed} == set(marks)
        assert len(listed) == 7

    def test_other_ous_are_not_listed(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        directory.create_or_reset(mark, hostname, site.ou)
        assert directory.list_owned([site.difficult_ou]) == []

    def test_an_ou_that_is_gone_is_told_apart_from_an_empty_one(self, site: Site, directory: ComputerDirectory) -> None:
        with pytest.raises(InvalidSettings, match="there is no OU 'OU=Nowhere"):
            directory.list_owned([site.ou, f"OU=Nowhere,{BASE_DN}"])
