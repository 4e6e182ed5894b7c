"""Which Temporal server is meant."""

import logging
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from starter.cli.failures import explained
from starter.connection import TemporalSettingsProblem, TemporalUnreachable, connect
from starter.preparation import NamespaceNotReady, prepare_namespace
from tests.servers.ports import reserved_port

API_KEY = "planted-api-key-0815"
LACKS_A_QUOTE = f'[profile.default]\napi_key = "{API_KEY}\n'
IS_NO_TABLE = f'[profile.default]\naddress = "localhost:1"\ngrpc_meta = "{API_KEY}"\n'


class TestSettings:
    @pytest.mark.parametrize("profiles", [LACKS_A_QUOTE, IS_NO_TABLE])
    async def test_a_profile_file_that_cannot_be_read_is_told_without_what_it_holds(
        self, profiles: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "temporal.toml").write_text(profiles)
        monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
        with pytest.raises(TemporalSettingsProblem, match=r"error at line [23], column") as problem:
            await connect(patience_seconds=0)
        assert API_KEY not in str(problem.value)
        assert problem.value.__suppress_context__
        assert explained(problem.value)[0] == str(problem.value)

    async def test_a_profile_that_does_not_exist_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "temporal.toml").write_text("[profile.default]\n")
        monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
        monkeypatch.setenv("TEMPORAL_PROFILE", "cloud")
        with pytest.raises(TemporalSettingsProblem, match="Profile 'cloud' not found; mend TEMPORAL_PROFILE"):
            await connect(patience_seconds=0)


class TestWaiting:
    async def test_a_server_that_does_not_answer_yet_is_told_once_and_in_the_end_as_a_problem(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        address = f"127.0.0.1:{reserved_port()}"
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        caplog.set_level(logging.INFO, logger="starter.connection")
        with pytest.raises(TemporalUnreachable, match=f"no Temporal server answers at {address} "):
            await connect(patience_seconds=0.3)
        assert caplog.messages == [f"no Temporal server answers at {address} yet; it is waited for, 0 s"]


@pytest.mark.slow
class TestNamespace:
    async def test_one_that_does_not_exist_is_named_with_the_way_out(self, temporal_env: WorkflowEnvironment) -> None:
        server = temporal_env.client.service_client.config.target_host
        client = await Client.connect(server, namespace="nowhere")
        with pytest.raises(NamespaceNotReady, match=r"nowhere is not found\. Make it with .* TEMPORAL_NAMESPACE"):
            await prepare_namespace(client)
