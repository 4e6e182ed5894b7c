"""Startup scripts on Windows: run by the VM's agent, once, with their end told."""

import base64
import re
from typing import Any

import pytest
import tree_sitter_powershell
from pydantic import SecretStr
from tree_sitter import Language, Parser

from poolwright.providers.azure.scripts import result_from, run_command_request
from poolwright.providers.errors import NotFound
from tests.conformance.specs import THEIRS, mark_of, spec_of
from tests.providers.azure.conftest import Opened
from tests.wire.azure_cloud import VMS, Subscription
from tests.wire.server import WireServer

pytestmark = pytest.mark.slow

SCRIPT = "Write-Output 'Grüße'\r\nexit 3\r\n"


def command(state: str, *, provisioning: str = "Succeeded", **view: Any) -> dict[str, Any]:
    return {"properties": {"provisioningState": provisioning, "instanceView": {"executionState": state, **view}}}


class TestRequest:
    def test_it_is_powershell_that_carries_the_script_whole(self) -> None:
        source = run_command_request(SCRIPT.encode(), "westeurope", mark_of("a"))["properties"]["source"]["script"]
        found = re.search(r"FromBase64String\('([^']*)'\)", source)
        assert found
        assert base64.b64decode(found[1]).decode() == SCRIPT
        tree = Parser(Language(tree_sitter_powershell.language())).parse(source.encode())
        assert not tree.root_node.has_error

    def test_its_marker_is_this_vms_alone_as_images_are_made_of_vms(self) -> None:
        sources = [
            run_command_request(b"", "westeurope", mark_of(server))["properties"]["source"]["script"]
            for server in ("a", "b")
        ]
        assert "pw-a-" in sources[0]
        assert "pw-a-" not in sources[1]

    def test_azure_does_not_wait_for_its_end(self) -> None:
        assert run_command_request(b"", "westeurope", mark_of("a"))["properties"]["asyncExecution"] is True


class TestResult:
    @pytest.mark.parametrize("state", ["Unknown", "Pending", "Running"])
    def test_it_may_still_run(self, state: str) -> None:
        assert result_from(command(state, output="so far")).finished is False
        assert result_from({"properties": {"provisioningState": "Creating"}}).finished is False

    def test_its_exit_code_and_output_are_told(self) -> None:
        done = result_from(command("Succeeded", exitCode=0, output="out", error="err"))
        assert (done.finished, done.exit_code, done.output) == (True, 0, "out\nerr")
        failed = result_from(command("Failed", exitCode=3, output="out", executionMessage="script failed"))
        assert (failed.finished, failed.exit_code, failed.output) == (True, 3, "out\nscript failed")

    @pytest.mark.parametrize(
        "ended",
        [
            command("TimedOut"),
            command("Canceled", exitCode=0),
            command("Failed", exitCode=0),
            command("Unknown", provisioning="Failed"),
        ],
    )
    def test_one_that_did_not_end_by_itself_is_no_success(self, ended: dict[str, Any]) -> None:
        result = result_from(ended)
        assert result.finished
        assert result.exit_code


class TestRun:
    def test_a_repeat_reads_the_first_run(self, server: WireServer, opened: Opened, subscription: Subscription) -> None:
        provider = opened(is_windows=True)
        provider.create(spec_of("a"))
        assert provider.run_startup_script("pw-a", SecretStr(SCRIPT)).finished is False
        made = subscription.get(VMS, "pw-a/runCommands/poolwright-startup")
        assert made
        made["properties"]["instanceView"] = {"executionState": "Failed", "exitCode": 3, "output": "out"}
        again = opened(is_windows=True).run_startup_script("pw-a", SecretStr("exit 0"))
        assert (again.exit_code, again.output) == (3, "out")
        assert server.count(lambda request: request.method == "PUT" and "runCommands" in request.path) == 1

    def test_it_goes_with_its_vm(self, opened: Opened, subscription: Subscription) -> None:
        provider = opened(is_windows=True)
        vm = provider.create(spec_of("a"))
        provider.run_startup_script("pw-a", SecretStr(SCRIPT))
        provider.delete(vm.mark, None)
        assert subscription.names() == []

    def test_nothing_is_run_in_a_vm_of_another_controller(
        self, server: WireServer, opened: Opened, subscription: Subscription
    ) -> None:
        theirs = opened(controller_id=THEIRS, is_windows=True)
        theirs.create(spec_of("a", controller_id=THEIRS))
        theirs.run_startup_script("pw-a", SecretStr("theirs"))
        with pytest.raises(NotFound):
            opened(is_windows=True).run_startup_script("pw-a", SecretStr(SCRIPT))
        assert server.count(lambda request: request.method == "PUT" and "runCommands" in request.path) == 1

    def test_a_vm_that_is_gone_is_not_found(self, opened: Opened) -> None:
        with pytest.raises(NotFound):
            opened(is_windows=True).run_startup_script("pw-gone", SecretStr(SCRIPT))
