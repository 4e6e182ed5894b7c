"""`provider list|check|preview`."""

import pytest

from starter.cli.exit_codes import ExitCode
from tests.starter.cli.program import Program

PLACED = """
kind: vm_provider
name: placed
max_instances: 3
provider: sim
settings: {places: [east, west], capacity: {north: 3}}
startup_script: "#!/bin/sh\\n# {checkin_jwt}\\n"
"""


@pytest.fixture
def placed(program: Program) -> Program:
    """With a provider that has two places, and room in one that it has not."""
    program.run("apply", "-", stdin=PLACED)
    return program


class TestPreview:
    def test_shows_the_request_for_an_invented_server_in_the_first_place(self, placed: Program) -> None:
        request = placed.json("provider", "preview", "placed")["request"]
        assert (request["name"], request["place"]) == ("pw-preview", "east")
        assert request["startup_script"] == "#!/bin/sh\n# {checkin_jwt}\n"

    def test_shows_another_place_if_asked(self, placed: Program) -> None:
        assert placed.json("provider", "preview", "placed", "--place", "west")["request"]["place"] == "west"

    def test_an_unknown_config_is_not_found(self, program: Program) -> None:
        assert "nothing" in program.error("provider", "preview", "nothing", expect=ExitCode.NOT_FOUND)


class TestCheck:
    def test_tells_what_is_wrong_and_fails(self, placed: Program) -> None:
        shown = placed.run("provider", "check", "placed", expect=ExitCode.FAILED).stdout
        assert "capacity.north" in shown
        assert "there is no place 'north'" in shown
