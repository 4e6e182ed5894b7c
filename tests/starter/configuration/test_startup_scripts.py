"""Startup scripts are checked with the tags that have a value for each autoscale config that would run them."""

from pathlib import Path

from poolwright.domain.startup_script import TAGS, render
from tests.starter.configuration.declarations import Declarations, place

PROVIDER = "kind: vm_provider\nname: small\nprovider: sim\nmax_instances: 4\n"
SCRIPT = "startup_script: |\n  #!/bin/bash\n"
DESKS = "kind: autoscale\nname: desks-here\ntype: server\npool: desks\nzone: here\nvm_provider: small\n"


class TestPlaces:
    def test_a_mistake_is_told_at_its_own_line_of_the_yaml(self, declared: Declarations) -> None:
        problem = declared.problem(PROVIDER + SCRIPT + "  echo ok\n  f() { true; }\n")
        assert place(problem) == ("test.yaml", 8, "vm_provider small", "startup_script", None)
        assert "line 3, column 5 of the startup script of vm_provider 'small'" in problem.what
        assert "Write {{ and }} for literal braces" in problem.what

    def test_a_mistake_in_a_file_is_told_at_its_own_line_of_that_file(self, declared: Declarations) -> None:
        declared.write("scripts/boot.sh", "#!/bin/bash\necho {checkin_jwd}\n")
        problem = declared.problem(PROVIDER + "startup_script_file: scripts/boot.sh\n")
        assert place(problem) == ("boot.sh", 2, "vm_provider small", "startup_script_file", None)
        assert "Did you mean {checkin_jwt}" in problem.what

    def test_a_script_that_nobody_uses_yet_is_checked_too(self, empty: Declarations) -> None:
        problem = empty.problem(PROVIDER + SCRIPT + "  echo {nothing} {connection_password} {manager_token}\n")
        assert (problem.line, problem.key) == (7, "startup_script")
        assert "{nothing} is not a tag" in problem.what

    def test_a_file_that_cannot_be_read_is_named(self, declared: Declarations) -> None:
        problem = declared.problem(PROVIDER + "startup_script_file: gone.sh\n")
        assert place(problem) == ("test.yaml", 5, "vm_provider small", "startup_script_file", '"gone.sh"')
        assert f"the file {declared.directory / 'gone.sh'} cannot be read" in problem.what
        assert "relative to the YAML file" in problem.remedy

    def test_a_file_with_nul_bytes_is_no_script(self, declared: Declarations) -> None:
        declared.write("boot.sh", "#!/bin/bash\n\0\n")
        problem = declared.problem(PROVIDER + "startup_script_file: boot.sh\n")
        assert place(problem) == ("test.yaml", 5, "vm_provider small", "startup_script_file", '"boot.sh"')
        assert "holds NUL bytes" in problem.what

    def test_script_and_file_exclude_each_other(self, declared: Declarations) -> None:
        declared.write("boot.sh", "#!/bin/bash\n")
        problem = declared.problem(PROVIDER + "startup_script_file: boot.sh\nstartup_script: '#!/bin/sh'\n")
        assert (problem.line, problem.what) == (5, "stands beside startup_script")


