"""Applying: all or nothing, once, and what follows from it."""

from collections.abc import Iterator, Mapping, Sequence

import pytest

from poolwright.store import documents
from starter.configuration.applying import AppliedMeanwhile
from tests.starter.configuration.declarations import BASE, Declarations

DESKS = "kind: autoscale\nname: desks-here\ntype: server\npool: desks\nzone: here\nvm_provider: small\n"
SMALL = "kind: vm_provider\nname: small\nprovider: sim\nmax_instances: 4\n"
STAGING = (
    "kind: workspace\nname: w\nimage: i\ncores: 1\nmemory_mib: 1\n---\n"
    "kind: staging\nname: s\nworkspace: w\nzone: here\npool: agents\ndesired_sessions: 1\n"
)


class TestAllOrNothing:
    def test_one_apply_is_one_revision(self, empty: Declarations) -> None:
        applied = empty.apply(BASE)
        assert applied.revision == 1
        with empty.store.read() as tx:
            assert {row.revision for row in documents.rows(tx)} == {1}

    def test_a_second_apply_changes_nothing(self, declared: Declarations) -> None:
        before = declared.tables()
        applied = declared.apply(BASE)
        assert applied.revision is None
        assert applied.autoscales == ()
        assert {change.change for change in applied.changes} == {"unchanged"}
        assert declared.tables() == before

    def test_a_mistake_in_the_last_document_keeps_the_first_from_being_stored(self, declared: Declarations) -> None:
        declared.problem("kind: zone\nname: there\n---\nkind: zone\nname: Nowhere\n")

    def test_documents_that_no_file_names_stay(self, declared: Declarations) -> None:
        declared.apply("kind: zone\nname: there\n")
        with declared.store.read() as tx:
            assert [row.name for row in documents.rows(tx, "zone")] == ["here", "there"]

    def test_only_what_changes_gets_the_new_revision(self, declared: Declarations) -> None:
        declared.apply(BASE.replace("max_instances: 4", "max_instances: 5"))
        with declared.store.read() as tx:
            assert {row.name for row in documents.rows(tx) if row.revision == 2} == {"small"}


class TestChanges:
    def test_a_new_document_shows_what_it_sets(self, declared: Declarations) -> None:
        (change,) = declared.difference("kind: pool\nname: new\ntype: server\nlabels: {team: a}\n")
        assert (change.change, change.kind, change.name) == ("create", "pool", "new")
        assert [str(field) for field in change.fields] == ['type: "server"', 'labels.team: "a"']

    def test_a_changed_document_shows_only_what_differs(self, declared: Declarations) -> None:
        (change,) = declared.difference(
            DESKS.replace("zone: here", "zone: here\nreusable: true") + "max_instances: 2\n"
        )
        assert change.change == "update"
        assert [str(field) for field in change.fields] == ["max_instances: 2", "reusable: true"]

    def test_a_key_that_is_left_out_is_told(self, declared: Declarations) -> None:
        declared.apply(DESKS + "max_instances: 2\n")
        (change,) = declared.difference(DESKS)
        assert [str(field) for field in change.fields] == ["max_instances: 2 -> (not set)"]

    def test_another_spelling_of_the_same_is_no_change(self, declared: Declarations) -> None:
        window = "{{days: {days}, start: {start}, end: '17:00', timezone: UTC}}"
        one, other = (
            window.format(days="[mon, tue]", start="9:00"),
            window.format(days="[tuesday, Mon]", start="'09:00'"),
        )
        declared.apply(DESKS + f"schedules: [{one}]\n")
        assert declared.apply(DESKS + f"schedules: [{other}]\n").revision is None

    def test_the_difference_is_what_apply_does(self, declared: Declarations) -> None:
        change = SMALL.replace("4", "6") + "---\nkind: zone\nname: there\n"
        before = declared.difference(change)
        assert declared.apply(change).changes == before


