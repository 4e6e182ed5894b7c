"""The examples and tables of docs/dns.md are true."""

import re
from pathlib import Path

import yaml

from poolwright.dns import errors, registry
from poolwright.dns.names import OWNER_LABEL
from poolwright.dns.rfc2136.settings import Settings
from poolwright.domain.autoscale import DNSRegistration
from poolwright.domain.resources import DNSProviderConfig

PAGE = (Path(__file__).parents[2] / "docs" / "dns.md").read_text()
PROVIDER, REGISTRATION = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))


class TestExamples:
    def test_the_provider_is_one_that_is_accepted(self) -> None:
        config = DNSProviderConfig.model_validate(PROVIDER)
        # Where a secret is fetched from an environment variable, any base64 may stand.
        key = {**config.settings["key"], "secret": "c2VjcmV0"}
        registry.settings_model(config.provider).model_validate({**config.settings, "key": key})

    def test_the_autoscale_config_names_it(self) -> None:
        registration = DNSRegistration.model_validate(REGISTRATION["dns"])
        assert registration.provider == PROVIDER["name"]
        assert registration.base_domain.endswith(f".{PROVIDER['settings']['zones'][0]}")


class TestTables:
    def test_every_setting_is_told_with_its_default(self) -> None:
        rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) *\| ", PAGE, re.MULTILINE))
        for name, field in Settings.model_fields.items():
            default = "" if field.is_required() else field.default or "none"
            assert rows[name].strip("`|") == (f"{default:g}" if isinstance(default, float) else default), name

    def test_every_error_that_this_provider_raises_is_told(self) -> None:
        told = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
        raised = {error.__name__ for error in errors.DNSError.__subclasses__()} - {"QuotaExceeded", "Throttled"}
        assert raised <= told

    def test_the_label_of_marks_is_the_one_in_use(self) -> None:
        assert f"`{OWNER_LABEL}.s7k2m9qx4b1d.vdi.example.org`" in PAGE
