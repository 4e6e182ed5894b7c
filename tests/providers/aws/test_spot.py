"""Spot instances that EC2 takes back say so before they go."""

import pytest

from tests.conformance.base import until_running
from tests.conformance.specs import OURS, spec_of
from tests.wire.aws import AWSHarness
from tests.wire.ec2 import asks_for

pytestmark = pytest.mark.slow


class TestByOverride:
    @pytest.mark.parametrize("outer", [True, False])
    def test_is_as_good_as_by_setting(self, account: AWSHarness, outer: bool) -> None:
        patch = {"InstanceMarketOptions": {"MarketType": "spot"}}
        provider = account.open(OURS, config_override={"instance_config": patch} if outer else patch)
        assert provider.capabilities().interruptible
        specifications = provider.preview(spec_of("a")).request["TagSpecifications"]
        assert "spot-instances-request" in [one["ResourceType"] for one in specifications]

    @pytest.mark.parametrize("patch", [{"InstanceMarketOptions": None}, {"InstanceMarketOptions": "spot"}])
    def test_may_take_it_out_again(self, account: AWSHarness, patch: dict[str, object]) -> None:
        assert not account.open(OURS, spot=True, config_override=patch).capabilities().interruptible


class TestInterruption:
    def test_is_told_by_lists_and_reads(self, account: AWSHarness) -> None:
        provider = account.open(OURS, spot=True)
        kept, taken = (until_running(account, provider, provider.create(spec_of(one))) for one in "ab")
        account.ec2.interrupt(taken.reference)
        account.now += 10
        said = {vm.reference: vm.interruption for vm in provider.list_owned()}
        assert said[kept.reference] is None
        assert "marked-for-termination" in (said[taken.reference] or "")
        assert provider.get(taken.reference).interruption == said[taken.reference]

    def test_costs_one_call_for_all_vms_in_ten_seconds(self, account: AWSHarness) -> None:
        provider = account.open(OURS, spot=True)
        for number in range(4):
            provider.create(spec_of(f"server-{number}"))
        account.pass_time()
        for _ in range(3):
            assert len(provider.list_owned()) == 4
        assert account.server.count(asks_for("DescribeSpotInstanceRequests")) == 1

    def test_costs_nothing_where_there_are_no_spot_instances(self, account: AWSHarness) -> None:
        provider = account.open(OURS)
        until_running(account, provider, provider.create(spec_of("a")))
        provider.list_owned()
        assert account.server.count(asks_for("DescribeSpotInstanceRequests")) == 0

    def test_one_that_is_being_taken_says_why(self, account: AWSHarness) -> None:
        provider = account.open(OURS, spot=True)
        vm = until_running(account, provider, provider.create(spec_of("a")))
        account.ec2.end(vm.reference, "Server.SpotInstanceTermination")
        instance = account.ec2.instance(vm.reference)
        instance._state.name, instance._state.code = "shutting-down", 32
        assert "Server.SpotInstanceTermination" in (provider.get(vm.reference).interruption or "")