class TestFacts:
    def test_places_and_the_largest_script_are_found_out(self, empty: Declarations) -> None:
        empty.apply(SMALL + "settings: {places: [a, b], startup_script_limit_bytes: 9000}\n")
        with empty.store.read() as tx:
            facts = documents.get_row(tx, "vm_provider", "small").facts
        assert facts == {"places": ["a", "b"], "startup_script_limit_bytes": 9000}

    def test_facts_that_a_newer_program_finds_are_stored_by_the_next_apply(self, declared: Declarations) -> None:
        with declared.store.write() as tx:
            documents.get_row(tx, "vm_provider", "small").facts = {}
        applied = declared.apply(SMALL)
        assert applied.revision == 2
        assert [field.key for field in applied.changes[0].fields] == ["(found out) places"]


class TestDrift:
    @pytest.mark.parametrize(
        ("lines", "drifts"),
        [
            ("reusable: true", True),
            ("max_sessions_per_server: 2", True),
            ("connection: {port: 4000}", True),
            ("agent_installed: true", True),
            ("minimum_available_sessions: 3", False),
            ("enabled: false", False),
            ("failure: {budget: 9}", False),
            ("reusable: false", False),
        ],
    )
    def test_only_changes_that_shape_servers_move_the_shape_revision(
        self, declared: Declarations, lines: str, drifts: bool
    ) -> None:
        applied = declared.apply(DESKS + lines + "\n")
        assert applied.revision == 2
        assert applied.changes[0].reshapes is drifts
        assert declared.shape_revision("autoscale", "desks-here") == (2 if drifts else 1)


class TestWhoIsTold:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (DESKS + "reusable: true\n", ["desks-here"]),
            (SMALL.replace("4", "5"), ["agents-here", "desks-here"]),
            ("kind: zone\nname: here\nsearch_alternate_zones: false\n", ["agents-here", "desks-here"]),
            ("kind: pool\nname: agents\ntype: docker_agent\ndescription: x\n", ["agents-here"]),
            (STAGING, ["agents-here"]),
        ],
    )
    def test_the_configs_concerned_after_the_commit(
        self, declared: Declarations, change: str, told: Sequence[str]
    ) -> None:
        heard: list[tuple[list[str], int]] = []

        def listen(names: Sequence[str]) -> None:
            with declared.store.read() as tx:
                heard.append((list(names), max(row.revision for row in documents.rows(tx))))

        declared.apply(change, on_applied=listen)
        assert heard == [(told, 2)]

    def test_nobody_when_nothing_changed_or_no_config_is_concerned(self, declared: Declarations) -> None:
        def fail(names: Sequence[str]) -> None:
            raise AssertionError(names)

        declared.apply(BASE, on_applied=fail)
        declared.apply("kind: zone\nname: there\n", on_applied=fail)


class TestOthersApplyMeanwhile:
    class Meddler(Mapping[str, str]):
        """An environment whose every look-up lets somebody else apply a change first, so many times."""

        def __init__(self, declared: Declarations, times: int) -> None:
            self._declared = declared
            self._left = times

        def __getitem__(self, name: str) -> str:
            if self._left:
                self._left -= 1
                other = self._declared.write("other.yaml", f"kind: zone\nname: zone{self._left}\n")
                self._declared.apply(None, other)
            return "hunter22"

        def __iter__(self) -> Iterator[str]:
            return iter(())

        def __len__(self) -> int:
            return 1

    def test_the_whole_is_checked_again(self, declared: Declarations) -> None:
        applied = declared.apply(DESKS + "connection: {password: 'env:P'}\n", environment=self.Meddler(declared, 2))
        assert applied.revision == 4

    def test_somebody_who_never_stops_is_an_error(self, declared: Declarations) -> None:
        with pytest.raises(AppliedMeanwhile, match="nothing was applied, try again"):
            declared.apply(DESKS + "connection: {password: 'env:P'}\n", environment=self.Meddler(declared, 100))
        assert "connection" not in declared.body("autoscale", "desks-here")
