"""`get`, `apply`, `diff`, `delete`, `export`."""

import json
from pathlib import Path

import pytest
import yaml

from starter.cli.exit_codes import ExitCode
from tests.starter.cli.program import CONFIGURATION, Program

POOL = "kind: pool\nname: more\ntype: server\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "more.yaml"
    path.write_text(POOL)
    return path


class TestApply:
    def test_says_what_it_did(self, program: Program, file: Path) -> None:
        result = program.run("apply", str(file))
        assert result.stdout == '+ pool more: create\n    type: "server"\n'
        assert result.stderr == "Applied as revision 2.\n"

    def test_a_second_time_changes_nothing(self, program: Program, file: Path) -> None:
        program.run("apply", str(file))
        result = program.run("apply", str(file))
        assert result.stdout == "= pool more: unchanged\n"
        assert result.stderr == "Nothing to change.\n"

    def test_says_when_the_loops_cannot_be_told(self, program: Program, file: Path) -> None:
        file.write_text(CONFIGURATION.replace("minimum_available_sessions: 1", "minimum_available_sessions: 2"))
        assert "Temporal does not answer now; the scaling loops take it up" in program.run("apply", str(file)).stderr

    def test_says_that_servers_are_drifted_and_how_to_renew_them(self, program: Program, file: Path) -> None:
        file.write_text(CONFIGURATION.replace("type: rdp", "type: vnc"))
        result = program.run("apply", str(file))
        assert "~ autoscale desks-here: update  (servers made before this are drifted)" in result.stdout
        assert "`poolwright pool rollout POOL`" in result.stderr

    def test_problems_are_refused_with_all_their_places(self, program: Program, file: Path) -> None:
        file.write_text("kind: pool\nname: more\ntype: servr\ncolour: red\n")
        said = program.error("apply", str(file), expect=ExitCode.REFUSED)
        assert "2 problems were found; nothing was changed:" in said
        assert f"{file}:3: pool 'more', type: \"servr\": is not one of the choices" in said
        assert f"{file}:4: pool 'more', colour: is no key that is known here" in said

    @pytest.mark.parametrize("command", ["apply", "diff"])
    def test_problems_in_json_for_programs(self, program: Program, file: Path, command: str) -> None:
        file.write_text("kind: pool\nname: more\ntype: servr\n")
        (problem,) = program.json(command, str(file), expect=ExitCode.REFUSED)["problems"]
        assert problem == {
            "file": str(file),
            "line": 3,
            "kind": "pool",
            "name": "more",
            "key": "type",
            "value": '"servr"',
            "what": "is not one of the choices",
            "remedy": "Choose 'server' or 'docker_agent'.",
        }

    def test_json_for_programs(self, program: Program, file: Path) -> None:
        (change,) = program.json("apply", str(file))
        assert change == {
            "kind": "pool",
            "name": "more",
            "change": "create",
            "fields": [{"key": "type", "before": None, "after": '"server"'}],
            "reshapes": False,
        }

    def test_from_standard_input(self, program: Program) -> None:
        assert "+ pool more" in program.run("apply", "-", stdin=POOL).stdout


class TestDiff:
    def test_differences_have_an_exit_code_and_change_nothing(self, program: Program, file: Path) -> None:
        assert "+ pool more: create" in program.run("diff", str(file), expect=ExitCode.DIFFERENCES).stdout
        assert [pool["name"] for pool in program.json("pool", "list")] == ["desks"]

    def test_no_difference_is_exit_code_0(self, program: Program, file: Path) -> None:
        file.write_text(program.run("export").stdout)
        program.run("diff", str(file))

    def test_secrets_are_not_shown(self, program: Program, file: Path) -> None:
        file.write_text(CONFIGURATION.replace("pl4nt3d-s3cr3t", "n3w3r-s3cr3t"))
        output = program.run("diff", str(file), expect=ExitCode.DIFFERENCES).output
        assert "connection.password: (secret changed)" in output
        assert "s3cr3t" not in output


class TestGet:
    def test_lists_everything(self, program: Program) -> None:
        output = program.run("get").stdout
        for name in ("here", "desks", "small", "desks-here"):
            assert name in output

    def test_one_document_is_yaml_of_what_was_set(self, program: Program) -> None:
        body = yaml.safe_load(program.run("get", "pool", "desks").stdout)
        assert body == {"kind": "pool", "name": "desks", "type": "server", "description": "For tests"}

    def test_all_shows_defaults_too(self, program: Program) -> None:
        body = yaml.safe_load(program.run("get", "pool", "desks", "--all").stdout)
        assert body["queue_expiry_seconds"] == 3600

    def test_json_of_one_is_an_object_and_of_a_kind_an_array(self, program: Program) -> None:
        assert json.loads(program.run("get", "pool", "desks", "-o", "json").stdout)["name"] == "desks"
        assert [one["name"] for one in json.loads(program.run("get", "pool", "-o", "json").stdout)] == ["desks"]

    @pytest.mark.parametrize("arguments", [[], ["autoscale"], ["autoscale", "desks-here"]])
    @pytest.mark.parametrize("options", [[], ["--all"], ["-o", "json"], ["-o", "yaml", "--all"]])
    def test_secrets_are_never_shown(self, program: Program, arguments: list[str], options: list[str]) -> None:
        assert "pl4nt3d" not in program.run("get", *arguments, *options).output

    @pytest.mark.parametrize("arguments", [["pools"], ["pool", "nothing"]])
    def test_what_does_not_exist_is_not_found(self, program: Program, arguments: list[str]) -> None:
        program.error("get", *arguments, expect=ExitCode.NOT_FOUND)


class TestDelete:
    def test_what_is_in_use_is_refused(self, program: Program) -> None:
        program.server()
        said = program.error("delete", "pool", "desks", expect=ExitCode.REFUSED)
        assert "autoscale 'desks-here' names it" in said
        assert "1 server of it exist" in said

    def test_what_nothing_needs_goes(self, program: Program, file: Path) -> None:
        program.run("apply", str(file))
        assert program.run("delete", "pool", "more").stderr == "Deleted pool more.\n"
        program.error("get", "pool", "more", expect=ExitCode.NOT_FOUND)


class TestExport:
    def test_it_can_be_applied_again(self, program: Program) -> None:
        exported = program.run("export").stdout
        assert "password: 'stored:'" in exported
        assert "pl4nt3d" not in exported
        assert "Nothing to change" in program.run("apply", "-", stdin=exported).stderr

    def test_one_kind_or_one_document(self, program: Program) -> None:
        assert [one["kind"] for one in yaml.safe_load_all(program.run("export", "zone").stdout)] == ["zone"]
        assert yaml.safe_load(program.run("export", "pool", "desks").stdout)["name"] == "desks"
