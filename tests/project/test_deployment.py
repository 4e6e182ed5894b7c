"""docker-compose.temporal.yml, the files it mounts, and the image that it builds from."""

import asyncio
import json
import os
import re
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import yaml
from sqlalchemy.engine import URL, make_url
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from starter.binaries import temporal_binary
from starter.preparation import prepare_namespace
from starter.settings import Settings
from tests.servers.postgresql import throw_away_server

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.temporal.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VARIABLE = re.compile(r"\$\{(\w+):\?[^}]*\}")


class TestCompose:
    def test_it_follows_the_compose_specification(self) -> None:
        schema = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
        jsonschema.validate(COMPOSE, json.loads(schema.read_text()))

    def test_ports_are_open_to_this_machine_only(self) -> None:
        ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
        assert ports
        assert [port for port in ports if not port.startswith("127.0.0.1:")] == []

    def test_every_image_is_pinned_to_a_release(self) -> None:
        images = {service["image"] for service in SERVICES.values()}
        assert [image for image in images if not re.search(r":\d+\.\d+", image)] == []

    def test_temporal_and_its_tools_are_of_one_release(self) -> None:
        tags = {name: service["image"].split(":")[1] for name, service in SERVICES.items()}
        assert tags["temporal"] == tags["temporal-schema"] == tags["temporal-namespace"]

    def test_whoever_is_waited_for_tells_when_it_is_ready(self) -> None:
        for service in SERVICES.values():
            for name, waited in service.get("depends_on", {}).items():
                ready = "healthcheck" in SERVICES[name] or not SERVICES[name]["restart"].startswith("unless")
                assert ready, name
                assert waited["condition"] in {"service_healthy", "service_completed_successfully"}

    def test_every_password_comes_from_the_environment(self) -> None:
        passwords = {
            f"{name}.{key}": value
            for name, service in SERVICES.items()
            for key, value in service.get("environment", {}).items()
            if re.search("PASSWORD|PWD|DATABASE_URL", key)
        }
        assert passwords
        assert [key for key, value in passwords.items() if not VARIABLE.search(value)] == []

    def test_the_example_names_every_variable_that_must_be_set(self) -> None:
        example = re.findall(r"^(\w+)=$", (ROOT / "deploy" / "example.env").read_text(), re.MULTILINE)
        assert sorted(example) == sorted(set(VARIABLE.findall(yaml.safe_dump(SERVICES))))

    def test_every_file_that_is_mounted_exists(self) -> None:
        mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
        files = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
        assert files
        assert [file for file in files if not (ROOT / file).is_dir()] == []

    def test_worker_and_endpoint_share_their_settings(self) -> None:
        for key in ("image", "environment", "volumes"):
            assert SERVICES["worker"][key] == SERVICES["endpoint"][key]

    def test_every_setting_is_one_that_poolwright_reads(self) -> None:
        names = {name for name in SERVICES["worker"]["environment"] if name.startswith("POOLWRIGHT_")}
        assert names <= {f"POOLWRIGHT_{field.upper()}" for field in Settings.model_fields}


class TestScripts:
    @pytest.mark.parametrize("script", sorted((ROOT / "deploy").rglob("*.sh")), ids=lambda path: path.name)
    def test_a_plain_shell_reads_it(self, script: Path) -> None:
        subprocess.run(["sh", "-n", script], check=True)


@pytest.mark.slow
class TestNamespaceScript:
    async def test_it_makes_the_namespace_and_may_run_again(self, temporal_env: WorkflowEnvironment) -> None:
        client = temporal_env.client
        for _ in range(2):
            ran = await asyncio.to_thread(self.run_script, client.service_client.config.target_host, "from-script")
            assert (ran.returncode, ran.stderr) == (0, "")

        namespace = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="from-script"))
        assert namespace.config.workflow_execution_retention_ttl.ToTimedelta().days == 90

    async def test_the_worker_can_prepare_the_namespace_at_once(self, temporal_env: WorkflowEnvironment) -> None:
        address = temporal_env.client.service_client.config.target_host
        await asyncio.to_thread(self.run_script, address, "prepared")
        await prepare_namespace(await Client.connect(address, namespace="prepared"))

    def run_script(self, address: str, namespace: str) -> "subprocess.CompletedProcess[str]":
        path = f"{temporal_binary().parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["sh", ROOT / "deploy" / "temporal" / "namespace.sh"],
            env={"PATH": path, "TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": namespace},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.mark.slow
class TestDatabasesScript:
    def test_each_program_gets_databases_that_the_other_may_not_enter(self) -> None:
        with throw_away_server() as url:
            self.make_and_enter(make_url(url))

    def make_and_enter(self, server: URL) -> None:
        assert server.username is not None
        assert server.password is not None
        subprocess.run(
            ["sh", ROOT / "deploy" / "postgresql" / "databases.sh"],
            env={
                "PATH": os.environ["PATH"],
                "PGHOST": "127.0.0.1",
                "PGPORT": str(server.port),
                "POSTGRES_USER": server.username,
                "PGPASSWORD": server.password,
                "TEMPORAL_DATABASE_PASSWORD": "of temporal's",
                "POOLWRIGHT_DATABASE_PASSWORD": "ofpoolwright",
            },
            check=True,
        )

        def enter(database: str, user: str, password: str) -> None:
            with psycopg.connect(
                host="127.0.0.1", port=server.port, dbname=database, user=user, password=password
            ) as connection:
                connection.execute("CREATE TABLE proof (id integer)")

        enter("poolwright", "poolwright", "ofpoolwright")
        enter("temporal", "temporal", "of temporal's")
        enter("temporal_visibility", "temporal", "of temporal's")
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            enter("poolwright", "temporal", "of temporal's")


class TestImage:
    DOCKERFILE = (ROOT / "Dockerfile").read_text()

    def test_it_runs_as_nobody_special(self) -> None:
        assert re.findall(r"^USER (.+)$", self.DOCKERFILE, re.MULTILINE) == ["poolwright"]

    def test_it_installs_what_is_pinned_and_nothing_else(self) -> None:
        installs = re.findall(r"pip install (.+)$", self.DOCKERFILE, re.MULTILINE)
        assert installs == [
            "--require-hashes --requirement requirements/deploy.txt",
            "--require-hashes --requirement requirements/$vendor.txt || exit 1; done",
            "--no-deps --no-build-isolation .",
        ]

    def test_the_build_sees_every_file_that_it_needs(self) -> None:
        ignore = (ROOT / ".dockerignore").read_text().splitlines()
        assert ignore[0] == "*"
        kept = {line.removeprefix("!") for line in ignore if line.startswith("!")}
        assert {"pyproject.toml", "requirements", "worker.py", "poolwright", "starter"} <= kept
        assert {"activities", "workflows", "README.md", "LICENSE"} <= kept
