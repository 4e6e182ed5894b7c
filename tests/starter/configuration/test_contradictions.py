"""Settings that cannot be meant as they stand."""

import pytest

from tests.starter.configuration.declarations import Declarations, place

DESKS = "kind: autoscale\nname: desks-here\ntype: server\npool: desks\nzone: here\nvm_provider: small\n"
AGENTS = (
    "kind: autoscale\nname: agents-here\ntype: docker_agent\npool: agents\nzone: here\nvm_provider: small\n"
    "agent_cores_override: 8\nagent_memory_override_mib: 16384\n"
)
WINDOW = "days: [mon], start: '09:00', end: '17:00', timezone: UTC"
LDAP = (
    "---\nkind: ldap\nname: corp\nurls: ['{scheme}://dc1.corp.example']\nsearch_base: {base}\n"
    "service_account_dn: CN=svc,DC=corp,DC=example\nservice_account_password: hunter22\n"
)


class TestWithinAnAutoscaleConfig:
    @pytest.mark.parametrize(
        ("lines", "key", "value", "what", "remedy"),
        [
            (
                "failure: {pause_seconds: 900, max_pause_seconds: 60}",
                "failure.pause_seconds",
                "900",
                "is above max_pause_seconds, which is 60",
                "raise max_pause_seconds",
            ),
            (
                "rotation: {pre_warm_seconds: 60}",
                "rotation.pre_warm_seconds",
                "60",
                "has no effect without soft_age_seconds",
                "Set soft_age_seconds",
            ),
            (
                "rotation: {soft_age_seconds: 60, pre_warm_seconds: 60}",
                "rotation.pre_warm_seconds",
                "60",
                "is not below soft_age_seconds (60)",
                "raise soft_age_seconds",
            ),
            (
                "rotation: {hard_age_seconds: 60, pre_warm_seconds: 60}",
                "rotation.pre_warm_seconds",
                "60",
                "is not below hard_age_seconds (60)",
                "raise hard_age_seconds",
            ),
            (
                "rotation: {soft_age_seconds: 1800, hard_age_seconds: 7200}",
                "rotation.soft_age_seconds",
                "1800",
                "is not above failure.boot_deadline_seconds (1800): a server that boots for so long would be replaced",
                "Raise it, or lower boot_deadline_seconds.",
            ),
            (
                "rotation: {hard_age_seconds: 900, pre_warm_seconds: 300}\nfailure: {boot_deadline_seconds: 600}",
                "rotation.hard_age_seconds",
                "900",
                "is not above pre_warm_seconds (300) and failure.boot_deadline_seconds (600) together: a server",
                "Raise it, or lower boot_deadline_seconds.",
            ),
            (
                "connection: {sso_domain: localhost}",
                "connection.sso_domain",
                '"localhost"',
                "has no effect while credential_type is static",
                "credential_type: sso",
            ),
            (
                "connection: {type: rdp, private_key: hunter22}",
                "connection.private_key",
                "(secret)",
                "has no effect while the connection's type is rdp",
                "type: ssh",
            ),
            (
                "connection: {type: ssh, private_key: hunter22}",
                "connection.private_key",
                "(secret)",
                "has no effect while use_user_ssh_key is true",
                "use_user_ssh_key: false",
            ),
            (
                "connection: {type: ssh, private_key_passphrase: hunter22}",
                "connection.private_key_passphrase",
                "(secret)",
                "has no effect without private_key",
                "Set private_key",
            ),
        ],
    )
    def test_says_which_key_and_what_to_do(
        self, declared: Declarations, lines: str, key: str, value: str, what: str, remedy: str
    ) -> None:
        problem = declared.problem(DESKS + lines + "\n")
        assert place(problem) == ("test.yaml", 7, "autoscale desks-here", key, value)
        assert what in problem.what
        assert remedy in problem.remedy

    def test_a_replacement_can_be_made_before_a_hard_age_too(self, declared: Declarations) -> None:
        declared.apply(DESKS + "rotation: {hard_age_seconds: 1861, pre_warm_seconds: 60}\n")

    @pytest.mark.parametrize(
        ("given", "lacking"), [("nginx_key", "nginx_certificate"), ("nginx_certificate", "nginx_key")]
    )
    def test_a_certificate_and_its_key_come_together(self, declared: Declarations, given: str, lacking: str) -> None:
        problem = declared.problem(AGENTS + f"{given}: hunter22\n")
        assert (problem.line, problem.key) == (9, given)
        assert problem.what == f"stands without {lacking}"
        assert "hunter22" not in str(problem)


