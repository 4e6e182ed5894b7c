import base64
import json
import subprocess
from textwrap import dedent

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from poolwright.domain.startup_script import (
    FILTERS,
    TAGS,
    Problem,
    ScriptProblems,
    check,
    estimated_size,
    render,
)

POOL_TYPES = ("server", "docker_agent")
VALUES = {name: f"value-of-{name}" for name in TAGS}


def tags_of(pool_type: str) -> list[str]:
    return [tag.name for tag in TAGS.values() if pool_type in tag.pool_types]


def problems_of(script: str, pool_type: str = "server") -> tuple[Problem, ...]:
    """Problems when every tag has a value."""
    return check(script, TAGS.keys(), pool_type)


def rendered(script: str, pool_type: str = "server", **values: str | SecretStr | None) -> str:
    return render(script, VALUES | values, pool_type).get_secret_value()


def places(problems: tuple[Problem, ...]) -> list[tuple[int, int]]:
    return [(problem.line, problem.column) for problem in problems]


any_text = st.text(st.characters())
"""Lone surrogates included: what comes from JSON or YAML may hold them."""

brace_soup = st.lists(
    st.sampled_from(["{", "}", "{{", "}}", "$", ":", "!", ".", "[0]", "\n", " ", "sh", "base64", "é", "domain", "nope"])
    | st.sampled_from([f"{{{name}}}" for name in TAGS])
    | st.sampled_from([f"{{{name}:{filter_name}}}" for name in TAGS for filter_name in FILTERS]),
    max_size=12,
).map("".join)

plain_soup = st.lists(
    st.sampled_from(["{", "}", "{{", "}}", "$", "\n", " ", "é", "domain", "nope", "7"])
    | st.sampled_from([f"{{{name}}}" for name in tags_of("server")]),
    max_size=12,
).map("".join)
"""Nothing that `str.format` takes for a conversion, a format, an attribute or an item."""


class TestTagTable:
    def test_holds_every_tag_under_its_own_name(self) -> None:
        assert set(TAGS) == {
            "server_id",
            "server_hostname",
            "server_external_fqdn",
            "manager_token",
            "upstream_auth_address",
            "provider_name",
            "ssh_key",
            "connection_username",
            "connection_password",
            "ad_join_credential",
            "domain",
            "checkin_jwt",
            "registration_token",
            "nginx_cert_in",
            "nginx_key_in",
        }
        assert all(name == tag.name for name, tag in TAGS.items())

    def test_names_only_known_pool_types(self) -> None:
        assert all(tag.pool_types and tag.pool_types <= set(POOL_TYPES) for tag in TAGS.values())

    def test_marks_every_password_token_and_key_as_secret(self) -> None:
        assert {tag.name for tag in TAGS.values() if tag.secret} == {
            "manager_token",
            "connection_password",
            "ad_join_credential",
            "checkin_jwt",
            "registration_token",
            "nginx_key_in",
        }

    def test_cannot_be_changed(self) -> None:
        with pytest.raises(TypeError):
            TAGS["extra"] = TAGS["domain"]  # type: ignore[index]
        with pytest.raises(ValidationError):
            TAGS["domain"].secret = True  # type: ignore[misc]

    @pytest.mark.parametrize("name", TAGS)
    def test_each_tag_renders_in_its_pool_types(self, name: str) -> None:
        for pool_type in TAGS[name].pool_types:
            assert rendered(f"<{{{name}}}>", pool_type) == f"<value-of-{name}>"


