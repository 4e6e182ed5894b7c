"""`pool list|show|pause|resume|rollout`, `explain`, `plan` and `schedule preview`."""

from datetime import timedelta

import pytest

from poolwright.domain.planning import plan
from poolwright.store import scaling
from poolwright.store.tables import DecisionRow
from starter.cli.exit_codes import ExitCode
from tests.starter.cli.program import CONFIGURATION, Program


def decide(program: Program) -> None:
    with program.store.write() as tx:
        snapshot = scaling.take_snapshot(tx, "desks-here", program.store.clock())
        scaling.record_plan(tx, snapshot, plan(snapshot, program.store.clock()))


def paused(program: Program) -> str | None:
    with program.store.read() as tx:
        return scaling.take_snapshot(tx, "desks-here", program.store.clock()).paused


class TestList:
    def test_counts_servers_and_sessions_by_state(self, program: Program) -> None:
        program.server()
        program.session("ada")
        (pool,) = program.json("pool", "list")
        assert (pool["name"], pool["servers"], pool["sessions"]) == ("desks", {"running": 1}, {"assigned": 1})
        assert "1 running" in program.run("pool", "list").stdout


class TestShow:
    def test_caps_drift_failures_and_the_last_decision(self, program: Program) -> None:
        program.server()
        decide(program)
        with program.store.write() as tx:
            scaling.note_failure(tx, "desks-here", "no check-in", program.store.clock())
        program.run("apply", "-", stdin=CONFIGURATION.replace("type: rdp", "type: vnc"))
        shown = program.run("pool", "show", "desks").stdout
        for part in (
            "1 of any number on desks-here, 1 of 4 on small",
            "no check-in",
            "drifted servers:",
            "servers total 1",
        ):
            assert part in shown
        (config,) = program.json("pool", "show", "desks")["configs"]
        assert (config["drifted"], config["failures"], config["paused_because"]) == (1, ["no check-in"], None)
        assert config["numbers"]
        assert config["reasons"]

    def test_an_unknown_pool_is_not_found(self, program: Program) -> None:
        program.error("pool", "show", "nothing", expect=ExitCode.NOT_FOUND)


