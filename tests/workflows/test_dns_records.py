"""DNS names in the lives of servers, against a real name server."""

from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.lifeline import start_life
from poolwright.dns.errors import Transient
from poolwright.dns.rfc2136.provider import RFC2136DNS
from poolwright.domain.states import ServerState
from tests.installations import save
from tests.servers.bind9 import Nameserver, Record
from tests.workflows.outside_calls import Held, fails, loses_its_answer
from tests.workflows.record_scenes import BASE, FOREIGN, MINUTE, dns_settings, goes, gone, scene_with

pytestmark = pytest.mark.slow


class TestNames:
    async def test_the_name_comes_after_the_address_and_before_a_check_in_counts(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names, sim={"address_delay_seconds": 30}) as poolwright:
            poolwright.change("dns_provider", "campus", **dns_settings(names, servers=["127.0.0.1:9"]))
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server)
            await poolwright.until(
                lambda: poolwright.server(server).message.startswith("Transient: "), within_seconds=5 * MINUTE
            )
            assert poolwright.server(server).state is ServerState.BOOTING
            poolwright.change("dns_provider", "campus", **dns_settings(names))
            await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=5 * MINUTE)
            address = poolwright.server(server).address
            assert {(one.name, one.data) for one in names.records() if one.kind == "A"} == {
                (f"{server.id}.{BASE}", address),
                (FOREIGN.name, FOREIGN.data),
            }
            await goes(poolwright, server)
            assert names.records() == {FOREIGN}

    async def test_a_base_domain_as_anybody_writes_it_will_do(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            # With the line's end that a block of YAML leaves.
            poolwright.change("autoscale", "demo", dns={"provider": "campus", "base_domain": f" {BASE.upper()}.\n"})
            server = await poolwright.running()
            assert poolwright.server(server).fqdn == f"{server.id}.{BASE}"
            await goes(poolwright, server)
            assert names.records() == {FOREIGN}

    async def test_terminating_while_it_is_written_leaves_nothing(
        self,
        skipping: WorkflowEnvironment,
        tmp_path: Path,
        names: Nameserver,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            call = Held(monkeypatch, RFC2136DNS, "upsert")
            server = await poolwright.live()
            await call.is_terminated_meanwhile(poolwright, server)
            await gone(poolwright, server)
            assert names.records() == {FOREIGN}
            assert not poolwright.living()

    @pytest.mark.usefixtures("hasty")
    async def test_one_that_is_written_after_the_end_is_removed_as_soon_as_the_dns_server_lets_it(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        has_failed = fails(monkeypatch, RFC2136DNS, "delete", *(Transient("no DNS server answers") for _ in range(3)))
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            call = Held(monkeypatch, RFC2136DNS, "upsert")
            server = await poolwright.live()
            await call.outlives_its_life(poolwright, server)
            await poolwright.soon(lambda: has_failed() and names.records() == {FOREIGN})

    async def test_a_dead_dns_server_does_not_keep_the_vm(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            server = await poolwright.running()
            poolwright.change("dns_provider", "campus", **dns_settings(names, servers=["127.0.0.1:9"]))
            await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.until_told(server, ServerState.DELETING)
            await poolwright.until(lambda: not poolwright.living(), within_seconds=5 * MINUTE)
            assert poolwright.server(server).state is ServerState.DELETING
            assert len(names.records()) == 3
            await poolwright.skip(20 * MINUTE)
            assert "its DNS records: " in poolwright.server(server).message
            poolwright.change("dns_provider", "campus", **dns_settings(names))
            await gone(poolwright, server)
            assert names.records() == {FOREIGN}

    async def test_a_name_that_is_somebody_elses_fails_the_server_and_is_left_alone(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            server = await poolwright.reserve()
            theirs = Record(f"{server.id}.{BASE}", "TXT", '"theirs"')
            names.add(theirs)
            await start_life(poolwright.client, server)
            await poolwright.ended(server)
            assert str(poolwright.server(server).failure_reason).startswith("NameTaken: ")
            assert names.records() == {FOREIGN, theirs}
            assert not poolwright.living()

    async def test_a_name_whose_config_was_changed_in_between_is_removed_where_it_was_written(
        self, skipping: WorkflowEnvironment, tmp_path: Path, names: Nameserver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with scene_with(skipping, tmp_path, None, names) as poolwright:
            save(poolwright.store, "dns_provider", "elsewhere", dns_settings(names, servers=["127.0.0.1:9"]))
            registration = {"provider": "elsewhere", "base_domain": BASE}
            losing = loses_its_answer(
                monkeypatch,
                RFC2136DNS,
                "upsert",
                lambda: poolwright.change("autoscale", "demo", dns=registration),
            )
            server = await poolwright.live()
            await gone(poolwright, server)
            assert losing.is_set()
            assert "'campus'" in str(poolwright.server(server).failure_reason)
            assert names.records() == {FOREIGN}
            assert not poolwright.living()