class TestScriptsOfRealShape:
    """Each as an admin writes it, and as the VM gets it."""

    @pytest.mark.parametrize(
        ("written", "run"),
        [
            ("", ""),
            ("echo plain\r\n", "echo plain\r\n"),
            ("f() {{\n  :\n}}\n", "f() {\n  :\n}\n"),
            ('echo "${{HOME}}"', 'echo "${HOME}"'),
            ("${{#LIST[@]}} ${{NAME%.*}}", "${#LIST[@]} ${NAME%.*}"),
            ("free | awk '/Mem/ {{print $4}}'", "free | awk '/Mem/ {print $4}'"),
            ("for i in {{1..600}}; do :; done", "for i in {1..600}; do :; done"),
            ("cp a{{,.bak}}", "cp a{,.bak}"),
            ("awk '{{ if (x) {{ y }} }}'", "awk '{ if (x) { y } }'"),
            ("docker ps --format '{{{{.ID}}}}'", "docker ps --format '{{.ID}}'"),
            ('-d \'{{"status": "running", "a": {{"b": 1}}}}\'', '-d \'{"status": "running", "a": {"b": 1}}\''),
            ("try {{ Get-Item x }} catch {{ exit 1 }}", "try { Get-Item x } catch { exit 1 }"),
            ("$list | ForEach-Object {{ $_.Name }}", "$list | ForEach-Object { $_.Name }"),
            ("${{env:TEMP}}\\setup", "${env:TEMP}\\setup"),
            ("{{0}} -f $name", "{0} -f $name"),
            ("# see {{domain}}", "# see {domain}"),
            ("{server_id}", "value-of-server_id"),
            ("{{{server_id}}}", "{value-of-server_id}"),
            ("{{{{{server_id}}}}}", "{{value-of-server_id}}"),
            ("${{X:-{domain}}}", "${X:-value-of-domain}"),
            ("${{X:-{domain:base64}}}", "${X:-" + base64.b64encode(b"value-of-domain").decode() + "}"),
            ("{domain}{server_id}", "value-of-domainvalue-of-server_id"),
            ("${domain}", "$value-of-domain"),
            ('{{"t": {checkin_jwt:json}}}', '{"t": "value-of-checkin_jwt"}'),
        ],
    )
    def test_become_what_they_mean(self, written: str, run: str) -> None:
        assert problems_of(written) == ()
        assert rendered(written) == run

    def test_a_bash_script_with_functions_and_a_json_body_runs(self) -> None:
        script = dedent("""\
            #!/bin/sh
            set -eu
            NAME={server_hostname:sh}
            report() {{
              printf '%s' '{{"status": "'"${{1:-starting}}"'", "host": {server_hostname:json}}}'
            }}
            test "${{NAME}}" = "$(printf '%s' {server_hostname:base64} | base64 -d)"
            report running
        """)
        text = rendered(script, server_hostname='it\'s $HOME \\ `id` "x"')
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == {"status": "running", "host": 'it\'s $HOME \\ `id` "x"'}

    def test_a_powershell_block_keeps_its_braces(self) -> None:
        script = dedent("""\
            <powershell>
            function Send-Status {{
                param([string]$Status)
                $body = @{{ status = $Status; status_progress = "50" }} | ConvertTo-Json
                Invoke-RestMethod -Uri "https://{upstream_auth_address}/api?token={checkin_jwt}" -Body $body
            }}
            if ('{server_external_fqdn}' -ne 'None') {{ Send-Status "running" }}
            </powershell>
        """)
        text = rendered(script, server_external_fqdn=None, checkin_jwt=SecretStr("a.b.c"))
        assert '@{ status = $Status; status_progress = "50" }' in text
        assert "?token=a.b.c" in text
        assert "'None' -ne 'None') { Send-Status" in text

    def test_a_cloud_config_takes_json_strings_as_yaml(self) -> None:
        script = "#cloud-config\nusers:\n  - {{name: admin, ssh_authorized_keys: [{ssh_key:json}]}}\n"
        key = "ssh-ed25519 AAAA it's: #1 \\ é"
        assert yaml.safe_load(rendered(script, ssh_key=key)) == {
            "users": [{"name": "admin", "ssh_authorized_keys": [key]}]
        }


class TestBracesThatAreNotDoubled:
    @pytest.mark.parametrize(
        ("script", "where", "words"),
        [
            ("{}", [(1, 1)], "name no tag"),
            ("{ }", [(1, 1)], "name no tag"),
            ("{ foo }", [(1, 1)], "hold no tag"),
            ("{ domain }", [(1, 1)], "Write {domain}"),
            ("echo ${VAR}", [(1, 7)], "${{VAR}}"),
            ("echo ${VAR:-x}", [(1, 7)], "${{VAR:...}}"),
            ("echo ${VAR%.*}", [(1, 7)], "hold no tag"),
            ("echo ${#VAR}", [(1, 7)], "hold no tag"),
            ("{0}", [(1, 1)], "{{0}}"),
            ("{1..600}", [(1, 1)], "hold no tag"),
            ("{print $4}", [(1, 1)], "hold no tag"),
            ("cp a{,.bak}", [(1, 5)], "hold no tag"),
            ("{domain.upper}", [(1, 1)], "attributes or items"),
            ("{domain[0]}", [(1, 1)], "attributes or items"),
            ("{a.b}", [(1, 1)], "hold no tag"),
            ("{a[0]}", [(1, 1)], "hold no tag"),
            ("{domain!r}", [(1, 1)], "{domain:sh}"),
            ("{domain!s}", [(1, 1)], "no conversion"),
            ("{domain!sh}", [(1, 1)], "{domain:sh}"),
            ("{nope!r}", [(1, 1)], "hold no tag"),
            ("{", [(1, 1)], "Write {{"),
            ("}", [(1, 1)], "Write }}"),
            ("a\n  b {\nc", [(2, 5)], "Write {{"),
            ("a\r\n}", [(2, 1)], "Write }}"),
            ("{{domain}", [(1, 9)], "Write }}"),
            ("{domain}}", [(1, 9)], "Write }}"),
            ("{domain", [(1, 1)], "Write {{"),
            ("{domain\n}", [(1, 1), (2, 1)], ""),
            ("ü {", [(1, 3)], "Write {{"),
            ("f() { x }}", [(1, 5)], "opens no tag"),
            ("${{X:-{ foo }}}", [(1, 7)], "hold no tag"),
            ("{a {domain} b}", [(1, 1), (1, 14)], ""),
        ],
    )
    def test_are_reported_where_they_stand(self, script: str, where: list[tuple[int, int]], words: str) -> None:
        problems = problems_of(script)
        assert places(problems) == where
        assert words in problems[0].message
        with pytest.raises(ScriptProblems):
            rendered(script)

    def test_are_all_reported_at_once_and_in_order(self) -> None:
        script = dedent("""\
            #!/bin/bash
            report() {
              curl -d '{"status": "running"}' https://{upstream_auth_adress}/
              echo ${HOME} {{fine}} {domain}
            }
        """)
        problems = problems_of(script)
        assert places(problems) == [(2, 10), (3, 12), (3, 43), (4, 9), (5, 1)]
        assert "Did you mean {upstream_auth_address}?" in problems[2].message

    def test_do_not_bring_the_script_s_own_text_into_messages(self) -> None:
        script = "{'password': 'hunter2'} {domain:hunter2!} {domain.hunter2} ${PASSWORD:-hunter2} {hunter2 }"
        problems = problems_of(script)
        assert len(problems) == 5
        assert "hunter2" not in " ".join(problem.message for problem in problems)


