"""Each mistake within one document: file, line, kind and name, key, value, and the way out; nothing is changed."""

import pytest

from tests.starter.configuration.declarations import Declarations, place


class TestKeys:
    def test_an_unknown_key_names_the_closest(self, empty: Declarations) -> None:
        problem = empty.problem("kind: zone\nname: one\nupstream_auth_adress: x\n")
        assert place(problem) == ("test.yaml", 3, "zone one", "upstream_auth_adress", None)
        assert problem.what == "is no key that is known here"
        assert problem.remedy == "Did you mean upstream_auth_address?"

    def test_an_unknown_key_without_a_close_one_lists_the_keys_of_its_own_mapping(self, declared: Declarations) -> None:
        problem = declared.problem(autoscale("rotation:\n  xyzzy: 3"))
        assert place(problem) == ("test.yaml", 8, "autoscale desks-here", "rotation.xyzzy", None)
        assert problem.remedy == "The keys here are hard_age_seconds, pre_warm_seconds, soft_age_seconds."

    def test_the_value_of_an_unknown_key_is_not_shown_since_it_may_be_a_secret(self, empty: Declarations) -> None:
        problems = empty.problems("kind: ldap\nname: corp\nservice_account_pasword: hunter22\n")
        assert "hunter22" not in "".join(map(str, problems))

    def test_a_value_that_is_run_together_with_its_key_is_not_shown_either(self, declared: Declarations) -> None:
        problem = declared.problem(autoscale("connection: {password:hunter22}"))
        assert "hunter22" not in str(problem)
        assert problem.key == "connection.password"
        assert problem.remedy == "Put a space after the colon."

    def test_a_missing_key_says_what_it_means(self, empty: Declarations) -> None:
        problem = empty.problem("kind: vm_provider\nname: one\nprovider: sim\n")
        assert place(problem) == ("test.yaml", 1, "vm_provider one", "max_instances", None)
        assert problem.what == "is missing"
        assert "The most VMs that may exist on this config" in problem.remedy

    def test_the_type_of_an_autoscale_config_must_be_given(self, declared: Declarations) -> None:
        problem = declared.problem("kind: autoscale\nname: a\npool: desks\nzone: here\nvm_provider: small\n")
        assert (problem.key, problem.what) == ("type", "is missing")
        assert problem.remedy == "Write the type of its pool: server or docker_agent."

    def test_the_type_of_an_autoscale_config_must_be_one_of_the_two(self, declared: Declarations) -> None:
        problem = declared.problem("kind: autoscale\nname: a\ntype: vm\npool: desks\nzone: here\nvm_provider: small\n")
        assert place(problem) == ("test.yaml", 3, "autoscale a", "type", '"vm"')
        assert "server or docker_agent" in problem.remedy


class TestValues:
    @pytest.mark.parametrize(
        ("line", "value", "what", "remedy"),
        [
            ("minimum_available_sessions: -2", "-2", "must be 0 or more", "Raise it."),
            ("minimum_available_sessions: many", '"many"', "must be a whole number", "without quotes"),
            ("minimum_available_sessions: 1.5", "1.5", "must be a whole number", "Round it."),
            ("minimum_available_sessions: yes", "true", "must be a number", "YAML reads yes, no, on and off"),
            ("minimum_available_sessions: [1, 2]", "[1, 2]", "must be a whole number", "without quotes"),
            ("reusable: sometimes", '"sometimes"', "must be true or false", "one of the two"),
            ("hostname_pattern: 7", "7", "must be text", "Put it in quotes."),
            ("labels: red", '"red"', "must be a mapping of keys to values", "key: value"),
            ("fallback_vm_providers: small2", '"small2"', "must be a list", "each after a hyphen"),
            ("rotation: 14", "14", "must be a mapping of keys to values", "key: value"),
        ],
    )
    def test_a_wrong_type_says_what_to_write(
        self, declared: Declarations, line: str, value: str, what: str, remedy: str
    ) -> None:
        problem = declared.problem(autoscale(line))
        assert place(problem) == ("test.yaml", 7, "autoscale desks-here", line.partition(":")[0], value)
        assert problem.what == what
        assert remedy in problem.remedy

    def test_a_wrong_choice_lists_the_choices(self, declared: Declarations) -> None:
        problem = declared.problem(autoscale("connection:\n  type: telnet"))
        assert place(problem) == ("test.yaml", 8, "autoscale desks-here", "connection.type", '"telnet"')
        assert problem.remedy == "Choose 'kasmvnc', 'rdp', 'vnc' or 'ssh'."

    @pytest.mark.parametrize("name", ["Demo", "a pool", "-a", "ümlaut", "a" * 64])
    def test_a_name_that_cannot_be_part_of_ids_is_refused(self, empty: Declarations, name: str) -> None:
        problem = empty.problem(f"kind: zone\nname: '{name}'\n")
        assert (problem.line, problem.key) == (2, "name")
        assert problem.what == "is not a valid name"
        assert "lower-case letters, digits and inner hyphens" in problem.remedy

    @pytest.mark.parametrize(
        "line",
        [
            "max_sessions_per_server: 99999999999",
            "scaling_period_seconds: 99999999999999999999999",
            "failure: {boot_deadline_seconds: 999999999999}",
            "rotation: {soft_age_seconds: 999999999999}",
        ],
    )
    def test_a_number_that_would_overflow_later_is_refused(self, declared: Declarations, line: str) -> None:
        problem = declared.problem(autoscale(line))
        assert (problem.line, problem.what) == (7, "is beyond 2,147,483,647")

    def test_a_long_value_is_cut(self, empty: Declarations) -> None:
        problem = empty.problem(f"kind: zone\nname: '{'x' * 500}'\n")
        assert len(problem.value or "") == 60

    def test_a_contradiction_within_a_document_is_put_at_the_key_that_it_names(self, declared: Declarations) -> None:
        problem = declared.problem(autoscale("max_instances: 3\ntotal_floor: 8"))
        assert place(problem) == ("test.yaml", 8, "autoscale desks-here", "total_floor", "8")
        assert "lower total_floor or raise total_ceiling and max_instances" in problem.what

    def test_schedules_say_what_is_wrong_with_them(self, declared: Declarations) -> None:
        problems = declared.problems(
            autoscale(
                "schedules:\n"
                "  - {days: [munday], start: '09:00', end: '17:00', timezone: Europe/Berlin}\n"
                "  - {days: [monday], start: '9 am', end: '17:00', timezone: Europe/Berln}\n"
            )
        )
        assert [(problem.line, problem.key) for problem in problems] == [
            (8, "schedules[0].days[0]"),
            (9, "schedules[1].start"),
            (9, "schedules[1].timezone"),
        ]
        assert "Did you mean Europe/Berlin" in str(problems[2])

    def test_schedules_that_contradict_each_other_are_refused(self, declared: Declarations) -> None:
        window = "days: [mon], start: '09:00', end: '17:00', timezone: UTC"
        high, low = f"{{{window}, targets: {{total_floor: 3}}}}", f"{{{window}, targets: {{total_ceiling: 1}}}}"
        problems = declared.problems(autoscale(f"schedules:\n  - {high}\n  - {low}"))
        assert (problems[0].line, problems[0].key) == (7, "schedules")
        assert "Lower the floor, raise the ceiling or move the hours apart" in str(problems[0])


