"""What sweeps remember."""

from concurrent.futures import ThreadPoolExecutor, wait

from poolwright.store import sweeps
from poolwright.store.engine import Store
from tests.store.scenes import server_pool


class TestMemory:
    def test_a_pause_during_the_very_first_round_holds(self, store: Store) -> None:
        server_pool(store)

        def pause() -> None:
            with store.write() as tx:
                sweeps.set_paused(tx, "vm_provider", "sim", "maintenance")

        with ThreadPoolExecutor(1) as operator:
            with store.write() as tx:
                assert sweeps.begin_round(tx, "vm_provider", "sim") == 1
                paused = operator.submit(pause)
                wait([paused], timeout=0.3)
            paused.result(timeout=30)
        with store.write() as tx:
            assert sweeps.sweep_state(tx, "vm_provider", "sim").paused_because == "maintenance"
            assert sweeps.begin_round(tx, "vm_provider", "sim") == 2