class TestTagsThatCannotBeUsed:
    def test_an_unknown_tag_comes_with_the_closest_names(self) -> None:
        (problem,) = problems_of("x {conection_pasword}")
        assert (problem.line, problem.column) == (1, 3)
        assert "Did you mean {connection_password} or" in problem.message

    def test_a_tag_in_capitals_is_unknown_but_close(self) -> None:
        (problem,) = problems_of("{DOMAIN}")
        assert "Did you mean {domain}?" in problem.message

    def test_an_unknown_tag_without_a_close_name_comes_with_the_tags_of_the_pool_type(self) -> None:
        (problem,) = problems_of("{zzz}", "docker_agent")
        assert "manager_token" in problem.message
        assert "connection_password" not in problem.message
        assert "{{zzz}}" in problem.message

    def test_a_very_long_name_is_cut_in_the_message(self) -> None:
        (problem,) = problems_of("{" + "z" * 5000 + "}")
        assert len(problem.message) < 600

    @pytest.mark.parametrize("name", [n for n, tag in TAGS.items() if tag.text_without_value is None])
    def test_a_tag_without_a_value_says_which_setting_gives_one(self, name: str) -> None:
        pool_type = min(TAGS[name].pool_types)
        (problem,) = check(f"{{{name}}}", frozenset(), pool_type)
        assert "has no value" in problem.message
        assert TAGS[name].value_source in problem.message

    def test_the_domain_needs_an_ldap_config_with_a_computer_record(self) -> None:
        (problem,) = check("{domain}", {"server_id": True, "domain": False}, "server")
        assert "computer_record" in problem.message
        assert "LDAP config" in problem.message

    def test_available_tags_may_come_as_a_mapping_or_as_a_set(self) -> None:
        script = "{domain} {server_id}"
        assert check(script, {"server_id": True, "domain": False}, "server") == check(script, {"server_id"}, "server")

    @pytest.mark.parametrize(
        ("name", "pool_type"),
        [
            ("manager_token", "server"),
            ("nginx_cert_in", "server"),
            ("nginx_key_in", "server"),
            ("connection_username", "docker_agent"),
            ("connection_password", "docker_agent"),
            ("ad_join_credential", "docker_agent"),
            ("domain", "docker_agent"),
        ],
    )
    def test_a_tag_of_the_other_pool_type_is_refused_even_with_a_value(self, name: str, pool_type: str) -> None:
        (problem,) = problems_of(f"{{{name}}}", pool_type)
        assert f"this pool is of type {pool_type}" in problem.message

    @pytest.mark.parametrize("name", ["checkin_jwt", "server_external_fqdn", "provider_name", "registration_token"])
    def test_what_is_useful_to_both_pool_types_is_for_both(self, name: str) -> None:
        assert TAGS[name].pool_types == set(POOL_TYPES)

    @pytest.mark.parametrize("filter_name", ["bash", "SH", " sh", ">30", "s", "nope!"])
    def test_an_unknown_filter_names_the_filters(self, filter_name: str) -> None:
        (problem,) = problems_of(f"{{domain:{filter_name}}}")
        assert all(name in problem.message for name in FILTERS)

    def test_a_colon_without_a_filter_is_refused(self) -> None:
        (problem,) = problems_of("{domain:}")
        assert "No filter follows the colon" in problem.message

    def test_one_tag_may_have_two_problems(self) -> None:
        problems = check("{domain:nope}", frozenset(), "server")
        assert places(problems) == [(1, 1), (1, 1)]


