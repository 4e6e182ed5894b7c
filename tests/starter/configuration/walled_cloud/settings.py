"""Settings of the provider for tests."""

from collections.abc import Mapping

from pydantic import Field, SecretStr, model_validator

from poolwright.domain.base import Model


class Network(Model):
    """A place."""

    name: str
    join_token: SecretStr | None = None


class Settings(Model):
    """Secrets at the top, in a list and in a mapping."""

    region: str
    api_key: SecretStr
    networks: tuple[Network, ...] = ()
    header_secrets: Mapping[str, SecretStr] = Field(default_factory=dict)
    size_gib: int = Field(default=10, ge=1)
    limit_bytes: int | None = None

    @model_validator(mode="after")
    def _tells_too_much(self) -> "Settings":
        if self.region == "leaky":
            raise ValueError(f"region leaky does not take the key {self.api_key.get_secret_value()}")
        return self
