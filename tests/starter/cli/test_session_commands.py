"""`session request|status|end|list`."""

import pytest

from poolwright.domain.states import ServerState
from starter.cli.exit_codes import ExitCode
from tests.starter.cli.program import Program


class TestRequest:
    def test_json_has_what_scripts_rely_on(self, program: Program) -> None:
        server = program.server()
        answer = program.json("session", "request", "--pool", "desks", "--user", "ada", "--wait")
        assert {"id", "state", "server", "connection", "queued_seconds"} <= set(answer)
        assert (answer["state"], answer["server"]["id"]) == ("assigned", server.id)
        assert answer["connection"]["password"] == "pl4nt3d-s3cr3t"

    def test_people_see_where_to_connect_but_no_password(self, program: Program) -> None:
        program.server()
        result = program.run("session", "request", "--pool", "desks", "--user", "ada")
        assert "10.0.0.7:3389" in result.stdout
        assert "pl4nt3d" not in result.output
        assert "only in -o json" in result.stderr

    def test_the_loops_are_woken(self, program: Program) -> None:
        program.run("session", "request", "--pool", "desks")
        assert ("scale_now", "desks-here") in program.signals.names()

    def test_waiting_in_vain_has_an_exit_code_and_leaves_the_session_in_the_queue(self, program: Program) -> None:
        arguments = ("session", "request", "--pool", "desks", "--user", "ada", "--wait", "--timeout", "0.1")
        said = program.error(*arguments, expect=ExitCode.TIMED_OUT)
        (session,) = program.json("session", "list")
        assert session["state"] == "queued"
        assert f"`poolwright session end {session['id']}` takes it out" in said
        assert "0.1 seconds: No server of the pool is running. It stays in the queue" in said

    def test_a_key_makes_it_repeatable(self, program: Program) -> None:
        arguments = ("session", "request", "--pool", "desks", "--user", "ada", "--key", "k1")
        assert program.json(*arguments)["id"] == program.json(*arguments)["id"]
        program.error(
            *("session", "request", "--pool", "desks", "--user", "bob", "--key", "k1"), expect=ExitCode.REFUSED
        )

    def test_an_unknown_pool_is_not_found(self, program: Program) -> None:
        program.error("session", "request", "--pool", "nothing", expect=ExitCode.NOT_FOUND)

    def test_an_unknown_kind_is_a_mistake_of_usage(self, program: Program) -> None:
        program.run("session", "request", "--pool", "desks", "--kind", "game", expect=ExitCode.USAGE)

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--user", ""),
            ("--user", " "),
            ("--user", "x" * 256),
            ("--key", ""),
            ("--priority", "99999999999999999999"),
            ("--timeout", "-1"),
            ("--timeout", "nan"),
        ],
    )
    def test_what_the_session_api_refuses_is_a_mistake_of_usage(
        self, program: Program, arguments: tuple[str, str]
    ) -> None:
        program.run("session", "request", "--pool", "desks", *arguments, expect=ExitCode.USAGE)
        assert program.json("session", "list") == []

    def test_text_that_is_not_utf_8_is_told_as_such(self, program: Program) -> None:
        said = program.error("session", "request", "--pool", "desks", "--user", "\udcff", expect=ExitCode.USAGE)
        assert "not UTF-8" in said

    def test_temporal_is_not_needed(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        program.server()
        monkeypatch.undo()
        monkeypatch.setenv("POOLWRIGHT_DATA_DIRECTORY", str(program.directory))
        monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
        assert program.json("session", "request", "--pool", "desks", "--user", "ada")["state"] == "assigned"


class TestStatusEndAndList:
    def test_a_session_from_request_to_end(self, program: Program) -> None:
        server = program.server()
        session = program.session("ada")
        assert program.json("session", "status", session)["server"]["hostname"] == server.hostname
        program.move(server.id, ServerState.DRAINING)
        assert program.json("session", "end", session, "--reason", "went home")["end_reason"] == "went home"
        assert program.json("session", "list") == []
        assert [one["id"] for one in program.json("session", "list", "--ended")] == [session]
        assert ("sessions_changed", server.id) in program.signals.names()

    def test_who_waits_is_told_why_and_at_which_place(self, program: Program) -> None:
        session = program.session("ada")
        shown = program.run("session", "status", session).stdout
        assert "position in the queue: 1" in shown
        assert "waits because:" in shown

    def test_more_than_a_database_can_count_is_refused(self, program: Program) -> None:
        assert "1000000" in program.run("session", "list", "--newest", "9" * 25, expect=ExitCode.USAGE).stderr

    def test_an_unknown_pool_is_not_found(self, program: Program) -> None:
        program.session("ada")
        assert "no pool 'desk'" in program.error("session", "list", "--pool", "desk", expect=ExitCode.NOT_FOUND)

    def test_of_a_pool_that_was_deleted_its_sessions_are_found(self, program: Program) -> None:
        session = program.session("ada")
        program.run("session", "end", session)
        program.forget_pool("desks")
        assert program.json("session", "list", "--pool", "desks") == []
        assert [one["id"] for one in program.json("session", "list", "--pool", "desks", "--ended")] == [session]

    @pytest.mark.parametrize("command", ["status", "end"])
    def test_an_unknown_session_is_not_found(self, program: Program, command: str) -> None:
        program.error("session", command, "n00000000000", expect=ExitCode.NOT_FOUND)
