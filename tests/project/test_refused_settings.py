"""Whatever is wrong with settings, the error that refuses them repeats none of their secrets."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from poolwright.dns import registry as dns_registry
from poolwright.domain.resources import DNSProviderConfig, LDAPConfig, VMProviderConfig
from poolwright.providers import registry

PLANTED = "planted-s3cret"
MODELS: Mapping[str, type[BaseModel]] = {
    **{f"vm_provider {kind}": registry.settings_model(kind) for kind in registry.kinds()},
    **{f"dns_provider {kind}": dns_registry.settings_model(kind) for kind in dns_registry.kinds()},
    "ldap": LDAPConfig,
}


def types_in(annotation: Any) -> Iterator[Any]:
    """This type, and all that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from types_in(part)


def planted(model: type[BaseModel], secret: Any) -> dict[str, Any]:
    """Settings that have this for each of their secrets, and nothing else."""
    settings: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        for kind in types_in(field.annotation):
            if kind is SecretStr:
                settings[name] = secret
            elif isinstance(kind, type) and issubclass(kind, BaseModel) and (inner := planted(kind, secret)):
                settings[name] = inner
    return settings


@pytest.mark.parametrize("kind", MODELS)
class TestSettings:
    @pytest.mark.parametrize("secret", [PLANTED, [PLANTED], {"value": PLANTED}], ids=["text", "list", "mapping"])
    def test_the_error_that_refuses_them_repeats_no_secret(self, kind: str, secret: Any) -> None:
        model = MODELS[kind]
        with pytest.raises(ValidationError) as refused:
            model.model_validate({**planted(model, secret), "no_such_setting": secret})
        assert PLANTED not in str(refused.value)
        assert PLANTED not in repr(refused.value)

    def test_nor_does_one_that_refuses_all_of_them_together(self, kind: str) -> None:
        with pytest.raises(ValidationError) as refused:
            MODELS[kind].model_validate([planted(MODELS[kind], PLANTED)])
        assert PLANTED not in str(refused.value)


class TestConfigs:
    @pytest.mark.parametrize("model", [VMProviderConfig, DNSProviderConfig])
    def test_the_error_that_refuses_a_config_repeats_no_secret_of_its_settings(self, model: type[BaseModel]) -> None:
        with pytest.raises(ValidationError) as refused:
            model.model_validate({"settings": {"token": PLANTED}})
        assert PLANTED not in str(refused.value)

    def test_every_cloud_has_a_secret_to_plant(self) -> None:
        without = {kind for kind, model in MODELS.items() if not planted(model, PLANTED)}
        assert without == {"vm_provider local", "vm_provider sim"}