class TestProviderSettings:
    def test_an_unknown_provider_names_the_closest(self, empty: Declarations) -> None:
        problem = empty.problem("kind: vm_provider\nname: one\nprovider: locl\nmax_instances: 1\n")
        assert place(problem) == ("test.yaml", 3, "vm_provider one", "provider", '"locl"')
        assert problem.remedy == "Did you mean local?"

    def test_settings_are_checked_by_the_providers_own_model(self, empty: Declarations) -> None:
        problems = empty.problems(
            "kind: vm_provider\nname: one\nprovider: local\nmax_instances: 1\nsettings:\n  adress_range: 127.1.0.0/16\n"
            "  stop_grace_seconds: 99\n"
        )
        assert [place(problem)[1:] for problem in problems] == [
            (6, "vm_provider one", "settings.adress_range", None),
            (7, "vm_provider one", "settings.stop_grace_seconds", "99"),
        ]
        assert problems[0].remedy == "Did you mean address_range?"

    def test_required_settings_are_missed_even_without_settings(self, empty: Declarations, walled: None) -> None:
        problems = empty.problems("kind: vm_provider\nname: one\nprovider: walled\nmax_instances: 1\n")
        assert {problem.key for problem in problems} == {"settings.region", "settings.api_key"}


class TestAllAtOnce:
    def test_every_problem_of_every_file_comes_in_one_answer(self, empty: Declarations) -> None:
        first = empty.write("first.yaml", "kind: zone\nname: One\n---\nkind: pool\nname: p\ntype: servr\n")
        second = empty.write(
            "second.yaml",
            "kind: vm_provider\nname: v\nprovider: nowhere\nmax_instances: -1\n"
            "startup_script: |\n  #!/bin/sh\n  {nothing}\n"
            "---\nkind: autoscale\nname: a\ntype: server\npool: q\nzone: One\nvm_provider: w\ntotal_flor: 1\n",
        )
        problems = empty.problems(None, first, second)
        assert [(problem.line, problem.key) for problem in problems] == [
            (2, "name"),
            (6, "type"),
            (3, "provider"),
            (4, "max_instances"),
            (7, "startup_script"),
            (12, "pool"),
            (13, "zone"),
            (14, "vm_provider"),
            (15, "total_flor"),
        ]

    def test_the_message_counts_them_and_says_that_nothing_was_changed(self, empty: Declarations) -> None:
        problem = empty.problem("kind: zone\nname: One\n")
        assert str(problem) == (
            f"{problem.file}:2: zone 'One', name: \"One\": is not a valid name. "
            "Write lower-case letters, digits and inner hyphens, at most 63 characters."
        )


def autoscale(lines: str) -> str:
    """The autoscale config of `BASE` with further lines, the first of which is line 7."""
    return f"kind: autoscale\nname: desks-here\ntype: server\npool: desks\nzone: here\nvm_provider: small\n{lines}\n"
