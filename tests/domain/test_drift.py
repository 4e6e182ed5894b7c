"""Which changes make servers differ."""

import pytest
from pydantic import SecretStr

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.drift import SHAPE_FIELDS, reshapes
from poolwright.domain.resources import VMProviderConfig, Zone

SERVERS = {"name": "a", "type": "server", "pool": "p", "zone": "z", "vm_provider": "v"}
PROVIDER = {"name": "v", "provider": "sim", "max_instances": 1, "settings": {"size": 1}}


class TestShapeFields:
    def test_each_is_a_field_of_its_kind(self) -> None:
        assert SHAPE_FIELDS["autoscale"] <= {*ServerAutoscale.model_fields, *DockerAgentAutoscale.model_fields}
        assert SHAPE_FIELDS["vm_provider"] <= {*VMProviderConfig.model_fields}


class TestReshapes:
    @pytest.mark.parametrize(
        ("change", "differs"),
        [
            ({"max_sessions_per_server": 2}, True),
            ({"vm_provider": "w"}, True),
            ({"connection": {"password": "other"}}, True),
            ({"dns": {"provider": "d", "base_domain": "x"}}, True),
            ({"fallback_vm_providers": ["w"]}, False),
            ({"minimum_available_sessions": 2}, False),
            ({"max_sessions_per_server": 1}, False),
        ],
    )
    def test_an_autoscale_config(self, change: dict[str, object], differs: bool) -> None:
        before = ServerAutoscale.model_validate(SERVERS | {"connection": {"password": "one"}})
        after = ServerAutoscale.model_validate(SERVERS | {"connection": {"password": "one"}} | change)
        assert reshapes("autoscale", before, after) is differs

    @pytest.mark.parametrize(
        ("change", "differs"),
        [
            ({"settings": {"size": 2}}, True),
            ({"startup_script": "#!/bin/sh"}, True),
            ({"ssh_public_key": "ssh-ed25519 A"}, True),
            ({"max_instances": 2}, False),
        ],
    )
    def test_a_vm_provider_config(self, change: dict[str, object], differs: bool) -> None:
        before, after = VMProviderConfig.model_validate(PROVIDER), VMProviderConfig.model_validate(PROVIDER | change)
        assert reshapes("vm_provider", before, after) is differs

    def test_a_new_key_to_the_account_does_not(self) -> None:
        one = VMProviderConfig.model_validate(PROVIDER | {"settings": {"keys": [{"secret": SecretStr("one")}]}})
        other = VMProviderConfig.model_validate(PROVIDER | {"settings": {"keys": [{"secret": SecretStr("other")}]}})
        assert not reshapes("vm_provider", one, other)

    def test_other_kinds_shape_no_server(self) -> None:
        assert not reshapes("zone", Zone(name="a"), Zone(name="a", upstream_auth_address="b"))