class TestWhatCanNeverBeReached:
    @pytest.mark.parametrize(
        ("lines", "key", "value", "what"),
        [
            ("minimum_available_sessions: 5", "minimum_available_sessions", "5", "at most 4 fit into the 4 servers"),
            ("total_floor: 5", "total_floor", "5", "at most 4 fit into the 4 servers"),
            (
                f"schedules: [{{{WINDOW}, targets: {{total_floor: 9}}}}]",
                "schedules[0].targets.total_floor",
                "9",
                "at most 4 fit",
            ),
            (
                f"schedules: [{{{WINDOW}, targets: {{hourly_floor: {{'10:00': 9}}}}}}]",
                "schedules[0].targets.hourly_floor.10:00",
                "9",
                "at most 4 fit",
            ),
        ],
    )
    def test_more_than_the_vm_provider_config_allows(
        self, declared: Declarations, lines: str, key: str, value: str, what: str
    ) -> None:
        problem = declared.problem(DESKS + lines + "\n")
        assert place(problem) == ("test.yaml", 7, "autoscale desks-here", key, value)
        assert what in problem.what
        assert "max_instances of vm_provider 'small'" in problem.what
        assert problem.remedy == "Lower it, or raise that cap."

    def test_more_than_the_configs_own_cap_allows(self, declared: Declarations) -> None:
        problem = declared.problem(
            DESKS + "max_instances: 1\nminimum_available_sessions: 3\nmax_sessions_per_server: 2\n"
        )
        assert problem.what == "can never be reached: at most 2 fit into the 1 servers that max_instances allows"

    def test_a_schedules_ceiling_stands_in_place_of_the_configs_own(self, declared: Declarations) -> None:
        targets = "total_floor: 3, minimum_available_sessions: 3"
        own = DESKS + f"total_ceiling: 2\nschedules: [{{{WINDOW}, targets: {{{targets}, total_ceiling: 3}}}}]\n"
        declared.apply(own)
        lower = DESKS + f"schedules: [{{{WINDOW}, targets: {{minimum_available_sessions: 3, total_ceiling: 2}}}}]\n"
        problem = declared.problem(lower)
        assert problem.key == "schedules[0].targets.minimum_available_sessions"
        assert problem.what == "can never be reached: at most 2 fit into the 2 servers that total_ceiling allows"

    def test_the_configs_floor_must_fit_under_a_schedules_ceiling(self, declared: Declarations) -> None:
        below = DESKS + f"total_floor: 3\nschedules: [{{{WINDOW}, targets: {{total_ceiling: 2}}}}]\n"
        problem = declared.problem(below)
        assert (problem.key, problem.value) == ("schedules[0].targets.total_ceiling", "2")
        assert problem.what == "is below total_floor of the autoscale config, which is 3"
        declared.apply(below.replace("total_ceiling: 2", "total_floor: 1, total_ceiling: 2"))

    def test_users_limit_rdp_servers_too(self, declared: Declarations) -> None:
        lines = "minimum_available_sessions: 5\nmax_sessions_per_server: 9\nconnection: {type: rdp}\n"
        assert declared.problem(DESKS + lines).key == "minimum_available_sessions"
        declared.apply(DESKS + lines + "max_users_per_server: 9\n")

    def test_fallback_configs_add_to_what_fits(self, declared: Declarations) -> None:
        more = "---\nkind: vm_provider\nname: more\nprovider: sim\nmax_instances: 4\n"
        declared.apply(DESKS + "total_floor: 8\nfallback_vm_providers: [more]\n" + more)

    def test_a_lower_cap_of_the_vm_provider_config_is_told_there(self, declared: Declarations) -> None:
        declared.apply(DESKS + "total_floor: 4\n")
        problem = declared.problem("kind: vm_provider\nname: small\nprovider: sim\nmax_instances: 3\n")
        assert place(problem) == ("test.yaml", 4, "vm_provider small", "max_instances", "4")

    def test_standby_needs_agents_of_some_size(self, declared: Declarations) -> None:
        problems = declared.problems(AGENTS + "standby_gpus: 1\n")
        assert (problems[0].line, problems[0].key, problems[0].value) == (9, "standby_gpus", "1")
        assert any("agent_gpus_override is 0" in problem.what for problem in problems)

    def test_standby_counts_in_sizes_of_agents(self, declared: Declarations) -> None:
        problem = declared.problem(AGENTS + "standby_cores: 33\n")
        assert "at most 32 fit into the 4 servers" in problem.what
        declared.apply(AGENTS + "standby_cores: 32\n")

    def test_targets_of_the_other_type_have_no_effect(self, declared: Declarations) -> None:
        problem = declared.problem(DESKS + f"schedules: [{{{WINDOW}, targets: {{standby_cores: 1}}}}]\n")
        assert (problem.key, problem.value) == ("schedules[0].targets.standby_cores", "1")
        assert problem.what == "has no effect on an autoscale config of type server"

    def test_a_staged_session_must_fit_on_an_agent(self, declared: Declarations) -> None:
        problem = declared.problem(
            "kind: workspace\nname: w\nimage: i\ncores: 9\nmemory_mib: 512\n"
            "---\nkind: staging\nname: s\nworkspace: w\nzone: here\npool: agents\ndesired_sessions: 1\n"
        )
        assert (problem.line, problem.key, problem.value) == (9, "workspace", '"w"')
        assert "9 cores, 512 MiB and 0 GPUs" in problem.what


