"""The workflows of today understand every recorded history: an update does not stop a life that has begun."""

from collections.abc import Sequence

import pytest
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from activities import contract
from poolwright.domain.identities import SERVER_LIFECYCLE
from starter.plugin import poolwright_plugin
from tests.replay import histories
from tests.replay.fingerprints import accepted
from tests.replay.forbidden import LooksAtTheClock
from tests.replay.record import PLAYS
from tests.replay.reordered import FreedTooEarly
from workflows.registry import ALL_WORKFLOWS

MOST_BYTES = 30_000
"""A history of a larger size is hard to look through, and so are its changes."""


def replayer(workflows: Sequence[type]) -> Replayer:
    """A replayer of these workflows, with the worker's own plugin."""
    return Replayer(workflows=workflows, plugins=[poolwright_plugin()])


class TestReplay:
    @pytest.mark.parametrize("name", histories.names())
    async def test_a_recorded_history_is_understood(self, name: str) -> None:
        await replayer(ALL_WORKFLOWS).replay_workflow(histories.read(name))

    @pytest.mark.parametrize("path", ["goes_well", "creation_refused", "has_computer_record_and_dns"])
    async def test_a_change_of_order_is_noticed(self, path: str) -> None:
        history = histories.read(f"{SERVER_LIFECYCLE}/{path}")
        with pytest.raises(NondeterminismError):
            await replayer([FreedTooEarly]).replay_workflow(history)

    async def test_what_a_workflow_must_not_do_is_noticed(self) -> None:
        history = histories.read(f"{SERVER_LIFECYCLE}/goes_well")
        with pytest.raises(RuntimeError, match=r"Cannot access datetime\.datetime\.now"):
            await replayer([LooksAtTheClock]).replay_workflow(history)


class TestRecordings:
    def test_every_play_is_recorded(self) -> None:
        missing = {play.name for play in PLAYS} - set(histories.names())
        assert not missing, f"run `make histories` to record {', '.join(sorted(missing))}"

    def test_every_step_is_in_a_history(self) -> None:
        steps = {value for name, value in vars(contract).items() if name.isupper() and name != "INTERNAL_ERROR"}
        seen = {line.removeprefix("activity ") for lines in accepted().values() for line in lines}
        assert not steps - seen, (
            f"no play takes the steps {', '.join(sorted(steps - seen))}: add one, then `make histories`"
        )

    @pytest.mark.parametrize("name", histories.names())
    def test_a_history_is_small(self, name: str) -> None:
        assert histories.file_of(name).stat().st_size < MOST_BYTES
