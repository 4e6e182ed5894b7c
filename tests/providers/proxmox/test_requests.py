"""What is sent, what is shown beforehand, and what settings may not say."""

from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from poolwright.domain.identities import OwnerMark
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.proxmox.marks import (
    description_of,
    mark_in_description,
    mark_in_tags,
    tags_of,
)
from poolwright.providers.proxmox.provider import open_provider
from tests.conformance.specs import OURS, SCRIPT, spec_of
from tests.providers.proxmox.conftest import Open
from tests.wire.proxmox import STORAGE, ProxmoxCluster

SPEC = spec_of("a").model_copy(update={"labels": {"pool": "desks\nof the north"}})
NUMBER = SPEC.number or 0
MARK = SPEC.mark
SETTINGS = {
    "host": "pve.example.com",
    "username": "pool@pve",
    "token_name": "desks",
    "token_value": "s3cret",
    "template": "golden",
    "vmid_first": 1_000,
    "vmid_last": 901_000,
}


def sent(cluster: ProxmoxCluster, method: str, end: str) -> dict[str, str]:
    (body,) = (body for one, path, body in cluster.requests if one == method and path.endswith(end))
    return {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}


class TestPreview:
    def test_it_is_what_is_sent(self, cluster: ProxmoxCluster, opened: Open) -> None:
        cluster.pools["desks"] = set()
        provider = opened(
            storage=STORAGE, resource_pool="desks", cores=4, memory_mib=8192, config_override={"onboot": True}
        )
        shown = provider.preview(SPEC)
        assert cluster.requests == []
        provider.create(SPEC)
        provider.get(str(NUMBER))
        assert sent(cluster, "POST", "/clone") == {name: str(value) for name, value in shown.request.items()}
        assert sent(cluster, "PUT", "/config") == {name: str(value) for name, value in shown.also["config"].items()}
        assert shown.request["description"].endswith("\npool: desks of the north")

    def test_it_shows_the_script_and_no_password(self) -> None:
        provider = open_provider({**SETTINGS, "config_override": {"cipassword": "tell-nobody"}}, OURS)
        shown = provider.preview(SPEC)
        assert shown.also["startup_script"] == {"directory": "/root", "script": SCRIPT}
        assert shown.also["config"]["cipassword"] == "*" * 10
        assert "tell-nobody" not in shown.model_dump_json()
        assert "s3cret" not in shown.model_dump_json()

    @pytest.mark.parametrize(
        "spec",
        [
            SPEC.model_copy(update={"place": "pve1"}),
            SPEC.model_copy(update={"number": 5}),
            SPEC.model_copy(update={"mark": OwnerMark(controller_id=OURS, server_id="Upper_Case")}),
            SPEC.model_copy(update={"mark": OwnerMark(controller_id="another", server_id="a")}),
        ],
    )
    def test_what_never_works_is_refused(self, spec: Any) -> None:
        with pytest.raises(InvalidSettings):
            open_provider(SETTINGS, OURS).preview(spec)


