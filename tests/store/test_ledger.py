"""The slot ledger keeps its caps, whoever reserves and however many do so at once."""

from collections import Counter
from datetime import timedelta

import pytest

from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.store import ledger, scaling
from poolwright.store.documents import UnknownDocument
from poolwright.store.engine import Store
from poolwright.store.servers import get_server, history, list_servers, lock_server
from tests.installations import save
from tests.store.scenes import AUTOSCALE, NOW, PROVIDER, agent_pool, at_once, move, reserve, server_pool


def servers(store: Store, *, deleted: bool = False) -> list[Server]:
    with store.read() as tx:
        return list_servers(tx, deleted=deleted)


def hostnames(store: Store) -> list[str]:
    return sorted(server.hostname for server in servers(store))


def second_provider(store: Store, cap: int) -> None:
    """VM provider config `spare`."""
    save(store, "vm_provider", "spare", {**PROVIDER, "max_instances": cap})


class TestManyAtOnce:
    """Fifty reservers, each in a transaction of its own."""

    def test_no_cap_is_ever_passed(self, store: Store) -> None:
        server_pool(store, cap=10, max_instances=7, fallback_vm_providers=["spare"])
        second_provider(store, cap=4)
        save(store, "autoscale", "open", {**AUTOSCALE, "fallback_vm_providers": ["spare"]})
        save(store, "autoscale", "tight", {**AUTOSCALE, "vm_provider": "spare", "max_instances": 2})
        names = ("demo", "open", "tight")

        def want_two(number: int) -> list[str]:
            autoscale = names[number % 3]
            wanted = ("spare", "spare") if autoscale == "tight" else ("sim", "spare")
            with store.write() as tx:
                slots = [ledger.Slot(vm_provider=one, reason="many want it") for one in wanted]
                config = scaling.load_autoscale(tx, autoscale)
                return ledger.reserve(tx, config, slots, f"{autoscale}-{number}", NOW)

        reserved = [server_id for ids in at_once(50, want_two) for server_id in ids]
        made = servers(store)
        assert {server.id for server in made} == set(reserved)
        assert len({server.hostname for server in made}) == len(made)
        assert Counter(server.vm_provider for server in made) == {"sim": 10, "spare": 4}
        of_config = Counter(server.autoscale for server in made)
        assert of_config["demo"] <= 7
        assert of_config["tight"] <= 2

    def test_configs_that_share_no_cap_still_share_host_names(self, store: Store) -> None:
        server_pool(store)
        for number in range(8):
            save(store, "vm_provider", f"account-{number}", {**PROVIDER, "max_instances": 5})
            body = {**AUTOSCALE, "vm_provider": f"account-{number}", "hostname_pattern": "demo-{n:03}"}
            save(store, "autoscale", f"demo-{number}", body)

        def want_five(number: int) -> list[str]:
            return reserve(store, autoscale=f"demo-{number}", vm_provider=f"account-{number}", count=5)

        assert sum(map(len, at_once(8, want_five))) == 40
        assert hostnames(store) == [f"demo-{number:03}" for number in range(1, 41)]

    def test_one_decision_that_is_recorded_by_several_reserves_once(self, store: Store) -> None:
        server_pool(store)
        found = at_once(8, lambda _: reserve(store, count=3, decision="demo-1"))
        assert len(servers(store)) == 3
        assert all(ids == found[0] for ids in found)

    def test_slots_that_are_freed_meanwhile_are_given_once(self, store: Store) -> None:
        server_pool(store, cap=10)
        old = reserve(store, count=10)

        def free_or_take(number: int) -> int:
            if number < 10:
                move(store, old[number], ServerState.DELETED)
                return 0
            return len(reserve(store, count=2))

        taken = sum(at_once(20, free_or_take))
        taken += len(reserve(store, count=20))
        assert taken == 10
        assert len(servers(store)) == 10


class TestCaps:
    def test_as_many_as_fit_in_order(self, store: Store) -> None:
        server_pool(store, cap=2, fallback_vm_providers=["spare"])
        second_provider(store, cap=1)
        with store.write() as tx:
            config = scaling.load_autoscale(tx, "demo")
            slots = [
                ledger.Slot(vm_provider=one, reason=f"wish {n}")
                for n, one in enumerate(["sim", "sim", "sim", "spare", "spare"])
            ]
            ids = ledger.reserve(tx, config, slots, "demo-1", NOW)
            found = [get_server(tx, server_id) for server_id in ids]
        assert [(server.message, server.decision_index) for server in found] == [
            ("wish 0", 0),
            ("wish 1", 1),
            ("wish 3", 3),
        ]

    @pytest.mark.parametrize("state", [state for state in ServerState if state is not ServerState.DELETED])
    def test_every_state_but_deleted_holds_its_slot(self, store: Store, state: ServerState) -> None:
        server_pool(store, cap=1)
        (server_id,) = reserve(store)
        move(store, server_id, state)
        assert reserve(store) == []
        with store.read() as tx:
            assert ledger.provider_usage(tx, "sim") == ledger.Usage(in_use=1, max_instances=1)

    def test_a_freed_slot_can_be_reserved_again(self, store: Store) -> None:
        server_pool(store, cap=1)
        (first,) = reserve(store)
        move(store, first, ServerState.DELETED)
        (second,) = reserve(store)
        assert second != first

    def test_a_cap_that_was_lowered_below_use_leaves_nothing(self, store: Store) -> None:
        server_pool(store, cap=5)
        reserve(store, count=4)
        save(store, "vm_provider", "sim", {**PROVIDER, "max_instances": 2})
        with store.read() as tx:
            assert ledger.provider_usage(tx, "sim").left == 0
        assert reserve(store, count=3) == []

    def test_a_cap_of_the_config_counts_its_servers_on_every_provider(self, store: Store) -> None:
        server_pool(store, max_instances=3, fallback_vm_providers=["spare"])
        second_provider(store, cap=9)
        assert len(reserve(store, count=2)) == 2
        assert len(reserve(store, vm_provider="spare", count=2)) == 1
        with store.read() as tx:
            assert ledger.autoscale_usage(tx, scaling.load_autoscale(tx, "demo")).left == 0

    def test_without_a_cap_of_its_own_a_config_has_no_number_left(self, store: Store) -> None:
        server_pool(store)
        with store.read() as tx:
            assert ledger.autoscale_usage(tx, scaling.load_autoscale(tx, "demo")).left is None

    def test_a_config_that_is_gone_reserves_nothing(self, store: Store) -> None:
        server_pool(store)
        with store.read() as tx:
            config = scaling.load_autoscale(tx, "demo").model_copy(update={"name": "gone"})
        with store.write() as tx, pytest.raises(UnknownDocument, match="no autoscale 'gone'"):
            ledger.reserve(tx, config, [ledger.Slot(vm_provider="sim", reason="x")], "gone-1", NOW)