class TestPause:
    def test_it_is_stored_and_the_loops_are_told(self, program: Program) -> None:
        program.run("pool", "pause", "desks", "--reason", "maintenance")
        assert paused(program) == "maintenance"
        assert program.signals.sent == [("pause", "desks-here", "maintenance")]
        assert "maintenance" in program.run("pool", "show", "desks").stdout

    @pytest.mark.parametrize("reason", ["", " ", "x" * 1_001])
    def test_a_reason_says_something(self, program: Program, reason: str) -> None:
        program.run("pool", "pause", "desks", "--reason", reason, expect=ExitCode.USAGE)
        assert paused(program) is None

    @pytest.mark.parametrize("command", ["pause", "resume"])
    def test_without_an_autoscale_config_there_is_nothing_to_pause(self, program: Program, command: str) -> None:
        program.run("delete", "autoscale", "desks-here")
        assert "no autoscale config" in program.error("pool", command, "desks", expect=ExitCode.REFUSED)

    def test_resuming_undoes_both(self, program: Program) -> None:
        program.run("pool", "pause", "desks")
        program.run("pool", "resume", "desks")
        assert paused(program) is None
        assert program.signals.names() == [("pause", "desks-here"), ("resume", "desks-here")]

    def test_it_holds_even_while_temporal_is_away(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        monkeypatch.setenv("POOLWRIGHT_DATA_DIRECTORY", str(program.directory))
        monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
        assert "it is stored, and holds from the next decision on" in program.run("pool", "pause", "desks").stderr
        assert paused(program) is not None

    def test_resuming_can_forgive_failures(self, program: Program) -> None:
        with program.store.write() as tx:
            scaling.note_failure(tx, "desks-here", "no check-in", program.store.clock())
        program.run("pool", "resume", "desks")
        assert program.json("pool", "show", "desks")["configs"][0]["failures"] == ["no check-in"]
        program.run("pool", "resume", "desks", "--forgive")
        assert program.json("pool", "show", "desks")["configs"][0]["failures"] == []


class TestRollout:
    def test_drifted_servers_are_marked(self, program: Program) -> None:
        program.server()
        assert "No server of pool desks is drifted." in program.run("pool", "rollout", "desks").stderr
        program.run("apply", "-", stdin=CONFIGURATION.replace("type: rdp", "type: vnc"))
        assert "1 server(s) of pool desks will be replaced." in program.run("pool", "rollout", "desks").stderr
        assert "No server" in program.run("pool", "rollout", "desks").stderr

    def test_an_unknown_pool_is_not_found(self, program: Program) -> None:
        program.error("pool", "rollout", "nothing", expect=ExitCode.NOT_FOUND)


class TestExplain:
    def test_json_has_time_numbers_actions_and_reasons(self, program: Program) -> None:
        decide(program)
        explanation = program.json("explain", "desks")
        assert explanation["at"]
        assert explanation["numbers"]["wanted_available_sessions"] == 1
        assert [action["kind"] for action in explanation["actions"]] == ["create"]
        assert explanation["reasons"]

    def test_the_sentences_for_people(self, program: Program) -> None:
        decide(program)
        said = program.run("explain", "desks").stdout
        assert "desks-here, decided" in said
        assert "> create small:" in said

    def test_a_time_in_the_past_shows_what_held_then(self, program: Program) -> None:
        decide(program)
        with program.store.write() as tx:
            for row in tx.query(DecisionRow):
                row.at -= timedelta(days=2)
        yesterday = (program.store.clock() - timedelta(days=1)).isoformat()
        assert len(program.json("explain", "desks", "--at", yesterday)["actions"]) == 1
        assert program.json("explain", "desks", "--at", "2020-01-01T00:00")["actions"] == []

    def test_before_the_first_decision_it_says_so(self, program: Program) -> None:
        assert "desks-here has made no decision yet." in program.run("explain", "desks").stderr

    @pytest.mark.parametrize("at", ["yesterday", "9999-12-31T23:59-14:00", "0001-01-01T00:00+14:00"])
    def test_a_time_that_is_none_is_a_mistake_of_usage(self, program: Program, at: str) -> None:
        said = program.run("explain", "desks", "--at", at, expect=ExitCode.USAGE).stderr
        assert "2026-03-29T09:00+02:00" in said

    def test_an_unknown_pool_is_not_found(self, program: Program) -> None:
        program.error("explain", "nothing", expect=ExitCode.NOT_FOUND)


class TestPlan:
    def test_says_what_would_be_done_and_writes_nothing(self, program: Program) -> None:
        planned = program.json("plan", "desks")
        assert [action["kind"] for action in planned["actions"]] == ["create"]
        assert planned["numbers"]["servers_total"] == 0
        assert program.json("server", "list") == []
        assert program.json("explain", "desks")["actions"] == []

    def test_the_sentences_for_people(self, program: Program) -> None:
        assert "> create small:" in program.run("plan", "desks").stdout

    def test_several_configs_are_told_apart(self, program: Program) -> None:
        more = CONFIGURATION.partition("kind: autoscale")[2].replace("desks-here", "desks-too")
        program.run("apply", "-", stdin=f"kind: autoscale{more}")
        planned = program.json("plan", "desks")
        assert {name.partition(".")[0] for name in planned["numbers"]} == {"desks-here", "desks-too"}
        assert planned["autoscale"] is None


class TestSchedulePreview:
    def test_shows_local_times_and_clock_changes(self, program: Program) -> None:
        window = "schedules: [{days: [mon], start: '09:00', end: '17:00', timezone: Europe/Berlin}]"
        program.run("apply", "-", stdin=f"{CONFIGURATION}{window}\n")
        rows = program.json("schedule", "preview", "desks-here", "--days", "14")
        assert len(rows) == 2
        assert rows[0]["timezone"] == "Europe/Berlin"
        assert "09:00+0" in program.run("schedule", "preview", "desks-here").stdout

    def test_an_unknown_config_is_not_found(self, program: Program) -> None:
        program.error("schedule", "preview", "nothing", expect=ExitCode.NOT_FOUND)
