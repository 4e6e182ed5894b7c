"""`server list|show|logs|drain|undrain|delete|retry`."""

import pytest
from sqlalchemy import update
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import CheckInStatus
from poolwright.domain.states import ServerState
from poolwright.store import check_ins, scaling
from poolwright.store.servers import lock_server
from poolwright.store.tables import ServerRow
from starter.cli.exit_codes import ExitCode
from tests.starter.cli.program import Program


class TestList:
    def test_json_has_what_scripts_rely_on(self, program: Program) -> None:
        program.server()
        (server,) = program.json("server", "list")
        assert {
            *("id", "hostname", "pool", "zone", "provider", "state", "progress", "message", "address", "created_at"),
        } <= set(server)
        assert (server["pool"], server["provider"], server["state"]) == ("desks", "sim", "running")

    def test_states_and_pools_can_be_chosen(self, program: Program) -> None:
        program.server()
        failed = program.server(ServerState.FAILED)
        assert [one["id"] for one in program.json("server", "list", "--state", "failed")] == [failed.id]
        assert len(program.json("server", "list", "--pool", "desks")) == 2
        assert "is no state" in program.run("server", "list", "--state", "happy", expect=ExitCode.USAGE).stderr

    def test_an_unknown_pool_is_not_found(self, program: Program) -> None:
        program.server()
        assert "no pool 'desk'" in program.error("server", "list", "--pool", "desk", expect=ExitCode.NOT_FOUND)

    def test_a_pool_without_servers_has_none(self, program: Program) -> None:
        assert program.json("server", "list", "--pool", "desks") == []

    def test_of_a_pool_that_was_deleted_its_servers_are_found(self, program: Program) -> None:
        server = program.server(ServerState.DELETING)
        program.forget_pool("desks")
        assert [one["id"] for one in program.json("server", "list", "--pool", "desks")] == [server.id]
        program.move(server.id, ServerState.DELETED)
        assert program.json("server", "list", "--pool", "desks") == []
        assert [one["id"] for one in program.json("server", "list", "--pool", "desks", "--deleted")] == [server.id]

    def test_deleted_servers_only_when_asked(self, program: Program) -> None:
        server = program.server(ServerState.DELETING)
        program.move(server.id, ServerState.DELETED)
        assert program.json("server", "list") == []
        assert [one["id"] for one in program.json("server", "list", "--deleted")] == [server.id]

    def test_an_empty_list_says_so(self, program: Program) -> None:
        assert program.run("server", "list").stderr == "There is no server.\n"


class TestShow:
    def test_the_story_and_the_sessions(self, program: Program) -> None:
        server = program.server()
        session = program.session("ada")
        with program.store.write() as tx:
            check_ins.record_check_in(tx, server.id, CheckInStatus.RUNNING, "ready", 100, program.store.clock())
        shown = program.run("server", "show", server.hostname).stdout
        for part in (server.id, "a test made it booting", "10.0.0.7", "100%", "last check-in:", session, "ada"):
            assert part in shown

    def test_json_has_the_server_with_its_story(self, program: Program) -> None:
        server = program.server()
        shown = program.json("server", "show", server.id)
        assert (shown["id"], shown["sessions"]) == (server.id, [])
        assert [entry["to_state"] for entry in shown["story"]][-1] == "running"

    def test_an_unknown_server_is_not_found(self, program: Program) -> None:
        assert "poolwright server list" in program.error("server", "show", "nobody", expect=ExitCode.NOT_FOUND)


class TestLogs:
    def test_lines_of_the_startup_script(self, program: Program) -> None:
        server = program.server()
        line = check_ins.LogLine(at="12:00:01", application="startup", level="INFO", message="installed it")
        with program.store.write() as tx:
            check_ins.append_logs(tx, server.id, [line], program.store.clock())
        assert program.run("server", "logs", server.hostname).stdout == "12:00:01 INFO startup: installed it\n"
        assert program.json("server", "logs", server.hostname)["lines"][0]["message"] == "installed it"

    def test_a_local_machine_has_a_console_log(self, program: Program) -> None:
        server = program.server()
        with program.store.write() as tx:
            tx.execute(update(ServerRow).values(provider="local"))
        said = program.run("server", "logs", server.hostname).stderr
        assert f"{program.directory}/local-machines/pw-{server.id}/console.log" in said


class TestDrain:
    def test_a_running_server_is_asked(self, program: Program) -> None:
        server = program.server()
        assert program.run("server", "drain", server.hostname, "--reason", "patch").stderr == (
            f"{server.hostname} is asked to drain.\n"
        )
        assert program.signals.sent == [("drain", server.id, "patch")]

    def test_a_reason_that_is_no_text_is_refused(self, program: Program) -> None:
        said = program.run("server", "drain", program.server().hostname, "--reason", "\udcff", expect=ExitCode.USAGE)
        assert "is not UTF-8 text" in said.stderr
        assert program.signals.sent == []

    def test_a_server_that_does_not_run_yet_is_refused_and_so_are_those_beside_it(self, program: Program) -> None:
        running, booting = program.server(), program.server(ServerState.BOOTING)
        said = program.error("server", "drain", running.hostname, booting.hostname, expect=ExitCode.REFUSED)
        assert f"{booting.hostname} is booting: only a running server can be drained" in said
        assert program.signals.sent == []

    @pytest.mark.parametrize("command", ["drain", "undrain", "delete"])
    def test_an_empty_reason_is_a_mistake_of_usage(self, program: Program, command: str) -> None:
        server = program.server()
        program.run("server", command, server.hostname, "--reason", "", expect=ExitCode.USAGE)
        assert program.signals.sent == []

    def test_waiting_returns_when_the_row_shows_it(self, program: Program) -> None:
        server = program.server()
        program.signals.effects["drain"] = lambda server_id: program.move(server_id, ServerState.DRAINING)
        assert "is draining" in program.run("server", "drain", server.hostname, "--wait").stderr

    def test_waiting_ends_with_an_exit_code_of_its_own(self, program: Program) -> None:
        server = program.server()
        said = program.run("server", "drain", server.hostname, "--wait", "--timeout", "0", expect=ExitCode.TIMED_OUT)
        assert "is still running after 0 seconds" in said.stderr

    def test_a_life_that_does_not_run_is_told(self, program: Program) -> None:
        server = program.server()
        program.signals.running = False
        assert "the watchdog starts it" in program.error("server", "drain", server.hostname, expect=ExitCode.FAILED)