class TestRows:
    def test_a_repeated_decision_returns_the_same_servers(self, store: Store) -> None:
        server_pool(store, cap=3)
        first = reserve(store, count=2, decision="demo-1")
        assert reserve(store, count=2, decision="demo-1") == first
        assert len(reserve(store, count=2, decision="demo-2")) == 1

    def test_a_row_says_who_wanted_it_and_what_it_may_hold(self, store: Store) -> None:
        server_pool(store, max_sessions_per_server=4, max_users_per_server=2, reusable=True, require_checkin=False)
        (server_id,) = reserve(store, decision="demo-7")
        with store.read() as tx:
            server = get_server(tx, server_id)
            (entry,) = history(tx, server_id)
        assert (server.state, server.message) == (ServerState.REQUESTED, "a test wants it")
        assert (server.decision_id, server.decision_index) == ("demo-7", 0)
        assert (server.max_sessions, server.max_users, server.reusable, server.require_checkin) == (4, 2, True, False)
        assert (entry.at, entry.from_state, entry.to_state, entry.reason) == (
            NOW,
            None,
            ServerState.REQUESTED,
            "a test wants it",
        )

    def test_an_agent_counts_as_what_its_config_says(self, store: Store) -> None:
        agent_pool(store, agent_gpus_override=1)
        reserve(store)
        (server,) = servers(store)
        assert (server.size.cores, server.size.memory_mib, server.size.gpus) == (4, 4096, 1)
        assert server.reusable

    def test_its_revision_is_the_newest_of_config_and_provider_config(self, store: Store) -> None:
        server_pool(store)
        save(store, "vm_provider", "sim", {**PROVIDER, "max_instances": 9})
        reserve(store)
        with store.read() as tx:
            revision = scaling.take_snapshot(tx, "demo", NOW).autoscale_revision
        assert servers(store)[0].config_revision == revision == 5

    def test_a_change_to_a_fallback_drifts_no_server_that_is_made_after_it(self, store: Store) -> None:
        save(store, "vm_provider", "second", PROVIDER)
        server_pool(store, fallback_vm_providers=["second"])
        save(store, "vm_provider", "second", {**PROVIDER, "max_instances": 9})
        reserve(store)
        with store.read() as tx:
            revision = scaling.take_snapshot(tx, "demo", NOW).autoscale_revision
        assert servers(store)[0].config_revision == revision == 6


class TestHostNames:
    def test_the_lowest_free_number_is_taken(self, store: Store) -> None:
        server_pool(store)
        ids = reserve(store, count=4)
        assert hostnames(store) == ["demo-001", "demo-002", "demo-003", "demo-004"]
        by_name = {server.hostname: server.id for server in servers(store)}
        assert set(by_name.values()) == set(ids)
        move(store, by_name["demo-002"], ServerState.DELETED)
        move(store, by_name["demo-003"], ServerState.DELETED)
        reserve(store)
        assert hostnames(store) == ["demo-001", "demo-002", "demo-004"]

    @pytest.mark.parametrize("state", [ServerState.FAILED, ServerState.DELETING])
    def test_a_name_is_not_given_again_before_its_server_is_deleted(self, store: Store, state: ServerState) -> None:
        server_pool(store)
        (server_id,) = reserve(store)
        move(store, server_id, state)
        reserve(store)
        assert hostnames(store) == ["demo-001", "demo-002"]

    def test_a_server_whose_name_is_taken_outside_takes_the_next(self, store: Store) -> None:
        server_pool(store)
        first, second = reserve(store, count=2)
        with store.write() as tx:
            row = lock_server(tx, first)
            before = row.hostname
            ledger.rename(tx, row)
        with store.read() as tx:
            assert get_server(tx, first).hostname == "demo-003"
            assert get_server(tx, second).hostname != before

    def test_servers_that_are_renamed_and_reserved_at_once_get_names_of_their_own(self, store: Store) -> None:
        server_pool(store)
        old = reserve(store, count=6)

        def rename_or_reserve(number: int) -> None:
            if number < 6:
                with store.write() as tx:
                    ledger.rename(tx, lock_server(tx, old[number]))
            else:
                reserve(store)

        at_once(12, rename_or_reserve)
        assert len(set(hostnames(store))) == 12

    def test_a_name_may_be_made_of_the_id(self, store: Store) -> None:
        server_pool(store, hostname_pattern="vm-{id}")
        (server_id,) = reserve(store, at=NOW + timedelta(hours=1))
        assert hostnames(store) == [f"vm-{server_id}"]
