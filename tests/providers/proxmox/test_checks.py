"""`check` against clusters that lack something: every problem, by its setting, at once."""

from collections.abc import Sequence
from typing import Any

import pytest

from poolwright.domain.findings import Finding
from poolwright.providers.errors import Throttled
from poolwright.providers.proxmox.cluster import holds
from tests.conformance.specs import THEIRS, spec_of
from tests.providers.proxmox.conftest import Open
from tests.wire.proxmox import STORAGE, TOKEN_ID, ProxmoxCluster

pytestmark = pytest.mark.slow

VM_PRIVILEGES = ["VM.Allocate", "VM.Audit", "VM.Config.Options", "VM.PowerMgmt"]


def problems(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.setting: finding.problem for finding in findings}


def missing(findings: Sequence[Finding]) -> set[str]:
    """The privileges that are told to be missing."""
    return {finding.problem.split(" lacks ")[1] for finding in findings if " lacks " in finding.problem}


class TestConnection:
    def test_a_wrong_token(self, opened: Open) -> None:
        findings = opened(token_value="00000000-0000-4000-8000-000000000000").check()
        assert [finding.setting for finding in findings] == ["token_value"]
        assert TOKEN_ID in findings[0].problem

    def test_a_wrong_password(self, opened: Open) -> None:
        wrong = {"username": "root@pam", "token_name": None, "token_value": None, "password": "no"}
        assert [finding.setting for finding in opened(**wrong).check()] == ["password"]

    def test_a_host_that_does_not_answer(self, opened: Open) -> None:
        assert [finding.setting for finding in opened(host="127.0.0.1:1").check()] == ["host"]

    def test_a_certificate_that_is_not_trusted(self, opened: Open) -> None:
        (finding,) = opened(ca_file=None).check()
        assert finding.setting == "host"
        assert "ca_file" in finding.remedy

    # proxmoxer silences it where it is used; here warnings are errors.
    @pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
    def test_a_certificate_that_is_not_looked_at_is_warned_of(self, opened: Open) -> None:
        (finding,) = opened(ca_file=None, verify_tls=False).check()
        assert finding.setting == "verify_tls"

    def test_a_release_that_is_too_old(self, cluster: ProxmoxCluster, opened: Open) -> None:
        cluster.version = "7.4-3"
        assert problems(opened().check())["host"] == "it runs Proxmox VE 7"

    def test_a_cluster_that_wants_fewer_calls_says_nothing_of_the_settings(
        self, cluster: ProxmoxCluster, opened: Open
    ) -> None:
        with cluster.failing(429, "Too Many Requests"), pytest.raises(Throttled):
            opened().check()


class TestNames:
    @pytest.mark.parametrize(
        ("settings", "setting", "said"),
        [
            ({"template": "lead"}, "template", "there is no template lead to be seen"),
            ({"template": "mail"}, "template", "mail is no template"),
            ({"template": "iron", "template_node": "pve1"}, "template_node", "iron is on pve2, not on pve1"),
            ({"target_nodes": ["pve1", "pve9"]}, "target_nodes", "the cluster has no node pve9"),
            ({"template_node": "pve8"}, "template_node", "the cluster has no node pve8"),
            ({"storage": "nowhere"}, "storage", "there is no storage nowhere to be seen on any node"),
            ({"storage": "local"}, "storage", "local takes no disk images"),
            ({"resource_pool": "nobodys"}, "resource_pool", "there is no resource pool nobodys to be seen"),
            ({"vmid_first": 100}, "vmid_first", "100 (golden), 101 (golden), 102 (iron), 500 (mail)"),
        ],
    )
    def test_what_does_not_exist_is_named(
        self, cluster: ProxmoxCluster, opened: Open, settings: dict[str, Any], setting: str, said: str
    ) -> None:
        cluster.add_template(102, "pve2", "iron")
        cluster.add_vm(500, "mail")
        assert said in problems(opened(**settings).check())[setting]

    def test_an_offline_node_is_named(self, cluster: ProxmoxCluster, opened: Open) -> None:
        cluster.set_node_offline("pve2")
        found = problems(opened(target_nodes=["pve1", "pve2"]).check())
        assert found == {"target_nodes": "node pve2 is offline"}

    def test_two_templates_of_one_name_on_a_node(self, cluster: ProxmoxCluster, opened: Open) -> None:
        cluster.add_template(102, "pve1")
        assert "several templates" in problems(opened().check())["template"]

    def test_another_controllers_vms_in_the_range_are_strangers(self, cluster: ProxmoxCluster, opened: Open) -> None:
        theirs = opened(THEIRS)
        vm = theirs.create(spec_of("a", controller_id=THEIRS))
        theirs.get(vm.reference)
        assert f"{vm.reference} (pw-a)" in problems(opened().check())["vmid_first"]

    def test_our_own_vms_are_no_strangers(self, cluster: ProxmoxCluster, opened: Open) -> None:
        provider = opened()
        provider.create(spec_of("a"))
        assert provider.check() == []


