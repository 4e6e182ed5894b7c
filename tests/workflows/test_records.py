"""Servers with a computer record and a DNS name, against a real domain controller and a real name server."""

from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.servers.bind9 import Nameserver
from tests.servers.organizational_unit import OrganizationalUnit
from tests.workflows.record_scenes import FOREIGN, goes, scene_with

pytestmark = pytest.mark.slow


class TestBoth:
    async def test_they_are_undone_in_reverse(
        self, skipping: WorkflowEnvironment, tmp_path: Path, unit: OrganizationalUnit, names: Nameserver
    ) -> None:
        async with scene_with(skipping, tmp_path, unit, names, pattern="both-{n:04}") as poolwright:
            server = await poolwright.running()
            assert unit.computers() == {"BOTH-0001"}
            await goes(poolwright, server)
            events = (await poolwright.life(server).fetch_history()).events
            steps = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
            assert [step for step in steps if step] == [
                "begin_life",
                "create_computer_record",
                "create_machine",
                *(["await_machine"] if "await_machine" in steps else []),
                "write_dns",
                "mark_running",
                "begin_deleting",
                "remove_dns",
                "delete_machine",
                "delete_computer_record",
                "mark_deleted",
            ]
            assert unit.computers() == set()
            assert names.records() == {FOREIGN}
