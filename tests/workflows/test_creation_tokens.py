"""When the token of a creation is proof enough that it makes no second VM."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.machines import token_suffices
from poolwright.domain.states import ServerState
from poolwright.providers.base import VM, VMSpec
from poolwright.providers.sim.provider import SimProvider
from poolwright.store.tables import ServerRow
from tests.workflows.scenes import scene

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class TestTheTokenOfARow:
    def test_suffices_while_its_server_is_new_and_has_no_vm(self) -> None:
        assert token_suffices(ServerRow(created_at=NOW), NOW)
        assert token_suffices(ServerRow(created_at=NOW), NOW + timedelta(minutes=59))

    def test_does_not_once_a_vm_is_known_because_its_place_may_be_another(self) -> None:
        assert not token_suffices(ServerRow(created_at=NOW, provider_reference="vm-1"), NOW)

    def test_does_not_for_a_row_that_is_old_because_vendors_forget(self) -> None:
        assert not token_suffices(ServerRow(created_at=NOW - timedelta(hours=1)), NOW)


@pytest.mark.slow
class TestTheTokenOfALife:
    async def test_suffices_at_its_first_creation(
        self, skipping: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        specs: list[VMSpec] = []
        create = SimProvider.create

        def noted(provider: SimProvider, spec: VMSpec) -> VM:
            specs.append(spec)
            return create(provider, spec)

        monkeypatch.setattr(SimProvider, "create", noted)
        async with scene(skipping, tmp_path) as poolwright:
            server = await poolwright.live()
            await poolwright.until_told(server, ServerState.BOOTING)
        assert [spec.token_suffices for spec in specs] == [True]