class TestTags:
    def test_a_tag_without_a_value_names_the_config_that_lacks_it(self, declared: Declarations) -> None:
        problems = declared.problems(PROVIDER + SCRIPT + "  echo {connection_username}\n")
        assert {problem.line for problem in problems} == {7}
        texts = [problem.what for problem in problems]
        assert any("with autoscale 'desks-here': {connection_username} has no value" in text for text in texts)
        assert any(
            "with autoscale 'agents-here': {connection_username} is only for pools of type" in text for text in texts
        )

    def test_a_config_that_comes_to_use_a_script_is_told_at_its_own_line(self, empty: Declarations) -> None:
        empty.apply("kind: zone\nname: here\n---\nkind: pool\nname: desks\ntype: server\n")
        empty.apply(PROVIDER + SCRIPT + "  echo {connection_username} {ssh_key}\n")
        problems = empty.problems(DESKS)
        assert [place(problem) for problem in problems] == [
            ("test.yaml", 6, "autoscale desks-here", "vm_provider", None),
            ("test.yaml", 6, "autoscale desks-here", "vm_provider", None),
        ]
        assert "Set connection.username in the autoscale config" in problems[0].what
        assert "Set ssh_public_key in the VM provider config" in problems[1].what

    def test_a_fallback_config_runs_its_script_too(self, declared: Declarations) -> None:
        more = "---\nkind: vm_provider\nname: more\nprovider: sim\nmax_instances: 4\n" + SCRIPT + "  {domain}\n"
        problem = declared.problem(DESKS + "fallback_vm_providers: [more]\n" + more)
        assert (problem.name, problem.line) == ("more", 15)
        assert "with autoscale 'desks-here': {domain} has no value" in problem.what

    def test_every_tag_of_a_server_pool_can_have_a_value(self, empty: Declarations) -> None:
        tags = " ".join(f"{{{tag.name}}}" for tag in TAGS.values() if "server" in tag.pool_types)
        empty.apply(
            "kind: zone\nname: here\n---\nkind: pool\nname: desks\ntype: server\n---\n"
            + (PROVIDER + SCRIPT + f"  echo {tags}\nssh_public_key: ssh-ed25519 AAAA\n---\n")
            + (DESKS + "connection: {username: ada, password: hunter22}\nhostname_pattern: vm{n:04}\n")
            + "computer_record: {ldap: corp, ou_dn: 'OU=vdi,DC=corp,DC=example'}\n"
            + "---\nkind: ldap\nname: corp\nurls: ['ldaps://dc1.corp.example']\nsearch_base: DC=corp,DC=example\n"
            + "service_account_dn: CN=svc,DC=corp,DC=example\nservice_account_password: hunter22\n"
        )

    def test_every_tag_of_a_docker_agent_pool_can_have_a_value(self, empty: Declarations) -> None:
        tags = " ".join(f"{{{tag.name}}}" for tag in TAGS.values() if "docker_agent" in tag.pool_types)
        empty.apply(
            "kind: zone\nname: here\n---\nkind: pool\nname: agents\ntype: docker_agent\n---\n"
            + (PROVIDER + SCRIPT + f"  echo {tags}\nssh_public_key: ssh-ed25519 AAAA\n---\n")
            + "kind: autoscale\nname: a\ntype: docker_agent\npool: agents\nzone: here\nvm_provider: small\n"
            + "agent_cores_override: 1\nagent_memory_override_mib: 1\nnginx_certificate: PEM\nnginx_key: hunter22\n"
        )


class TestSize:
    def test_a_script_that_the_provider_will_not_take_is_refused(self, declared: Declarations) -> None:
        problem = declared.problem(
            PROVIDER + "settings: {startup_script_limit_bytes: 100}\n" + SCRIPT + f"  # {'x' * 100}\n"
        )
        assert (problem.line, problem.key) == (6, "startup_script")
        assert "will be about 115 bytes once its tags are filled in, and sim takes at most 100 bytes" in problem.what

    def test_tokens_that_do_not_exist_yet_are_counted(self, declared: Declarations) -> None:
        problem = declared.problem(
            PROVIDER + "settings: {startup_script_limit_bytes: 500}\n" + SCRIPT + "  {checkin_jwt}\n"
        )
        assert "500 bytes" in problem.what


class TestStoredScript:
    def test_the_text_of_the_file_is_stored_and_a_second_apply_changes_nothing(self, declared: Declarations) -> None:
        declared.write("boot.sh", "#!/bin/bash\necho {server_id}\n")
        declared.apply(PROVIDER + "startup_script_file: boot.sh\n")
        body = declared.body("vm_provider", "small")
        assert body["startup_script"] == "#!/bin/bash\necho {server_id}\n"
        assert "startup_script_file" not in body
        assert declared.apply(PROVIDER + "startup_script_file: boot.sh\n").revision is None

    def test_a_changed_file_is_a_change_whose_text_is_not_shown(self, declared: Declarations) -> None:
        declared.write("boot.sh", "#!/bin/bash\nPASSWORD=hunter22\ntrue\n")
        declared.apply(PROVIDER + "startup_script_file: boot.sh\n")
        declared.write("boot.sh", "#!/bin/bash\nPASSWORD=hunter33\ntrue\n")
        (change,) = declared.difference(PROVIDER + "startup_script_file: boot.sh\n")
        assert [str(field) for field in change.fields] == ["startup_script: 3 lines -> 3 lines, 1 of them changed"]
        assert change.reshapes


class TestTheExample:
    example = Path(__file__).parents[3] / "examples" / "local.yaml"

    def test_it_can_be_applied(self, empty: Declarations) -> None:
        assert len(empty.apply(None, self.example).changes) == 4

    def test_its_script_renders(self, empty: Declarations) -> None:
        empty.apply(None, self.example)
        script = str(empty.body("vm_provider", "local")["startup_script"])
        values = {
            "server_hostname": "demo-0001",
            "upstream_auth_address": "127.0.0.1:8780",
            "checkin_jwt": "token",
            "connection_username": "demo",
        }
        assert '"Bearer " + "token"' in render(script, values, "server").get_secret_value()
