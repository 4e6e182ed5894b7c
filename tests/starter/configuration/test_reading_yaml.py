"""What cannot be read is said with its file and line, and nothing that might be a secret is repeated."""

import io
from pathlib import Path

import pytest

from poolwright.store.documents import kinds
from starter.configuration.sources import read_sources
from tests.starter.configuration.declarations import Declarations, place


class TestSources:
    def test_a_directory_stands_for_its_yaml_files(self, empty: Declarations) -> None:
        empty.write("site/one.yaml", "{kind: zone, name: one}")
        empty.write("site/deeper/two.yml", "{kind: zone, name: two}")
        empty.write("site/readme.txt", "no YAML")
        applied = empty.apply(None, empty.directory / "site")
        assert {change.name for change in applied.changes} == {"one", "two"}

    def test_a_file_that_is_named_twice_is_read_once(self, empty: Declarations) -> None:
        path = empty.write("site/one.yaml", "{kind: zone, name: one}")
        assert len(empty.apply(None, path, path.parent, path).changes) == 1

    def test_a_hyphen_stands_for_standard_input(self) -> None:
        sources, problems = read_sources([Path("-")], lambda: "kind: zone")
        assert [(source.name, source.text) for source in sources] == [("standard input", "kind: zone")]
        assert problems == []

    def test_a_missing_file_is_named(self, empty: Declarations) -> None:
        problem = empty.problem(None, empty.directory / "gone.yaml")
        assert problem.file == str(empty.directory / "gone.yaml")
        assert problem.what == "cannot be read: No such file or directory"
        assert "Check the path" in problem.remedy

    def test_a_file_that_is_not_utf_8_is_named(self, empty: Declarations) -> None:
        path = empty.directory / "latin.yaml"
        path.write_bytes(b"kind: zone\nname: caf\xe9\n")
        assert "is not UTF-8 text. Save it" in str(empty.problem(None, path))

    def test_standard_input_that_is_not_utf_8_is_told(
        self, empty: Declarations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        latin = io.TextIOWrapper(io.BytesIO(b"kind: zone\nname: caf\xe9\n"), errors="surrogateescape")
        monkeypatch.setattr("sys.stdin", latin)
        _, (problem,) = read_sources([Path("-")])
        assert str(problem) == "standard input: is not UTF-8 text. Save it with this encoding."

    def test_a_directory_without_yaml_is_an_error(self, empty: Declarations) -> None:
        (empty.directory / "nothing").mkdir()
        assert "no YAML file was found" in empty.problem(None, empty.directory / "nothing").what


class TestDocuments:
    def test_empty_documents_are_passed_over(self, empty: Declarations) -> None:
        assert len(empty.apply("---\n---\nkind: zone\nname: one\n---\n# only a comment\n").changes) == 1

    def test_a_missing_kind_shows_the_kinds(self, empty: Declarations) -> None:
        problem = empty.problem("# a comment\nname: demo\n")
        assert (problem.line, problem.key, problem.what) == (2, "kind", "kind is missing")
        assert ", ".join(kinds()) in problem.remedy

    def test_a_missing_name_is_an_error(self, empty: Declarations) -> None:
        problem = empty.problem("kind: zone\n")
        assert (problem.line, problem.key, problem.what) == (1, "name", "name is missing")

    def test_an_unknown_kind_names_the_closest(self, empty: Declarations) -> None:
        problem = empty.problem("kind: zone\nname: one\n---\nname: demo\nkind: pol\n")
        assert place(problem) == ("test.yaml", 5, "pol demo", "kind", '"pol"')
        assert problem.remedy == "Did you mean pool?"

    def test_a_document_that_is_no_mapping_is_an_error(self, empty: Declarations) -> None:
        problem = empty.problem("kind: zone\nname: one\n---\n- a\n- list\n")
        assert problem.line == 4
        assert "no mapping" in problem.what

    def test_two_documents_of_one_name_name_each_other(self, empty: Declarations) -> None:
        first = empty.write("first.yaml", "kind: zone\nname: one\n")
        second = empty.write("second.yaml", "\nkind: zone\nname: one\n")
        problem = empty.problem(None, first, second)
        assert place(problem) == ("second.yaml", 2, "zone one", "name", '"one"')
        assert f"another zone has this name, in {first}, line 2" in problem.what
        assert problem.remedy == "Rename one of them, or remove it."

    def test_a_key_that_is_given_twice_names_both_lines(self, empty: Declarations) -> None:
        problem = empty.problem("kind: pool\nname: one\ntype: server\nlabels:\n  team: a\n  site: b\n  team: c\n")
        assert place(problem) == ("test.yaml", 7, "pool one", "labels.team", None)
        assert problem.what == "is given twice, first on line 5"
        assert problem.remedy == "Keep one of the two."

    def test_anchors_and_merge_keys_work_and_may_be_overridden(self, empty: Declarations) -> None:
        empty.apply(
            """
            kind: pool
            name: one
            type: server
            labels: &shared {team: a, site: b}
            ---
            kind: workspace
            name: w
            <<: &size {image: nginx, cores: 1, memory_mib: 512}
            cores: 2
            """
        )
        assert empty.body("workspace", "w") == {
            "kind": "workspace",
            "name": "w",
            "image": "nginx",
            "cores": 2.0,
            "memory_mib": 512,
        }

    def test_an_alias_to_itself_is_an_error(self, empty: Declarations) -> None:
        assert "holds itself" in empty.problems("kind: pool\nname: one\ntype: server\nlabels: &a {x: *a}\n")[0].what

    def test_bare_clock_times_are_clock_times(self, declared: Declarations) -> None:
        declared.apply(
            """
            kind: autoscale
            name: desks-here
            type: server
            pool: desks
            zone: here
            vm_provider: small
            schedules:
              - {days: [mon], start: 9:00, end: 17:30, timezone: UTC, targets: {hourly_floor: {10:00: 1, 09:00: 2}}}
            """
        )
        schedule = declared.body("autoscale", "desks-here")["schedules"][0]
        assert (schedule["start"], schedule["end"]) == ("09:00", "17:30")
        assert schedule["targets"]["hourly_floor"] == {"09:00": 2, "10:00": 1}

    def test_a_name_that_looks_like_a_date_is_a_name(self, empty: Declarations) -> None:
        assert empty.apply("kind: zone\nname: 2026-01-01\n").changes[0].name == "2026-01-01"

    @pytest.mark.parametrize(
        ("value", "what"),
        [(".nan", "not a finite number"), (".inf", "not a finite number"), ("!wheel 4", "YAML tag that is not known")],
    )
    def test_values_that_nothing_can_be_done_with_are_errors(self, empty: Declarations, value: str, what: str) -> None:
        problems = empty.problems(f"kind: workspace\nname: w\nimage: nginx\nmemory_mib: 1\ncores: {value}\n")
        assert (problems[0].line, problems[0].key) == (5, "cores")
        assert what in problems[0].what

    @pytest.mark.parametrize("escape", ["\\0", "\\ud800"])
    def test_text_that_no_database_keeps_is_an_error(self, empty: Declarations, escape: str) -> None:
        problem = empty.problem(f'kind: pool\nname: one\ntype: server\ndescription: "a{escape}b"\n')
        assert (problem.line, problem.key) == (4, "description")
        assert "NUL or half of a character" in problem.what
        key = empty.problem(f'kind: pool\nname: one\ntype: server\nlabels: {{"a{escape}": b}}\n')
        assert key.key == "labels"


class TestSyntax:
    def test_a_mistake_has_its_line_and_does_not_hide_other_files(self, empty: Declarations) -> None:
        broken = empty.write("broken.yaml", "kind: zone\nname: one\n---\nkind: pool\n  name: x\n")
        wrong = empty.write("wrong.yaml", "kind: pool\nname: one\ntype: servr\n")
        problems = empty.problems(None, broken, wrong)
        assert [(Path(problem.file or "").name, problem.line) for problem in problems] == [
            ("broken.yaml", 5),
            ("wrong.yaml", 3),
        ]

    def test_what_a_broken_file_may_declare_is_not_called_missing(self, empty: Declarations) -> None:
        problems = empty.problems(
            "kind: workspace\nname: w\nimage: i\ncores: 1\nmemory_mib: 1\nzone: z\n---\n{kind: zone\n"
        )
        assert [problem.key for problem in problems] == [None]

    def test_endless_nesting_is_told_as_such(self, empty: Declarations) -> None:
        assert "nested too deeply" in empty.problem(f"kind: pool\nname: {'[' * 2_000}\n").what

    def test_a_character_that_yaml_forbids_is_told_as_such(self, empty: Declarations) -> None:
        assert "holds a character that YAML forbids" in empty.problem("kind: zone\nname: a\x1bb\n").what

    def test_a_tab_is_told_in_plain_words(self, empty: Declarations) -> None:
        problem = empty.problem("kind: pool\nname: one\n\ttype: server\n")
        assert problem.line == 3
        assert "Indent with spaces" in problem.remedy

    @pytest.mark.parametrize(
        "password", ["*hunter22", "&hunter22 [", "'hunter22", "@hunter22", "hunter22: [", "!hunter22 {"]
    )
    def test_a_password_that_breaks_the_syntax_is_not_repeated(self, empty: Declarations, password: str) -> None:
        problems = empty.problems(f"kind: ldap\nname: corp\nservice_account_password: {password}\n")
        assert "hunter22" not in "".join(map(str, problems))
        assert problems[0].file is not None