class TestBetweenDocuments:
    def test_computer_records_need_ldaps(self, declared: Declarations) -> None:
        record = "computer_record: {ldap: corp, ou_dn: 'OU=vdi,DC=corp,DC=example'}\nhostname_pattern: vm{n:04}\n"
        problem = declared.problem(DESKS + record + LDAP.format(scheme="ldap", base="DC=corp,DC=example"))
        assert place(problem) == ("test.yaml", 12, "ldap corp", "urls", '"ldap://dc1.corp.example"')
        assert "can only be set by ldaps://" in problem.what

    def test_computer_records_lie_in_the_domain_of_the_search_base(self, declared: Declarations) -> None:
        record = "computer_record: {ldap: corp, ou_dn: 'OU=vdi,DC=other,DC=example'}\nhostname_pattern: vm{n:04}\n"
        problem = declared.problem(DESKS + record + LDAP.format(scheme="ldaps", base="DC=corp,DC=example"))
        assert place(problem)[1:4] == (7, "autoscale desks-here", "computer_record.ou_dn")
        assert "is in another domain than the search_base of ldap 'corp'" in problem.what

    def test_computer_records_need_an_ou_that_is_written_as_one(self, declared: Declarations) -> None:
        record = "computer_record: {ldap: corp, ou_dn: 'vdi,DC=corp,DC=example'}\nhostname_pattern: vm{n:04}\n"
        problem = declared.problem(DESKS + record + LDAP.format(scheme="ldaps", base="DC=corp,DC=example"))
        assert place(problem)[1:4] == (7, "autoscale desks-here", "computer_record.ou_dn")
        assert "is not a distinguished name" in problem.what

    def test_computer_records_need_an_address_of_a_domain_controller(self, declared: Declarations) -> None:
        record = "computer_record: {ldap: corp, ou_dn: 'OU=vdi,DC=corp,DC=example'}\nhostname_pattern: vm{n:04}\n"
        ldap = LDAP.format(scheme="ldaps", base="DC=corp,DC=example").replace("dc1.corp.example", "")
        problem = declared.problem(DESKS + record + ldap)
        assert (problem.kind, problem.name) == ("ldap", "corp")

    def test_dns_names_must_be_names(self, declared: Declarations) -> None:
        problem = declared.problem(
            DESKS + "dns: {provider: campus, base_domain: 'my domain'}\n---\nkind: dns_provider\nname: campus\n"
            "provider: rfc2136\nsettings: {servers: [192.0.2.1], zones: [example.org]}\n"
        )
        assert place(problem)[2:] == ("autoscale desks-here", "dns.base_domain", '"my domain"')
        assert "gives no name for a server" in problem.what

    def test_a_dns_provider_that_does_not_exist_is_refused_with_those_that_do(self, declared: Declarations) -> None:
        problem = declared.problem("kind: dns_provider\nname: campus\nprovider: carrier-pigeon\nsettings: {a: b}\n")
        assert (problem.key, problem.value, problem.what) == ("provider", '"carrier-pigeon"', "is no DNS provider")
        assert "rfc2136" in problem.remedy

    @pytest.mark.parametrize(("key", "other"), [("zone", "there"), ("pool", "other-agents")])
    def test_a_staging_config_stays_with_its_autoscale_config(
        self, declared: Declarations, key: str, other: str
    ) -> None:
        fields = {"zone": "here", "pool": "agents"} | {key: other}
        problem = declared.problem(
            "kind: zone\nname: there\n---\nkind: pool\nname: other-agents\ntype: docker_agent\n"
            "---\nkind: workspace\nname: w\nimage: i\ncores: 1\nmemory_mib: 512\n"
            f"---\nkind: staging\nname: s\nworkspace: w\nzone: {fields['zone']}\npool: {fields['pool']}\n"
            "autoscale: agents-here\ndesired_sessions: 1\n"
        )
        assert (problem.key, problem.value) == (key, f'"{other}"')
        assert "autoscale 'agents-here' makes its agents in" in problem.what

    def test_a_pinned_workspace_is_staged_in_its_own_zone(self, declared: Declarations) -> None:
        problem = declared.problem(
            "kind: zone\nname: there\n---\nkind: workspace\nname: w\nimage: i\ncores: 1\nmemory_mib: 512\nzone: there\n"
            "---\nkind: staging\nname: s\nworkspace: w\nzone: here\npool: agents\ndesired_sessions: 1\n"
        )
        assert (problem.line, problem.key, problem.value) == (14, "zone", '"here"')
        assert "pinned to zone 'there'" in problem.what

    def test_faults_that_no_file_has_to_do_with_are_not_told(self, declared: Declarations) -> None:
        assert declared.apply("kind: zone\nname: there\n").revision == 2


