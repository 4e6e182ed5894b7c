"""What `check` finds."""

from typing import Any

import pytest

from poolwright.providers.errors import Transient
from tests.providers.digitalocean.account import Account
from tests.wire.server import Cut

pytestmark = pytest.mark.slow

VPC = "5a4981aa-9653-4bd1-bef5-d6bff52042e4"
NO_VPC = "11111111-9653-4bd1-bef5-d6bff52042e4"
READING = frozenset(
    {
        "droplet:read",
        "tag:read",
        "regions:read",
        "sizes:read",
        "image:read",
        "ssh_key:read",
        "firewall:read",
        "vpc:read",
        "block_storage:read",
        "reserved_ip:read",
        "api:read",
        "api:write",
    }
)


class TestCheck:
    @pytest.mark.parametrize(
        ("changes", "setting", "problem"),
        [
            ({"regions": ["fra1", "mars1"]}, "regions", "no region 'mars1'"),
            ({"sizes": ["s-900vcpu"]}, "sizes", "no size 's-900vcpu'"),
            ({"image": "windows-11"}, "image", "no image 'windows-11'"),
            ({"image": 99}, "image", "no image 99"),
            ({"ssh_key_names": ["ops", "nobody"]}, "ssh_key_names", "no SSH key nobody"),
            ({"firewall_name": "none"}, "firewall_name", "no firewall 'none'"),
            ({"vpc_ids": {"fra1": NO_VPC}}, "vpc_ids", "no VPC"),
            ({"vpc_ids": {"ams3": VPC}}, "vpc_ids", "is in fra1, not in ams3"),
        ],
    )
    def test_names_the_setting(self, account: Account, changes: dict[str, Any], setting: str, problem: str) -> None:
        found = account.open(**changes).check()
        assert [finding.setting for finding in found if problem in finding.problem] == [setting]

    def test_tells_a_wrong_token_once(self, account: Account) -> None:
        (finding,) = account.open(token="wrong").check()
        assert finding.setting == "token"
        assert "wrong" not in finding.problem

    def test_tells_a_missing_token(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        (finding,) = account.open(token=None).check()
        assert "DIGITALOCEAN_ACCESS_TOKEN" in finding.problem

    def test_needs_scopes_for_reading_only(self, account: Account) -> None:
        account.cloud.scopes = READING
        assert account.open(vpc_ids={"fra1": VPC}).check() == []
        assert {request.method for request in account.server.requests} == {"GET"}

    @pytest.mark.parametrize(
        "scope", ["droplet:read", "image:read", "ssh_key:read", "firewall:read", "reserved_ip:read"]
    )
    def test_names_the_scope_that_is_missing(self, account: Account, scope: str) -> None:
        account.cloud.scopes = READING - {scope}
        (finding,) = account.open().check()
        assert finding.setting == "token"
        assert scope in finding.remedy

    def test_finds_a_firewall_without_room_for_its_tag(self, account: Account) -> None:
        account.cloud.firewalls["pool.firewall"] = ["a", "b", "c", "d", "e"]
        (finding,) = account.open().check()
        assert finding.setting == "firewall_name"
        assert "poolwright-firewall:pool_firewall" in finding.remedy

    def test_says_when_digitalocean_cannot_be_asked(self, account: Account) -> None:
        with account.server.fault(Cut.BEFORE), pytest.raises(Transient):
            account.open().check()
