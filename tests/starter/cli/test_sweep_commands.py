"""`sweep list|now|pause|resume`."""

import pytest

from poolwright.domain.identities import OwnerMark
from poolwright.domain.resources import SweepMode
from poolwright.domain.sweep import Owned, orphans
from poolwright.domain.sweep_round import round_of
from poolwright.store import sweeps
from starter.cli.exit_codes import ExitCode
from tests.starter.cli.program import CONFIGURATION, Program

SAME_NAME = (
    "kind: ldap\nname: small\nurls: ['ldaps://dc1.corp.example']\nsearch_base: DC=corp,DC=example\n"
    "service_account_dn: CN=svc,DC=corp,DC=example\nservice_account_password: x\n"
)


@pytest.fixture
def swept(program: Program) -> Program:
    """The sweep of `small` has found an orphan."""
    now = program.store.clock()
    with program.store.write() as tx:
        settings = sweeps.sweep_state(tx, "vm_provider", "small").settings
        mark = OwnerMark(controller_id="ours", server_id="sgone")
        orphan = Owned(what="VM", reference="vm-7", mark=mark, first_seen_at=now)
        plan = orphans([orphan], frozenset(), "ours", settings, now)
        sweeps.finish_round(tx, "vm_provider", "small", round_of(now, SweepMode.REPORT, plan, {}), {})
    return program


class TestList:
    def test_shows_the_last_round_with_its_sentences(self, swept: Program) -> None:
        shown = swept.run("sweep", "list").stdout
        assert "small, mode report" in shown
        assert "- waiting: The VM vm-7 of server sgone has had no living server since" in shown

    def test_gives_programs_the_same(self, swept: Program) -> None:
        (state,) = swept.json("sweep", "list", "--config", "small")
        assert (state["kind"], state["name"], state["zone"]) == ("vm_provider", "small", "here")
        assert [entry["outcome"] for entry in state["last_round"]["entries"]] == ["waiting"]

    def test_says_when_there_was_no_round(self, program: Program) -> None:
        assert "none yet" in program.run("sweep", "list").stdout

    def test_says_when_nothing_uses_the_config(self, program: Program) -> None:
        program.run("apply", "-", stdin=SAME_NAME)
        assert "no autoscale config uses it" in program.run("sweep", "list").stdout

    def test_an_unknown_config_is_not_found(self, program: Program) -> None:
        said = program.error("sweep", "list", "--config", "nothing", expect=ExitCode.NOT_FOUND)
        assert "vm_provider, dns_provider, ldap" in said


class TestNow:
    def test_asks_every_config_of_the_name_unless_a_kind_is_given(self, program: Program) -> None:
        program.run("apply", "-", stdin=SAME_NAME)
        program.run("sweep", "now", "small")
        assert program.signals.names() == [("sweep_now", "ldap"), ("sweep_now", "vm_provider")]
        program.run("sweep", "now", "small", "--kind", "ldap")
        assert program.signals.names()[2:] == [("sweep_now", "ldap")]

    def test_says_when_no_loop_runs(self, program: Program) -> None:
        program.signals.running = False
        said = program.error("sweep", "now", "small", expect=ExitCode.FAILED)
        assert "the watchdog starts one within a minute" in said

    def test_a_paused_one_is_refused(self, program: Program) -> None:
        program.run("sweep", "pause", "small", "--reason", "restored from a backup")
        said = program.error("sweep", "now", "small", expect=ExitCode.REFUSED)
        assert "paused (restored from a backup)" in said


class TestPause:
    def test_holds_until_it_is_resumed(self, program: Program) -> None:
        program.run("sweep", "pause", "small", "--reason", "maintenance")
        assert program.json("sweep", "list")[0]["paused_because"] == "maintenance"
        program.run("sweep", "resume", "small")
        assert program.json("sweep", "list")[0]["paused_because"] is None
        assert program.signals.names() == [("sweep_settings_changed", "vm_provider")] * 2


class TestSettings:
    def test_come_from_the_document(self, program: Program) -> None:
        text = CONFIGURATION.replace("max_instances: 4", "max_instances: 4\nsweep: {mode: delete, cap: 3}")
        assert not any(change["reshapes"] for change in program.json("apply", "-", stdin=text))
        (state,) = program.json("sweep", "list")
        assert (state["settings"]["mode"], state["settings"]["cap"]) == ("delete", 3)

    def test_an_unknown_mode_is_refused(self, program: Program) -> None:
        text = CONFIGURATION.replace("max_instances: 4", "max_instances: 4\nsweep: {mode: destroy}")
        program.run("apply", "-", stdin=text, expect=ExitCode.REFUSED)

    def test_a_deleted_config_tells_its_sweep(self, program: Program) -> None:
        program.run("apply", "-", stdin=SAME_NAME)
        program.run("delete", "ldap", "small")
        assert program.signals.names() == [("sweep_settings_changed", "ldap")]