class TestHostNames:
    def test_a_pattern_must_tell_servers_apart(self, declared: Declarations) -> None:
        problem = declared.problem(DESKS + "hostname_pattern: desk\n")
        assert place(problem) == ("test.yaml", 7, "autoscale desks-here", "hostname_pattern", '"desk"')
        assert "add {n} or {id}" in problem.what

    def test_active_directory_takes_fifteen_characters(self, declared: Declarations) -> None:
        record = (
            "computer_record: {ldap: corp, ou_dn: 'OU=vdi,DC=corp,DC=example'}\nhostname_pattern: desks-of-us-{n:04}\n"
        )
        problem = declared.problem(DESKS + record + LDAP.format(scheme="ldaps", base="DC=corp,DC=example"))
        assert (problem.line, problem.key, problem.value) == (8, "hostname_pattern", '"desks-of-us-{n:04}"')
        assert "16 characters; at most 15 are allowed for an Active Directory computer" in problem.what
        assert "vm{n:04}" in problem.remedy

    def test_the_limit_counts_the_last_number_that_could_be_given(self, declared: Declarations) -> None:
        record = (
            "computer_record: {ldap: corp, ou_dn: 'OU=vdi,DC=corp,DC=example'}\nhostname_pattern: desks-of-u-{n:04}\n"
        )
        ldap = LDAP.format(scheme="ldaps", base="DC=corp,DC=example")
        declared.apply(DESKS + record + ldap)
        problem = declared.problem("kind: vm_provider\nname: small\nprovider: sim\nmax_instances: 10000\n")
        assert (problem.kind, problem.name) == ("vm_provider", "small")
        assert "desks-of-u-10000" in problem.what