class TestRendering:
    def test_hides_the_result(self) -> None:
        script = render("{checkin_jwt}", {"checkin_jwt": SecretStr("a.b.c")}, "server")
        assert "a.b.c" not in repr(script)
        assert script.get_secret_value() == "a.b.c"

    def test_puts_values_in_as_they_are(self) -> None:
        value = '{domain} {{ } it\'s "$HOME" {0}'
        assert rendered("[{connection_password}]", connection_password=SecretStr(value)) == f"[{value}]"

    @pytest.mark.parametrize("nothing", [None, "", SecretStr("")])
    def test_refuses_a_tag_without_a_value(self, nothing: str | SecretStr | None) -> None:
        with pytest.raises(ScriptProblems, match="computer_record") as caught:
            rendered("{ad_join_credential}", ad_join_credential=nothing)
        assert places(caught.value.problems) == [(1, 1)]

    def test_refuses_a_tag_that_has_no_entry_at_all(self) -> None:
        with pytest.raises(ScriptProblems, match="has no value"):
            render("{server_id}", {}, "server")

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_writes_none_for_a_server_without_a_dns_name(self, nothing: str | None) -> None:
        assert rendered('[ "{server_external_fqdn}" = None ]', server_external_fqdn=nothing) == '[ "None" = None ]'
        assert render("{server_external_fqdn:sh}", {}, "docker_agent").get_secret_value() == "None"

    def test_says_all_that_is_wrong_without_showing_a_value(self) -> None:
        values = {"connection_password": SecretStr("hunter2"), "domain": None}
        with pytest.raises(ScriptProblems) as caught:
            render("{connection_password} {domain}\n}", values, "server")
        message = str(caught.value)
        assert "2 problems" in message
        assert "line 1, column 23: {domain} has no value" in message
        assert "line 2, column 1: This }" in message
        assert "hunter2" not in message + repr(caught.value)

    def test_does_not_mind_values_that_the_script_does_not_use(self) -> None:
        assert render("x", {"domain": "corp.example", "other": "y"}, "server").get_secret_value() == "x"


class TestRulesThatHoldForAnyText:
    @given(text=any_text | brace_soup, pool_type=st.sampled_from(POOL_TYPES))
    def test_doubled_braces_give_the_text_back(self, text: str, pool_type: str) -> None:
        doubled = text.replace("{", "{{").replace("}", "}}")
        assert check(doubled, frozenset(), pool_type) == ()
        assert render(doubled, {}, pool_type).get_secret_value() == text

    @given(
        script=any_text | brace_soup,
        available=st.sets(st.sampled_from(list(TAGS))),
        pool_type=st.sampled_from(POOL_TYPES),
    )
    @settings(max_examples=400)
    def test_check_finds_problems_exactly_when_rendering_fails(
        self, script: str, available: set[str], pool_type: str
    ) -> None:
        problems = check(script, available, pool_type)
        values = {name: VALUES[name] for name in available}
        if problems:
            with pytest.raises(ScriptProblems) as caught:
                render(script, values, pool_type)
            assert caught.value.problems == problems
        else:
            render(script, values, pool_type)

    @given(script=plain_soup)
    @settings(max_examples=400)
    def test_scripts_without_filters_agree_with_str_format(self, script: str) -> None:
        try:
            expected = script.format(**{name: VALUES[name] for name in tags_of("server")})
        except (ValueError, KeyError, IndexError):
            assert problems_of(script) != ()
        else:
            assert problems_of(script) == ()
            assert rendered(script) == expected

    @given(script=any_text | brace_soup)
    @settings(max_examples=400)
    def test_what_passes_without_filters_renders_as_str_format_would(self, script: str) -> None:
        if not problems_of(script) and not any(f":{name}}}" in script for name in FILTERS):
            assert rendered(script) == script.format(**VALUES)

    @given(script=any_text | brace_soup)
    def test_every_problem_points_at_a_brace(self, script: str) -> None:
        lines = script.split("\n")
        for problem in problems_of(script):
            assert lines[problem.line - 1][problem.column - 1] in "{}"

    @given(script=brace_soup)
    def test_the_estimate_is_the_size_when_every_value_is_known(self, script: str) -> None:
        if not problems_of(script):
            assert estimated_size(script, VALUES) == len(rendered(script).encode())