class TestOverride:
    def test_it_is_merged_over_the_configuration(self) -> None:
        override = {"memory": "2048", "protection": None, "net0": "virtio,bridge=vmbr1,tag=7", "onboot": False}
        provider = open_provider({**SETTINGS, "memory_mib": 512, "config_override": override}, OURS)
        assert provider.preview(SPEC).also["config"] == {
            "tags": ";".join(tags_of(MARK, NUMBER)),
            "agent": "enabled=1",
            "memory": "2048",
            "net0": "virtio,bridge=vmbr1,tag=7",
            "onboot": 0,
        }

    @pytest.mark.parametrize(
        "override",
        [
            {"tags": "mine"},
            {"tags": None},
            {"name": "x"},
            {"description": ""},
            {"lock": "backup"},
            {"delete": "net1,tags"},
        ],
    )
    def test_what_says_whose_the_vm_is_stays(self, override: dict[str, Any]) -> None:
        provider = open_provider({**SETTINGS, "config_override": override}, OURS)
        with pytest.raises(InvalidSettings, match="config_override"):
            provider.create(SPEC)

    @pytest.mark.parametrize("protection", [True, 1, "1", "yes", "On"])
    def test_protection_with_which_no_vm_could_be_deleted_is_refused(self, protection: Any) -> None:
        provider = open_provider({**SETTINGS, "config_override": {"protection": protection}}, OURS)
        for call in (provider.preview, provider.create):
            with pytest.raises(InvalidSettings, match=f"config_override sets protection to {protection!r}"):
                call(SPEC)

    @pytest.mark.parametrize("protection", [False, 0, "0", "no", None])
    def test_none_is_what_poolwright_asks_for_itself(self, protection: Any) -> None:
        provider = open_provider({**SETTINGS, "config_override": {"protection": protection}}, OURS)
        assert provider.preview(SPEC).also["config"].get("protection") == protection

    @pytest.mark.parametrize("override", [{"net0": {"bridge": "vmbr1"}}, {"net0": ["virtio"]}, "net0=virtio"])
    def test_what_no_parameter_can_be_is_refused_with_its_key(self, override: Any) -> None:
        with pytest.raises(ValidationError, match="config_override"):
            open_provider({**SETTINGS, "config_override": override}, OURS)

    def test_a_password_is_sent_as_it_is(self, cluster: ProxmoxCluster, opened: Open) -> None:
        provider = opened(config_override={"cipassword": "tell-nobody"})
        provider.create(SPEC)
        provider.get(str(NUMBER))
        assert sent(cluster, "PUT", "/config")["cipassword"] == "tell-nobody"

    def test_a_password_is_not_shown_when_the_settings_are_refused(self) -> None:
        with pytest.raises(ValidationError) as refused:
            open_provider(
                {**SETTINGS, "vmid_first": 999_999_999, "config_override": {"cipassword": "tell-nobody"}}, OURS
            )
        assert "tell-nobody" not in str(refused.value)

    def test_what_the_api_does_not_know_is_refused_in_its_words(self, cluster: ProxmoxCluster, opened: Open) -> None:
        provider = opened(config_override={"colour": "green"})
        provider.create(SPEC)
        with pytest.raises(InvalidSettings, match="colour"):
            provider.get(str(NUMBER))


class TestSettings:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"vmid_first": 2_000, "vmid_last": 1_000}, "vmid_first 2000 is above vmid_last 1000"),
            ({"vmid_first": 99}, "vmid_first"),
            ({"storage": "ceph", "full_clone": False}, "storage goes with full clones only"),
            ({"target_nodes": ["pve1", "pve1"]}, "names a node twice"),
            ({"target_nodes": ["pve1/../x"]}, "target_nodes"),
            ({"resource_pool": "a/b/c/d"}, "resource_pool"),
            ({"startup_script_path": "/root\nrm"}, "startup_script_path"),
            ({"template": ""}, "template"),
            ({"memory_gib": 4}, "memory_gib"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, changes: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            open_provider({**SETTINGS, **changes}, OURS)

    def test_scripts_go_where_each_system_keeps_them(self) -> None:
        for os_type, directory in (("linux", "/root"), ("windows", r"C:\Windows\Temp")):
            shown = open_provider({**SETTINGS, "os_type": os_type}, OURS).preview(SPEC)
            assert shown.also["startup_script"]["directory"] == directory

    def test_there_is_no_password_to_tell(self) -> None:
        assert open_provider(SETTINGS, OURS).password("1000") is None


class TestMarks:
    def test_tags_and_description_say_whose_a_vm_is(self) -> None:
        assert mark_in_tags(frozenset(tags_of(MARK, NUMBER)), NUMBER) == MARK
        assert mark_in_description(description_of(MARK, NUMBER, {}), NUMBER) == MARK

    def test_neither_says_so_of_a_vm_with_another_number(self) -> None:
        assert mark_in_tags(frozenset(tags_of(MARK, NUMBER)), NUMBER + 1) is None
        assert mark_in_description(description_of(MARK, NUMBER, {}), NUMBER + 1) is None

    @pytest.mark.parametrize(
        "text", ["", " qmclone temporary file\n", "poolwright/c/s", "poolwright/c\nVMID 7", "VMID 7"]
    )
    def test_other_descriptions_say_nothing(self, text: str) -> None:
        assert mark_in_description(text, 7) is None
