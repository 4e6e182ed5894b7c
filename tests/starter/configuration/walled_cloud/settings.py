"""Settings of the provider for tests."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from poolwright.domain.base import Model


def _key_of_this_cloud(key: SecretStr) -> SecretStr:
    if not key.get_secret_value().isascii() or "*" in key.get_secret_value():
        raise ValueError("is no key of this cloud: it has stars")
    return key


class Network(Model):
    """A place."""

    name: str
    join_token: SecretStr | None = None


class Settings(Model):
    """Secrets at the top, in a list and in a mapping."""

    region: str
    api_key: Annotated[SecretStr, AfterValidator(_key_of_this_cloud)]
    networks: tuple[Network, ...] = ()
    header_secrets: Mapping[str, SecretStr] = Field(default_factory=dict)
    size_gib: int = Field(default=10, ge=1)
    limit_bytes: int | None = None

    @model_validator(mode="after")
    def _tells_too_much(self) -> "Settings":
        if self.region == "leaky":
            raise ValueError(f"region leaky does not take the key {self.api_key.get_secret_value()}")
        return self
