"""Snapshots for decisions."""

from datetime import timedelta
from typing import Any

import pytest

from poolwright.domain.resources import PoolType
from poolwright.domain.scaling import ProviderCap
from poolwright.domain.states import ServerState
from poolwright.store import ledger, scaling
from poolwright.store.documents import UnknownDocument
from poolwright.store.engine import Store
from poolwright.store.tables import PlaceMemoryRow
from tests.installations import save
from tests.store.scenes import AUTOSCALE, NOW, PROVIDER, at_once, move, request, reserve, running, server_pool, snapshot

MINUTE = timedelta(minutes=1)


class TestSnapshot:
    def test_it_shows_the_pool_as_it_is(self, store: Store) -> None:
        server_pool(store, cap=7, max_sessions_per_server=2, max_users_per_server=2)
        (server,) = running(store)
        reserve(store)
        move(store, reserve(store)[0], ServerState.DELETED)
        for user in ("ada", "grace", "linus"):
            request(store, user)
        found = snapshot(store)
        assert (found.autoscale.name, found.pool_type, found.paused) == ("demo", PoolType.SERVER, None)
        assert {one.state for one in found.servers} == {ServerState.RUNNING, ServerState.REQUESTED}
        view = next(one for one in found.servers if one.id == server.id)
        assert sorted(one.user for one in view.sessions) == ["ada", "grace"]
        assert view.served == 2
        assert [one.user for one in found.waiting] == ["linus"]
        assert found.providers == (ProviderCap(vm_provider="sim", max_instances=7, in_use=2),)
        assert set(found.zones) == {"here"}
        assert found.siblings == ()

    def test_caps_of_fallbacks_follow_in_order(self, store: Store) -> None:
        server_pool(store, cap=7, fallback_vm_providers=["spare", "last"])
        save(store, "vm_provider", "last", {**PROVIDER, "max_instances": 1})
        save(store, "vm_provider", "spare", {**PROVIDER, "max_instances": 3})
        reserve(store, vm_provider="spare", count=2)
        caps = [(cap.vm_provider, cap.max_instances, cap.in_use) for cap in snapshot(store).providers]
        assert caps == [("sim", 7, 0), ("spare", 3, 2), ("last", 1, 0)]

    def test_a_place_without_capacity_is_remembered_until_then(self, store: Store) -> None:
        server_pool(store)
        with store.write() as tx:
            scaling.note_unavailable(tx, "sim", "east", NOW + 3 * MINUTE, "no hosts left")
            scaling.note_unavailable(tx, "sim", None, NOW + MINUTE, "no quota left")
        assert snapshot(store).providers[0].unavailable_until == {"east": NOW + 3 * MINUTE, "": NOW + MINUTE}
        assert snapshot(store, at=NOW + MINUTE).providers[0].unavailable_until == {"east": NOW + 3 * MINUTE}
        assert snapshot(store, at=NOW + 3 * MINUTE).providers[0].unavailable_until == {}

    def test_servers_that_find_out_at_once_are_all_heard(self, store: Store) -> None:
        server_pool(store)

        def find_out(number: int) -> None:
            with store.write() as tx:
                scaling.note_unavailable(tx, "sim", "east", NOW + number * MINUTE, "no hosts left")

        at_once(6, find_out)
        with store.read() as tx:
            assert tx.get_one(PlaceMemoryRow, ("sim", "east")).reason == "no hosts left"

    def test_its_revision_is_the_newest_that_reshapes(self, store: Store) -> None:
        server_pool(store, fallback_vm_providers=["spare"])
        save(store, "vm_provider", "spare", {**PROVIDER, "max_instances": 3})
        found = snapshot(store)
        with store.read() as tx:
            config = scaling.load_autoscale(tx, "demo")
            assert ledger.autoscale_revision(tx, config) == found.autoscale_revision == 5

    def test_an_unknown_config_is_named(self, store: Store) -> None:
        with pytest.raises(UnknownDocument, match="no autoscale 'gone'"):
            snapshot(store, "gone")


class TestSiblings:
    @pytest.fixture(autouse=True)
    def two_configs(self, store: Store) -> None:
        server_pool(store, cap=10)
        save(store, "vm_provider", "spare", {**PROVIDER, "max_instances": 2})
        self.sibling(store)

    @staticmethod
    def sibling(store: Store, **changes: Any) -> None:
        body = {"vm_provider": "spare", "max_sessions_per_server": 4, "max_instances": 5}
        save(store, "autoscale", "other", {**AUTOSCALE, **body, **changes})

    def test_it_is_seen_with_what_it_could_still_make(self, store: Store) -> None:
        (sibling,) = snapshot(store).siblings
        assert (sibling.name, sibling.active, sibling.paused) == ("other", True, False)
        assert (sibling.free_slots, sibling.room_per_server) == (2, 4)
        reserve(store, autoscale="other", vm_provider="spare")
        assert snapshot(store).siblings[0].free_slots == 1
        self.sibling(store, fallback_vm_providers=["sim"])
        assert snapshot(store).siblings[0].free_slots == 4

    def test_a_provider_without_capacity_gives_it_nothing(self, store: Store) -> None:
        with store.write() as tx:
            scaling.note_unavailable(tx, "spare", None, NOW + MINUTE, "no quota left")
        assert snapshot(store).siblings[0].free_slots == 0

    @pytest.mark.parametrize("change", [{"enabled": False}, {"observe": True}, {"pool": "elsewhere"}])
    def test_one_that_makes_no_servers_here_is_not_seen(self, store: Store, change: dict[str, Any]) -> None:
        self.sibling(store, **change)
        assert snapshot(store).siblings == ()

    def test_one_that_is_paused_is_seen_as_such(self, store: Store) -> None:
        with store.write() as tx:
            scaling.set_paused(tx, "other", "maintenance")
        assert snapshot(store).siblings[0].paused

    def test_one_that_fails_too_often_is_seen_as_paused(self, store: Store) -> None:
        with store.write() as tx:
            for _ in range(3):
                scaling.note_failure(tx, "other", "the script failed", NOW)
        assert snapshot(store).siblings[0].paused
