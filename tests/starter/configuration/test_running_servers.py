"""Changes and deletions that the servers which exist forbid."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from sqlalchemy import update

from poolwright.domain.states import ServerState
from poolwright.store import documents, scaling, sessions
from poolwright.store.documents import UnknownDocument
from poolwright.store.sessions import SessionRequest
from poolwright.store.tables import DocumentRow, ServerRow
from starter.configuration.deleting import delete_document
from starter.configuration.exporting import export
from starter.configuration.problems import ConfigurationRefused
from tests.starter.configuration.declarations import Declarations, place

DESKS = "kind: autoscale\nname: desks-here\ntype: server\npool: desks\nzone: here\nvm_provider: small\n"
SMALL = "kind: vm_provider\nname: small\nprovider: sim\nmax_instances: {count}\n"
NOBODY = "00000000-0000-0000-0000-000000000000"
AWS = {"region": "eu-west-1", "ami_id": "ami-0123", "instance_types": ["t3.micro"]}
AZURE = {
    "subscription_id": NOBODY,
    "resource_group": "desktops",
    "region": "westeurope",
    "vm_sizes": ["Standard_D2s_v5"],
    "image_reference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
    "subnet": "hub/desktops",
    "os_username": "keeper",
    "ssh_public_key": "ssh-ed25519 AAAA keeper",
}
GCP = {"project": "desks-1", "zones": ["us-east4-b"], "machine_types": ["e2-small"], "image": "desktop"}


def body_of(provider: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": "vm_provider", "name": "small", "provider": provider, "max_instances": 4, "settings": settings}


def yaml_of(provider: str, settings: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(body_of(provider, settings), sort_keys=False)
    return text


def finish(declared: Declarations) -> None:
    """Every server is gone, in whatever way."""
    with declared.store.write() as tx:
        tx.execute(update(ServerRow).values(state=ServerState.DELETED))


class TestCaps:
    def test_the_vm_provider_configs_cap_cannot_go_below_what_runs(self, declared: Declarations) -> None:
        declared.reserve("desks-here", 3)
        problem = declared.problem(SMALL.format(count=2))
        assert place(problem) == ("test.yaml", 4, "vm_provider small", "max_instances", "2")
        assert problem.what == "is below the 3 servers that exist now; the cap so far is 4"
        assert "Drain 1 first: `poolwright pool pause`, then `poolwright server drain`" in problem.remedy
        declared.apply(SMALL.format(count=3))

    def test_the_autoscale_configs_cap_cannot_either(self, declared: Declarations) -> None:
        declared.reserve("desks-here", 2)
        problem = declared.problem(DESKS + "max_instances: 1\n")
        assert place(problem) == ("test.yaml", 7, "autoscale desks-here", "max_instances", "1")
        assert "the 2 servers that exist now; the cap so far is none" in problem.what
        declared.apply(DESKS + "max_instances: 2\n")

    def test_a_cap_that_is_too_low_already_may_be_kept_or_raised(self, declared: Declarations) -> None:
        declared.apply(SMALL.format(count=1))
        declared.reserve("desks-here", 1)
        with declared.store.write() as tx:
            row = documents.get_row(tx, "vm_provider", "small")
            row.body = {**row.body, "max_instances": 0}
        declared.apply(SMALL.format(count=0) + "ssh_public_key: x\n")

    def test_servers_that_are_gone_do_not_count(self, declared: Declarations) -> None:
        declared.reserve("desks-here", 3)
        finish(declared)
        declared.apply(SMALL.format(count=1))


class TestIdentity:
    def test_a_pools_type_stays_while_servers_exist(self, declared: Declarations) -> None:
        declared.reserve("desks-here", 1)
        problems = declared.problems("kind: pool\nname: desks\ntype: docker_agent\n")
        assert (problems[0].line, problems[0].key) == (3, "type")

    def test_a_pool_without_configs_keeps_its_type_while_servers_exist(self, declared: Declarations) -> None:
        declared.apply("kind: pool\nname: old\ntype: server\n")
        declared.reserve("desks-here", 1)
        with declared.store.write() as tx:
            tx.execute(update(ServerRow).values(pool="old"))
        problem = declared.problem("kind: pool\nname: old\ntype: docker_agent\n")
        assert place(problem) == ("test.yaml", 3, "pool old", "type", '"docker_agent"')
        assert problem.what == "cannot change from 'server' while 1 server of it exist"
        assert "wait until its servers are gone" in problem.remedy
        finish(declared)
        declared.apply("kind: pool\nname: old\ntype: docker_agent\n")

    @pytest.mark.parametrize(("key", "value", "line"), [("zone", "there", 5), ("pool", "more", 4)])
    def test_an_autoscale_config_stays_where_its_servers_are(
        self, declared: Declarations, key: str, value: str, line: int
    ) -> None:
        declared.apply("kind: zone\nname: there\n---\nkind: pool\nname: more\ntype: server\n")
        declared.reserve("desks-here", 2)
        old = "here" if key == "zone" else "desks"
        problem = declared.problem(DESKS.replace(f"{key}: {old}", f"{key}: {value}"))
        assert place(problem) == ("test.yaml", line, "autoscale desks-here", key, f'"{value}"')
        assert problem.what == f"cannot change from '{old}' while 2 servers of it exist"
        assert "Set enabled: false, wait until its servers are gone" in problem.remedy
        finish(declared)
        declared.apply(DESKS.replace(f"{key}: {old}", f"{key}: {value}"))

    def test_a_vm_provider_config_keeps_its_provider_while_vms_exist(self, declared: Declarations) -> None:
        declared.reserve("desks-here", 1)
        problem = declared.problem(SMALL.format(count=4).replace("sim", "local"))
        assert place(problem) == ("test.yaml", 3, "vm_provider small", "provider", '"local"')
        assert "nobody could find their VMs any more" in problem.what
        assert "Declare a second vm_provider" in problem.remedy

    @pytest.mark.parametrize(
        ("provider", "settings", "key", "line", "other"),
        [
            ("aws", AWS, "region", 6, "us-east-1"),
            ("azure", AZURE, "subscription_id", 6, "11111111-1111-1111-1111-111111111111"),
            ("azure", AZURE, "resource_group", 7, "laptops"),
            ("gcp", GCP, "project", 6, "another-project-1"),
            ("local", {"directory": "machines"}, "directory", 6, "other-machines"),
            ("sim", {"world": "first"}, "world", 6, "second"),
        ],
    )
    def test_nor_does_it_move_its_vms_to_where_none_of_them_is(
        self, declared: Declarations, provider: str, settings: Mapping[str, Any], key: str, line: int, other: str
    ) -> None:
        with declared.store.write() as tx:
            tx.execute(update(DocumentRow).where(DocumentRow.name == "small").values(body=body_of(provider, settings)))
        declared.reserve("desks-here", 1)
        problem = declared.problem(yaml_of(provider, {**settings, key: other}))
        assert place(problem) == ("test.yaml", line, "vm_provider small", f"settings.{key}", f'"{other}"')
        assert problem.what.startswith(f"cannot change from {settings[key]!r} while 1 server of it exist")
        assert "Declare a second vm_provider" in problem.remedy
        finish(declared)
        declared.apply(yaml_of(provider, {**settings, key: other}))


class TestDeleting:
    @pytest.mark.parametrize(
        ("kind", "name", "named_by"),
        [
            ("zone", "here", "autoscale 'agents-here'"),
            ("pool", "desks", "autoscale 'desks-here'"),
            ("vm_provider", "small", "autoscale 'desks-here'"),
        ],
    )
    def test_what_others_name_is_refused(self, declared: Declarations, kind: str, name: str, named_by: str) -> None:
        before = declared.tables()
        with pytest.raises(ConfigurationRefused) as refused:
            delete_document(declared.store, kind, name)
        assert any(problem.what == f"{named_by} names it" for problem in refused.value.problems)
        assert all("poolwright delete autoscale" in problem.remedy for problem in refused.value.problems)
        assert declared.tables() == before

    def test_an_autoscale_config_with_servers_is_refused(self, declared: Declarations) -> None:
        declared.reserve("desks-here", 2)
        with pytest.raises(ConfigurationRefused, match=r"2 servers of it exist\. Set enabled: false and apply, wait"):
            delete_document(declared.store, "autoscale", "desks-here")
        finish(declared)
        delete_document(declared.store, "autoscale", "desks-here")

    def test_a_pool_with_people_waiting_is_refused(self, declared: Declarations) -> None:
        delete_document(declared.store, "autoscale", "desks-here")
        with declared.store.write() as tx:
            session = sessions.request_session(tx, SessionRequest(pool="desks", user="ada"), declared.store.clock())
        with pytest.raises(ConfigurationRefused, match=r"1 session\(s\) of it have not ended"):
            delete_document(declared.store, "pool", "desks")
        with declared.store.write() as tx:
            sessions.end_session(tx, session.id, "done", declared.store.clock())
        delete_document(declared.store, "pool", "desks")

    def test_secrets_and_memories_go_too_and_the_loop_is_told(self, declared: Declarations) -> None:
        declared.apply(DESKS + "connection: {password: hunter22}\n")
        with declared.store.write() as tx:
            scaling.set_paused(tx, "desks-here", "a test")
        told: list[str] = []
        delete_document(declared.store, "autoscale", "desks-here", told.extend)
        assert told == ["desks-here"]
        assert declared.tables()["scaling"] == []
        assert all(not str(row[0]).startswith("autoscale/") for row in declared.tables()["secrets"])

    def test_what_does_not_exist_is_an_error(self, declared: Declarations) -> None:
        with pytest.raises(UnknownDocument, match="there is no zone 'nowhere'"):
            delete_document(declared.store, "zone", "nowhere")


class TestExporting:
    def test_an_export_applied_again_changes_nothing(self, declared: Declarations) -> None:
        declared.apply(
            DESKS
            + "connection: {password: 'hunter22: #', username: 'yes'}\nlabels: {a: '1', b: 'null', c: 'é\"'}\n"
            + "schedules:\n  - {start_day: fri, start: '22:00', end_day: sun, end: '24:00', timezone: Europe/Berlin}\n"
            + "---\n"
            + SMALL.format(count=4)
            + "startup_script: |\n  #!/bin/bash\n\n    indented  \n  tab\there\n"
        )
        with declared.store.read() as tx:
            text = export(tx)
        assert declared.apply(text).revision is None

    def test_it_can_be_applied_to_an_empty_installation_if_it_holds_no_secret(
        self, declared: Declarations, empty: Declarations
    ) -> None:
        with declared.store.read() as tx:
            text = export(tx)
        for kind, name in (
            ("autoscale", "desks-here"),
            ("autoscale", "agents-here"),
            ("pool", "desks"),
            ("pool", "agents"),
        ):
            delete_document(declared.store, kind, name)
        assert declared.apply(text).revision is not None

    def test_scripts_are_blocks_of_text(self, declared: Declarations) -> None:
        declared.apply(SMALL.format(count=4) + 'startup_script: "#!/bin/sh\\necho\\n"\n')
        with declared.store.read() as tx:
            assert "startup_script: |\n  #!/bin/sh\n  echo\n" in export(tx)


class TestRecords:
    """Configs that hold records of servers."""

    LDAP = (
        "kind: ldap\nname: corp\nurls: ['ldaps://dc1.corp.example']\nsearch_base: {base}\n"
        "service_account_dn: CN=svc,DC=corp,DC=example\nservice_account_password: x\n"
    )
    DNS = (
        "kind: dns_provider\nname: campus\nprovider: rfc2136\nsettings: {servers: [192.0.2.1], zones: [example.org]}\n"
    )

    @pytest.mark.parametrize(("kind", "name"), [("ldap", "corp"), ("dns_provider", "campus")])
    def test_one_cannot_be_deleted_while_servers_have_records_there(
        self, declared: Declarations, kind: str, name: str
    ) -> None:
        declared.apply(self.LDAP.format(base="DC=corp,DC=example") + "---\n" + self.DNS)
        declared.reserve("desks-here", 1)
        with declared.store.write() as tx:
            tx.execute(update(ServerRow).values(ldap="corp", dns_provider="campus"))
        with pytest.raises(ConfigurationRefused, match="1 server of it exist"):
            delete_document(declared.store, kind, name)
        finish(declared)
        delete_document(declared.store, kind, name)

    @pytest.mark.parametrize(
        ("provider", "settings", "key", "line", "other"),
        [
            ("azure", {"subscription_id": NOBODY, "resource_group": "names"}, "resource_group", 6, "others"),
            ("google", {"project": "names-1"}, "project", 5, "names-2"),
            ("route53", {"private_zones": False}, "private_zones", 5, True),
        ],
    )
    def test_a_dns_provider_keeps_its_account_while_servers_have_records_there(
        self, declared: Declarations, provider: str, settings: dict[str, Any], key: str, line: int, other: Any
    ) -> None:
        body = {"kind": "dns_provider", "name": "campus", "provider": provider, "settings": settings}
        elsewhere = yaml.safe_dump({**body, "settings": {**settings, key: other}}, sort_keys=False)
        declared.apply(yaml.safe_dump(body, sort_keys=False))
        declared.reserve("desks-here", 1)
        with declared.store.write() as tx:
            tx.execute(update(ServerRow).values(dns_provider="campus", fqdn="s1.vdi.example.org", address="192.0.2.5"))
        problem = declared.problem(elsewhere)
        assert place(problem)[1:4] == (line, "dns_provider campus", f"settings.{key}")
        assert problem.what.startswith(f"cannot change from {settings[key]!r} while 1 server of it exist: nobody could")
        assert "Declare a second dns_provider" in problem.remedy
        finish(declared)
        declared.apply(elsewhere)

    def test_a_zone_stays_named_while_a_server_has_its_name_there(self, declared: Declarations) -> None:
        zones = self.DNS.replace("[example.org]", "[example.org, vdi.example.org, lab.example.org]")
        declared.apply(zones)
        declared.reserve("desks-here", 1)
        with declared.store.write() as tx:
            tx.execute(update(ServerRow).values(dns_provider="campus", fqdn="s1.vdi.example.org", address="192.0.2.5"))
        problem = declared.problem(self.DNS)
        assert place(problem)[3:] == ("settings.zones", '["example.org"]')
        assert "nobody could find their records any more" in problem.what
        declared.apply(zones.replace(", lab.example.org", ""))

    def test_a_directory_keeps_its_domain_while_servers_have_records_there(self, declared: Declarations) -> None:
        declared.apply(self.LDAP.format(base="DC=corp,DC=example"))
        declared.reserve("desks-here", 1)
        with declared.store.write() as tx:
            tx.execute(update(ServerRow).values(ldap="corp"))
        problem = declared.problem(self.LDAP.format(base="DC=other,DC=example"))
        assert place(problem)[2:4] == ("ldap corp", "search_base")
        assert "nobody could find their records any more" in problem.what
        declared.apply(self.LDAP.format(base="OU=people,DC=corp,DC=example"))
