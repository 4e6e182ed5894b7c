"""Whatever people, operators, workers and the provider do: what was promised holds.

It is played on the real server and in real time: the time-skipping one stops for good when a workflow is terminated or
cancelled in the middle of something. So that it need not take long, everything that waits waits for less.
"""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from activities import patience
from tests.chaos.model import Chaos
from tests.workflows.scenes import scene
from tests.workflows.short_histories import start_with_short_histories

pytestmark = pytest.mark.slow

SEEDS = range(int(os.environ.get("POOLWRIGHT_CHAOS_SEEDS", "2")))
"""How many worlds are played: `POOLWRIGHT_CHAOS_SEEDS` asks for more."""
STEPS = 30
CAP = 4

KNOBS: dict[str, Any] = {
    "places": ["east", "west"],
    "create_seconds": {"least_seconds": 0, "most_seconds": 1},
    "boot_seconds": {"least_seconds": 0, "most_seconds": 1},
    "delete_seconds": {"least_seconds": 0, "most_seconds": 1},
    "never_ready_fraction": 0.05,
    "broken_fraction": 0.05,
}
SETTINGS: dict[str, Any] = {
    "minimum_available_sessions": 2,
    "max_instances": CAP,
    "provider_cap": CAP,
    "scaling_period_seconds": 1,
    "minimum_life_seconds": 1,
    "downscale_backoff_seconds": 1,
    "failure": {"boot_deadline_seconds": 6, "pause_seconds": 1, "max_pause_seconds": 2, "place_memory_seconds": 1},
}


class TestModel:
    """Random worlds, each from its seed."""

    @pytest.fixture(autouse=True)
    def impatience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ask the provider again after a tenth of a second."""
        monkeypatch.setattr(patience, "_FIRST_SECONDS", 0.1)

    @pytest.mark.timeout(300)
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_nothing_that_was_promised_is_broken(self, tmp_path: Path, seed: int) -> None:
        knobs = {**KNOBS, "seed": seed}
        async with (
            start_with_short_histories() as environment,
            scene(environment, tmp_path, sim=knobs, **SETTINGS) as poolwright,
        ):
            poolwright.world.clock = time.time
            poolwright.change("vm_provider", "sim", facts={"places": knobs["places"]})
            await poolwright.loop()
            chaos = Chaos(poolwright, seed)
            try:
                for _ in range(STEPS):
                    await chaos.step()
                    chaos.check()
                await chaos.come_to_rest()
            except BaseException as error:
                error.add_note(f"seed {seed}:\n" + "\n".join(chaos.log))
                raise
