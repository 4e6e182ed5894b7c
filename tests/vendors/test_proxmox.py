"""What Proxmox VE's answers mean, by its own catalogue of errors, and what of a call's failure is told."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from fakepve import FakePve
from pydantic import SecretStr, ValidationError

from poolwright.vendors import pace
from poolwright.vendors.faults import Fault
from poolwright.vendors.proxmox import API, Account, Refused, fault_in, fault_of
from tests.wire.guard import only_this_machine
from tests.wire.proxmox import TOKEN_VALUE, ProxmoxCluster

WAY_IN = {"host": "pve.example.com", "username": "pool@pve", "token_name": "desks", "token_value": "s"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ProxmoxCluster]:
    cluster = ProxmoxCluster(tmp_path)
    cluster.serve()
    with only_this_machine() as left:
        yield cluster
    assert left == []
    cluster.close()


def account(cluster: ProxmoxCluster, **changes: Any) -> Account:
    settings = {name: value for name, value in cluster.settings().items() if name in Account.model_fields}
    return Account.model_validate({**settings, **changes})


class TestFaults:
    @pytest.mark.parametrize(
        ("method", "path", "name", "expected"),
        [
            ("POST", "/nodes/pve1/qemu/100/clone", "unable_create_config_file_already", Fault.CONFLICT),
            ("POST", "/nodes/pve1/qemu/100/clone", "locked", Fault.CONFLICT),
            ("POST", "/nodes/pve1/qemu/100/clone", "config_lock_timeout", Fault.CONFLICT),
            ("POST", "/nodes/pve1/qemu/100/clone", "configuration_file_does_not_exist", Fault.MISSING),
            ("POST", "/nodes/pve1/qemu/100/clone", "storage_does_not_exist", Fault.INVALID),
            ("POST", "/nodes/pve1/qemu/100/clone", "storage_disabled", Fault.INVALID),
            ("POST", "/nodes/pve1/qemu/100/clone", "can_t_clone_non_shared", Fault.INVALID),
            ("POST", "/nodes/pve1/qemu/100/clone", "can_t_clone_uses_local", Fault.INVALID),
            ("POST", "/nodes/pve1/qemu/100/clone", "parameter_storage_not_allowed_linked", Fault.INVALID),
            ("POST", "/nodes/pve1/qemu/100/clone", "param_storage_storage_does_not", Fault.INVALID),
            ("POST", "/nodes/pve1/qemu/100/clone", "no_quorum", Fault.UNKNOWN),
            ("POST", "/nodes/pve1/qemu/100/clone", "no_route_to_host", Fault.UNKNOWN),
            ("POST", "/nodes/pve1/qemu/100/clone", "hostname_lookup_failed", Fault.UNKNOWN),
            ("POST", "/nodes/pve1/qemu/100/clone", "authentication_failure", Fault.AUTHENTICATION),
            ("POST", "/nodes/pve1/qemu/100/clone", "invalid_ticket", Fault.AUTHENTICATION),
            ("POST", "/nodes/pve1/qemu/100/clone", "permission_denied", Fault.PERMISSION),
            ("DELETE", "/nodes/pve1/qemu/100", "running_destroy_failed", Fault.CONFLICT),
            ("DELETE", "/nodes/pve1/qemu/100", "protection_mode_enabled", Fault.CONFLICT),
            ("PUT", "/nodes/pve1/qemu/100/config", "only_root_can_set_config", Fault.INVALID),
        ],
    )
    def test_proxmoxs_own_errors(self, method: str, path: str, name: str, expected: Fault) -> None:
        (error,) = (one for one in FakePve().errors_for(method, path) if one["name"] == name)
        assert fault_of(error["status"], error["message"]) is expected

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("clone failed: lvcreate 'pve/vm-9000-disk-0' error: insufficient free space", Fault.CAPACITY),
            ("clone failed: unable to write to storage 'ceph': No space left on device", Fault.CAPACITY),
            ("storage 'local-zfs' is full", Fault.CAPACITY),
            ("start failed: kvm: cannot set up guest memory: Cannot allocate memory", Fault.CAPACITY),
            ("clone failed: zfs error: disk quota exceeded", Fault.QUOTA),
            ("something that nobody has seen yet", Fault.UNKNOWN),
        ],
    )
    def test_ends_of_tasks(self, words: str, expected: Fault) -> None:
        assert fault_in(words) is expected

    def test_statuses_of_proxies_and_of_pools(self) -> None:
        assert fault_of(429, "slow down") is Fault.THROTTLED
        assert fault_of(502, "Bad Gateway") is Fault.UNKNOWN
        assert fault_of(403, "Permission check failed (pool 'x' does not exist)") is Fault.INVALID


class TestTelling:
    def test_the_networks_errors_do_not_leak(self, cluster: ProxmoxCluster) -> None:
        # Trap 9: proxmoxer lets requests' errors through.
        api = API(account(cluster))
        cluster.flaky_network(drop_rate=1)
        with pytest.raises(Refused) as refused:
            api.get("version")
        assert (refused.value.fault, refused.value.status) == (Fault.UNKNOWN, None)
        assert refused.value.__cause__ is None

    def test_a_cluster_that_does_not_answer_is_unknown(self, cluster: ProxmoxCluster) -> None:
        api = API(account(cluster, host="127.0.0.1:1"))
        with pytest.raises(Refused, match="GET version got no answer") as refused:
            api.get("version")
        assert refused.value.fault is Fault.UNKNOWN

    def test_a_page_that_comes_as_data_is_no_answer(self, cluster: ProxmoxCluster) -> None:
        cluster.fail("GET", "/version", 200, "<html>Welcome</html>", html=True)
        with pytest.raises(Refused, match="something that is not Proxmox VE"):
            API(account(cluster)).get("version")

    def test_nothing_is_no_answer(self, cluster: ProxmoxCluster, monkeypatch: pytest.MonkeyPatch) -> None:
        api = API(account(cluster))
        monkeypatch.setattr(api, "_send", lambda *_: None)
        with pytest.raises(Refused, match="GET version was answered with nothing"):
            api.get("version")

    def test_a_certificate_that_is_not_trusted_is_refused(
        self, cluster: ProxmoxCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        with pytest.raises(Refused, match="no answer"):
            API(account(cluster, ca_file=None)).get("version")

    def test_the_cas_of_the_environment_do_not_replace_ca_file(
        self, cluster: ProxmoxCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        # Trap 12: with some SDKs they do.
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "another.pem"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "another.pem"))
        assert API(account(cluster)).get("version")["version"]

    # proxmoxer silences it where it is used; here warnings are errors.
    @pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
    def test_any_certificate_is_taken_where_that_is_asked_for(self, cluster: ProxmoxCluster) -> None:
        assert API(account(cluster, verify_tls=False, ca_file=None)).get("version")["version"]

    def test_nothing_that_was_sent_is_told(self, cluster: ProxmoxCluster, caplog: pytest.LogCaptureFixture) -> None:
        api, script = API(account(cluster)), 70_000 * "s3cret"
        with caplog.at_level(logging.DEBUG), pytest.raises(Refused) as refused:
            api.post("nodes/pve1/qemu/100/agent/file-write", {"file": "/root/x", "content": script})
        said = "\n".join([repr(refused.value), caplog.text])
        assert "content: value may only be 61440 characters long" in said
        assert "s3cret" not in said
        assert TOKEN_VALUE not in said

    def test_one_call_too_many_pauses_the_account(
        self, cluster: ProxmoxCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pace, "_SHORTEST_PAUSE_SECONDS", 30.0)
        api = API(account(cluster))
        with cluster.failing(429, "Too Many Requests"), pytest.raises(Refused) as refused:
            api.get("version")
        assert refused.value.retry_after_seconds == pytest.approx(30)
        before = len(cluster.requests)
        with pytest.raises(Refused) as too_fast:
            API(account(cluster)).get("version")
        assert too_fast.value.fault is Fault.THROTTLED
        assert len(cluster.requests) == before


class TestLogin:
    def test_a_ticket_is_fetched_once_and_anew_when_it_is_refused(self, cluster: ProxmoxCluster) -> None:
        api = API(account(cluster, username="root@pam", token_name=None, token_value=None, password="secret"))
        api.get("version")
        api.get("version")
        assert cluster.count("POST", "/access/ticket") == 1
        cluster.revoke_tickets()
        api.get("version")
        assert cluster.count("POST", "/access/ticket") == 2

    def test_a_cluster_that_is_down_refuses_no_password(self, cluster: ProxmoxCluster) -> None:
        api = API(account(cluster, username="root@pam", token_name=None, token_value=None, password="secret"))
        with cluster.failing(503, "Service Unavailable", ("POST", "/access/ticket")), pytest.raises(Refused) as refused:
            api.get("version")
        assert refused.value.fault is Fault.UNKNOWN


class TestAccount:
    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("pve.example.com", "https://pve.example.com:8006"),
            ("pve.example.com:443", "https://pve.example.com:443"),
            ("https://10.0.0.5:8006/", "https://10.0.0.5:8006"),
            ("[fd00::5]", "https://[fd00::5]:8006"),
        ],
    )
    def test_hosts(self, host: str, expected: str) -> None:
        assert Account.model_validate({**WAY_IN, "host": host}).host == expected

    @pytest.mark.parametrize("host", ["", "http://pve.example.com", "pve.example.com:no", "https://pve/api2/json"])
    def test_wrong_hosts(self, host: str) -> None:
        with pytest.raises(ValidationError, match="host"):
            Account.model_validate({**WAY_IN, "host": host})

    @pytest.mark.parametrize(
        "named",
        [
            {"username": "pool@pve", "token_name": "desks"},
            {"username": "pool@pve", "token_name": "pool@pve!desks"},
            {"username": "pool@pve!desks", "token_name": None},
        ],
    )
    def test_a_token_is_named_in_any_of_three_ways(self, named: dict[str, Any]) -> None:
        found = Account.model_validate({**WAY_IN, **named})
        assert (found.user, found.token_id) == ("pool@pve", "pool@pve!desks")

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"token_value": None}, "give either token_name with token_value, or password"),
            ({"password": "p"}, "give either token_name with token_value, or password"),
            ({"token_name": None}, "token_value needs token_name"),
            ({"token_name": "other@pve!desks"}, "is of another user than pool@pve"),
            ({"username": "pool"}, "username"),
        ],
    )
    def test_half_a_way_in_is_none(self, changes: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            Account.model_validate({**WAY_IN, **changes})

    def test_its_secrets_do_not_show(self) -> None:
        shown = repr(Account.model_validate({**WAY_IN, "token_value": SecretStr("tell-nobody")}))
        assert "tell-nobody" not in shown


class TestImports:
    def test_no_sdk_is_imported_before_a_provider_calls(self) -> None:
        program = (
            "import sys\n"
            "from poolwright.providers.proxmox.provider import open_provider\n"
            "open_provider({'host': 'pve', 'username': 'a@pve', 'password': 'p', 'template': 't',"
            " 'vmid_first': 100, 'vmid_last': 200}, 'c')\n"
            "assert not {'proxmoxer', 'requests'} & sys.modules.keys()\n"
        )
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
