"""The program as a whole: help that teaches, a quick start, exit codes and errors in one sentence."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import text, update
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from poolwright.domain.states import ServerState
from poolwright.store import check_ins, documents
from poolwright.store.tables import ServerRow
from starter import cli
from starter.cli import app, completion
from starter.cli.exit_codes import MEANINGS, ExitCode
from starter.cli.failures import explained
from starter.configuration import applying
from starter.configuration.problems import ConfigurationRefused
from tests.starter.cli.program import Program

HEAVY = ("asyncio", "sqlalchemy", "temporalio", "fastapi", "pydantic", "alembic", "cryptography", "yaml", "rich.table")


def commands(group: TyperGroup, *path: str) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *path, name)
        else:
            assert isinstance(command, TyperCommand)
            yield (*path, name), command


def root() -> TyperGroup:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


class TestHelp:
    @pytest.mark.parametrize("path", [path for path, _ in commands(root())], ids=" ".join)
    def test_every_command_explains_itself_with_an_example(self, path: tuple[str, ...]) -> None:
        result = CliRunner().invoke(app, [*path, "--help"])
        assert result.exit_code == 0
        assert "Example" in result.stdout
        assert f"poolwright {' '.join(path)}" in result.stdout

    @pytest.mark.parametrize("path", [path for path, _ in commands(root())], ids=" ".join)
    def test_every_parameter_says_what_it_is_for(self, path: tuple[str, ...]) -> None:
        command: Any = root()
        for name in path:
            command = command.commands[name]
        assert [parameter.name for parameter in command.params if not parameter.help] == []

    def test_without_a_command_the_commands_are_listed(self) -> None:
        result = CliRunner().invoke(app, [])
        assert result.exit_code == ExitCode.USAGE
        for name in ("up", "apply", "server", "session", "explain"):
            assert f"  {name} " in result.output

    def test_the_list_of_commands_imports_nothing_heavy(self) -> None:
        code = f"import sys, starter.cli; print([name for name in {HEAVY} if name in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    @pytest.mark.parametrize("module", ["launcher", "background"])
    def test_nothing_heavy_is_imported_before_the_stack_starts(self, module: str) -> None:
        heavy = ("sqlalchemy", "temporalio", "cryptography", "httpx", "rich")
        code = f"import sys, starter.stack.{module}; print([name for name in {heavy} if name in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class TestVersion:
    def test_it_is_printed(self) -> None:
        assert CliRunner().invoke(app, ["version"]).stdout.startswith("poolwright 0.")

    def test_the_module_runs_the_program(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "starter.cli", "version"], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("poolwright ")


class TestErrors:
    def test_every_exit_code_has_a_meaning(self) -> None:
        assert set(MEANINGS) == set(ExitCode)

    def test_a_missing_database_says_how_to_get_one(self, data_directory: Path) -> None:
        result = CliRunner().invoke(app, ["server", "list"])
        assert result.exit_code == ExitCode.NOT_FOUND
        assert f"there is no database in {data_directory}" in result.stderr
        assert "`poolwright up`" in result.stderr
        assert not data_directory.exists()

    def test_an_old_database_says_what_to_run(self, program: Program) -> None:
        with program.store.engine.begin() as connection:
            connection.execute(text("DELETE FROM alembic_version"))
        assert "poolwright database upgrade" in program.error("server", "list", expect=ExitCode.FAILED)

    def test_a_database_that_is_none_is_a_sentence(self, data_directory: Path) -> None:
        data_directory.mkdir()
        (data_directory / "poolwright.db").write_text("not a database, but long enough to be looked at" * 100)
        result = CliRunner().invoke(app, ["server", "list"])
        assert result.exit_code in (ExitCode.FAILED, ExitCode.UNREACHABLE)
        assert result.stderr.count("\n") == 1

    def test_a_database_server_that_does_not_answer_is_told_by_its_exit_code(
        self, data_directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POOLWRIGHT_DATABASE_URL", "postgresql+psycopg://me:hunter22@127.0.0.1:1/poolwright")
        result = CliRunner().invoke(app, ["server", "list"])
        assert result.exit_code == ExitCode.UNREACHABLE
        assert "the database cannot be used" in result.stderr
        assert "hunter22" not in result.output

    def test_the_wrong_key_is_told(self, program: Program) -> None:
        program.server()
        program.session()
        key = program.directory / "secrets.key"
        key.write_text("A" * 43 + "=\n")
        (session,) = program.json("session", "list")
        assert "sealed with another key" in program.error("session", "status", session["id"], expect=ExitCode.FAILED)

    def test_a_wrong_environment_variable_is_named(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("POOLWRIGHT_ENDPOINT_PORT", "many")
        assert "POOLWRIGHT_ENDPOINT_PORT" in program.error("server", "list", expect=ExitCode.FAILED)

    def test_no_temporal_is_told_by_its_exit_code(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        server = program.server()
        monkeypatch.undo()
        monkeypatch.setenv("POOLWRIGHT_DATA_DIRECTORY", str(program.directory))
        monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
        said = program.error("server", "drain", server.hostname, expect=ExitCode.UNREACHABLE)
        assert "no Temporal server answers at 127.0.0.1:1" in said

    def test_a_bug_is_a_sentence_that_names_debug(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise KeyError("surprise with hunter22 in it")

        monkeypatch.setattr("starter.answering.answer_servers", fail)
        said = program.error("server", "list", expect=ExitCode.FAILED)
        assert said == "Error: unexpected KeyError; run it again with --debug to see where it came from\n"

    def test_debug_shows_where_it_came_from(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise KeyError("surprise")

        monkeypatch.setattr("starter.answering.answer_servers", fail)
        result = CliRunner().invoke(app, ["--debug", "server", "list"])
        assert "Traceback" in result.stderr
        assert result.exit_code == ExitCode.FAILED

    @pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
    def test_closed_streams_are_no_error(self, program: Program, closed: str) -> None:
        program.server()
        command = f"exec {sys.executable} -m starter.cli server list {closed}"
        assert subprocess.run(command, shell=True, capture_output=True, check=True).stderr == b""

    def test_an_unknown_command_names_a_close_one(self) -> None:
        result = CliRunner().invoke(app, ["serve", "list"])
        assert result.exit_code == ExitCode.USAGE
        assert "server" in result.stderr

    def test_every_error_of_the_table_exists(self) -> None:
        from starter.cli import failures

        for name in failures._CODES:
            module, _, attribute = name.rpartition(".")
            assert isinstance(getattr(__import__(module, fromlist=[attribute]), attribute), type)

    def test_errors_below_one_of_the_table_count_as_it(self) -> None:
        assert explained(PermissionError(13, "Permission denied", "x"))[1] is ExitCode.FAILED
        assert explained(ConfigurationRefused([]))[1] is ExitCode.REFUSED
        assert explained(applying.AppliedMeanwhile("x")) == ("x", ExitCode.FAILED)


class TestLeaving:
    @pytest.mark.parametrize("code", [ExitCode.OK, ExitCode.REFUSED])
    def test_nothing_of_the_temporal_sdk_can_change_the_exit_code(
        self, monkeypatch: pytest.MonkeyPatch, code: ExitCode
    ) -> None:
        left: list[int] = []

        def fail() -> None:
            raise SystemExit(int(code))

        monkeypatch.setattr(cli, "app", fail)
        monkeypatch.setattr("os._exit", left.append)
        monkeypatch.setitem(sys.modules, "temporalio", sys)
        with pytest.raises(SystemExit):
            cli.main()
        assert left == [code]


class TestDataDirectory:
    def test_the_option_comes_before_the_environment(
        self, program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("POOLWRIGHT_DATA_DIRECTORY", str(tmp_path / "elsewhere"))
        program.run("server", "list", expect=ExitCode.NOT_FOUND)
        program.run("--data-directory", str(program.directory), "server", "list")


class TestCompletion:
    def complete(self, *words: str) -> list[str]:
        line = "poolwright " + " ".join(words)
        environment = {
            "_POOLWRIGHT_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words)),
        }
        return CliRunner().invoke(app, [], env=environment, prog_name="poolwright").stdout.split()

    def test_names_of_documents_servers_and_pools(self, program: Program) -> None:
        server = program.server()
        assert self.complete("pool", "show", "de") == ["desks"]
        assert self.complete("server", "show", "") == [server.hostname]
        assert self.complete("get", "autosc") == ["autoscale"]
        assert self.complete("get", "autoscale", "") == ["desks-here"]
        assert self.complete("schedule", "preview", "desks") == ["desks-here"]

    def test_every_kind_of_document_is_known(self) -> None:
        assert completion.kinds("") == list(documents.kinds())

    def test_deleted_servers_are_left_out(self, program: Program) -> None:
        server = program.server(ServerState.DELETING)
        program.move(server.id, ServerState.DELETED)
        assert self.complete("server", "show", "") == []

    def test_the_data_directory_of_the_command_line_counts(
        self, program: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("POOLWRIGHT_DATA_DIRECTORY")
        assert self.complete("--data-directory", str(program.directory), "pool", "show", "") == ["desks"]

    def test_no_database_is_no_error_and_makes_none(self, data_directory: Path) -> None:
        assert self.complete("pool", "show", "") == []
        assert not data_directory.exists()


class TestOutput:
    @pytest.mark.parametrize(
        "command", ["get", "server list", "pool list", "session list", "api-key list", "provider list"]
    )
    def test_json_is_an_array_and_tables_are_whole_lines(self, program: Program, command: str) -> None:
        program.server()
        program.session()
        program.session("bob")
        assert isinstance(json.loads(program.run(*command.split(), "-o", "json").stdout), list)
        assert program.run(*command.split(), "-o", "yaml").stdout
        assert "…" not in program.run(*command.split()).stdout

    @pytest.mark.parametrize("command", ["server list", "server show {}", "server logs {}", "session list"])
    def test_what_others_wrote_steers_no_terminal(self, program: Program, command: str) -> None:
        steering = "\x1b]0;all is well\x07\r\x9b2K"
        server = program.server()
        line = check_ins.LogLine(at="12:00:01", application="startup", level="INFO", message=steering)
        with program.store.write() as tx:
            check_ins.append_logs(tx, server.id, [line], program.store.clock())
            tx.execute(update(ServerRow).values(message=steering))
        program.session(steering)
        shown = program.run(*command.format(server.hostname).split()).stdout
        assert r"\x1b]0;all is well\x07\x0d\x9b2K" in shown
        assert not set(shown) & {"\x1b", "\x07", "\r", "\x9b"}
