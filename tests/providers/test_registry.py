import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from poolwright.providers import registry

OPEN_SIM = """
import json, sys
from poolwright.providers import registry
registry.open_provider("sim", {}, "controller-1").list_owned()
print(json.dumps([name for name in sys.modules if name.startswith("poolwright.providers.") or name == "psutil"]))
"""


class TestTheRegistry:
    def test_imports_only_the_provider_that_is_used(self) -> None:
        ran = subprocess.run([sys.executable, "-c", OPEN_SIM], capture_output=True, check=True)
        imported = set(json.loads(ran.stdout))
        assert "poolwright.providers.sim.provider" in imported
        for kind in set(registry.kinds()) - {"sim"}:
            assert not {name for name in imported if name.startswith(f"poolwright.providers.{kind}")}
        assert "psutil" not in imported

    def test_names_the_providers_that_exist(self) -> None:
        with pytest.raises(registry.UnknownProvider, match=r"there is no provider 'clowd'; choose one of .*local.*sim"):
            registry.open_provider("clowd", {}, "controller-1")

    def test_names_the_extra_that_a_missing_sdk_comes_with(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("poolwright.vendors.installed.find_spec", lambda module: None)
        with pytest.raises(registry.ProviderNotInstalled, match=r"needs .*'boto3'.*requirements/aws\.txt"):
            registry.open_provider("aws", {}, "controller-1")

    @pytest.mark.parametrize("kind", ["local", "sim"])
    def test_refuses_settings_that_do_not_exist(self, kind: str) -> None:
        with pytest.raises(ValidationError, match="no_such_setting"):
            registry.open_provider(kind, {"no_such_setting": 1}, "controller-1")

    @pytest.mark.parametrize("kind", registry.kinds())
    def test_describes_every_setting(self, kind: str) -> None:
        fields = registry.settings_model(kind).model_json_schema()
        assert fields["title"] == "Settings"
        assert fields["additionalProperties"] is False

    @pytest.mark.parametrize("kind", registry.kinds())
    def test_says_of_every_kind_which_settings_tell_where_its_vms_are(self, kind: str) -> None:
        assert set(registry.whereabouts(kind)) <= registry.settings_model(kind).model_fields.keys()