class TestUndrain:
    def test_a_draining_server_is_asked(self, program: Program) -> None:
        server = program.server(ServerState.DRAINING)
        program.signals.effects["undrain"] = lambda server_id: program.move(server_id, ServerState.RUNNING)
        program.run("server", "undrain", server.hostname, "--wait")
        assert program.signals.names() == [("undrain", server.id)]

    def test_waiting_for_a_server_that_goes_instead_fails(self, program: Program) -> None:
        server = program.server(ServerState.DRAINING)
        program.signals.effects["undrain"] = lambda server_id: program.move(server_id, ServerState.DELETING)
        assert (
            "is deleting" in program.run("server", "undrain", server.hostname, "--wait", expect=ExitCode.FAILED).stderr
        )

    def test_a_server_that_is_going_is_refused(self, program: Program) -> None:
        server = program.server(ServerState.DELETING)
        program.error("server", "undrain", server.hostname, expect=ExitCode.REFUSED)


class TestDelete:
    def test_with_people_on_it_it_is_refused_and_they_are_named(self, program: Program) -> None:
        server = program.server()
        program.session("ada")
        said = program.error("server", "delete", server.hostname, expect=ExitCode.REFUSED)
        assert f"{server.hostname} has people on it: ada" in said
        assert "--force" in said
        assert program.signals.sent == []

    def test_force_ends_their_sessions(self, program: Program) -> None:
        server = program.server()
        program.session("ada")
        program.run("server", "delete", server.hostname, "--force", "--reason", "patch")
        assert program.signals.sent == [("terminate", server.id, "patch")]

    @pytest.mark.parametrize(
        "state", [ServerState.REQUESTED, ServerState.CONFIGURING, ServerState.RUNNING, ServerState.FAILED]
    )
    def test_without_force_it_ends_no_session_of_somebody_who_comes_at_this_moment(
        self, program: Program, state: ServerState
    ) -> None:
        server = program.server(state)
        program.run("server", "delete", server.id, "--reason", "patch")
        assert program.signals.sent == [("delete", server.id, "patch")]

    def test_waiting_returns_when_it_is_gone(self, program: Program) -> None:
        server = program.server(ServerState.BOOTING)
        program.signals.effects["delete"] = lambda server_id: program.move(
            server_id, ServerState.DELETING, ServerState.DELETED
        )
        program.run("server", "delete", server.hostname, "--wait")

    def test_a_server_that_was_registered_by_hand_is_left_alone(self, program: Program) -> None:
        server = program.server()
        with program.store.write() as tx:
            lock_server(tx, server.id).autoscale = None
        assert "registered by hand" in program.error("server", "delete", server.id, expect=ExitCode.REFUSED)

    def test_a_deleted_server_is_told(self, program: Program) -> None:
        server = program.server(ServerState.DELETING)
        program.move(server.id, ServerState.DELETED)
        assert "is deleted already" in program.error("server", "delete", server.id, expect=ExitCode.REFUSED)


class TestRetry:
    def test_a_server_that_is_kept_after_its_failure_is_replaced_and_failures_are_forgiven(
        self, program: Program
    ) -> None:
        server = program.server(ServerState.FAILED)
        with program.store.write() as tx:
            scaling.note_failure(tx, "desks-here", "no check-in", program.store.clock())
        said = program.run("server", "retry", server.hostname).stderr
        assert said == f"{server.hostname}: it is deleted now, and its replacement may be made\n"
        assert program.signals.names() == [("terminate", server.id), ("scale_now", "desks-here")]
        assert program.json("pool", "show", "desks")["configs"][0]["failures"] == []

    def test_waiting_returns_when_it_is_gone(self, program: Program) -> None:
        server = program.server(ServerState.FAILED)
        program.signals.effects["terminate"] = lambda server_id: program.move(
            server_id, ServerState.DELETING, ServerState.DELETED
        )
        program.run("server", "retry", server.hostname, "--wait")

    @pytest.mark.slow
    def test_a_server_whose_life_does_not_run_is_told(
        self, program: Program, temporal_env: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_env.client.service_client.config.target_host)
        server = program.server(ServerState.CREATING)
        assert "the watchdog starts it" in program.error("server", "retry", server.id, expect=ExitCode.FAILED)

    def test_a_deleted_server_is_told(self, program: Program) -> None:
        server = program.server(ServerState.DELETING)
        program.move(server.id, ServerState.DELETED)
        program.error("server", "retry", server.id, expect=ExitCode.REFUSED)
