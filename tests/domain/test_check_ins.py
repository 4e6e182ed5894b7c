import pytest

from poolwright.domain.check_ins import matters
from poolwright.domain.servers import CheckInStatus
from poolwright.domain.states import ServerState

STARTING, CONFIGURING, RUNNING, ERROR = CheckInStatus


class TestMatters:
    @pytest.mark.parametrize("status", CheckInStatus)
    @pytest.mark.parametrize("state", ServerState)
    def test_another_status_than_before_always_does(self, status: CheckInStatus, state: ServerState) -> None:
        for before in {None, *CheckInStatus} - {status}:
            assert matters(status, before, state)

    @pytest.mark.parametrize(
        ("status", "states"),
        [
            (STARTING, {"requested", "preparing", "creating"}),
            (CONFIGURING, {"requested", "preparing", "creating", "booting"}),
            (RUNNING, {"requested", "preparing", "creating", "booting", "configuring"}),
            (ERROR, {"requested", "preparing", "creating", "booting", "configuring", "running", "draining"}),
        ],
    )
    def test_a_repeated_one_does_until_the_server_has_come_to_where_it_leads(
        self, status: CheckInStatus, states: set[str]
    ) -> None:
        assert {state.value for state in ServerState if matters(status, status, state)} == states