class TestPrivileges:
    def grant(self, cluster: ProxmoxCluster, *more: str) -> None:
        cluster.grant(TOKEN_ID, "/vms", *VM_PRIVILEGES, *more)
        cluster.grant(TOKEN_ID, "/vms/100", "VM.Clone", "VM.Audit")
        cluster.grant(TOKEN_ID, f"/storage/{STORAGE}", "Datastore.AllocateSpace")
        cluster.grant(TOKEN_ID, "/sdn/zones/localnetwork", "SDN.Use")

    @pytest.mark.parametrize(
        ("version", "privilege"), [("8.4.1", "VM.Monitor"), ("9.0.10", "VM.GuestAgent.Unrestricted")]
    )
    def test_each_release_has_its_own_for_the_guest_agent(
        self, cluster: ProxmoxCluster, opened: Open, version: str, privilege: str
    ) -> None:
        cluster.version = version
        self.grant(cluster)
        assert missing(opened(template="100").check()) == {f"{privilege} on /vms"}
        self.grant(cluster, privilege)
        assert opened(template="100").check() == []

    def test_all_that_are_missing_are_told_at_once(self, cluster: ProxmoxCluster, opened: Open) -> None:
        cluster.grant(TOKEN_ID, "/vms", "VM.Audit")
        settings = {"cores": 2, "memory_mib": 512, "config_override": {"net0": "virtio", "cpu": "host", "vga": "qxl"}}
        assert missing(opened(template="100", **settings).check()) == {
            "VM.Allocate on /vms",
            "VM.Config.CPU on /vms",
            "VM.Config.HWType on /vms",
            "VM.Config.Memory on /vms",
            "VM.Config.Network on /vms",
            "VM.Config.Options on /vms",
            "VM.PowerMgmt on /vms",
            "VM.GuestAgent.Unrestricted on /vms",
            "VM.Clone on /vms/100",
            f"Datastore.AllocateSpace on /storage/{STORAGE}",
            "SDN.Use on /sdn/zones/localnetwork/vmbr0",
        }

    def test_a_resource_pool_may_grant_them(self, cluster: ProxmoxCluster, opened: Open) -> None:
        self.grant(cluster)
        cluster.acl[TOKEN_ID][0] = ("/pool/desks", {*VM_PRIVILEGES, "VM.GuestAgent.Unrestricted", "Pool.Audit"})
        cluster.pools["desks"] = set()
        assert opened(template="100", resource_pool="desks").check() == []

    @pytest.mark.parametrize(
        ("path", "expected"), [("/vms/9000", True), ("/vms/100", False), ("/storage/ceph", False), ("/", False)]
    )
    def test_the_nearest_path_counts(self, path: str, expected: bool) -> None:
        held = {"/": {"Sys.Audit": 1, "VM.Audit": 0}, "/vms": {"VM.Audit": 1}, "/vms/100": {"VM.Clone": 1}}
        assert holds(held, path, "VM.Audit") is (expected or path == "/")
