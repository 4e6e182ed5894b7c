"""The servers that other tests stand on do what those tests assume."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from poolwright.domain.identities import SEARCH_ATTRIBUTES
from tests.servers.postgresql import server_programs

pytestmark = pytest.mark.slow

TASK_QUEUE = "tests-servers"


@workflow.defn
class Sleeps:
    @workflow.run
    async def run(self, seconds: float) -> str:
        await workflow.sleep(seconds)
        return "awake"


async def run_sleeper(environment: WorkflowEnvironment, seconds: float) -> str:
    every_attribute = TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), "value") for name in SEARCH_ATTRIBUTES]
    )
    async with Worker(environment.client, task_queue=TASK_QUEUE, workflows=[Sleeps]), asyncio.timeout(30):
        return await environment.client.execute_workflow(
            Sleeps.run, seconds, id="tests-servers", task_queue=TASK_QUEUE, search_attributes=every_attribute
        )


class TestTemporal:
    def test_every_search_attribute_is_of_a_type_that_the_fixtures_know(self) -> None:
        assert set(SEARCH_ATTRIBUTES.values()) == {"Keyword"}

    async def test_the_real_server_runs_workflows_with_our_search_attributes(
        self, temporal_env: WorkflowEnvironment
    ) -> None:
        assert await run_sleeper(temporal_env, 0.01) == "awake"

    async def test_the_test_server_skips_over_a_month(self, time_skipping_env: WorkflowEnvironment) -> None:
        before = await time_skipping_env.get_current_time()
        assert await run_sleeper(time_skipping_env, timedelta(days=30).total_seconds()) == "awake"
        assert await time_skipping_env.get_current_time() - before >= timedelta(days=30)


def tables(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        names = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
    engine.dispose()
    return list(names)


class TestPostgreSQL:
    def test_a_test_may_write(self, postgresql_database_url: str) -> None:
        engine = create_engine(postgresql_database_url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE left_behind (id integer)"))
        engine.dispose()
        assert tables(postgresql_database_url) == ["left_behind"]

    def test_the_next_test_sees_nothing_of_it(self, postgresql_database_url: str) -> None:
        assert tables(postgresql_database_url) == []


class TestWithoutPostgreSQL:
    @pytest.fixture(autouse=True)
    def empty_search_path(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")

    def test_a_person_is_told_what_to_install(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("CI", raising=False)
        with pytest.raises(pytest.skip.Exception, match="apt install postgresql"):
            server_programs(tmp_path)

    def test_ci_fails(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("CI", "true")
        with pytest.raises(pytest.fail.Exception, match="apt install postgresql"):
            server_programs(tmp_path)
