"""Which changes of a configuration make the servers that exist differ from the next one: those are drifted."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr

from poolwright.domain.base import Model
from poolwright.domain.resources import VMProviderConfig

SHAPE_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "autoscale": frozenset(
        {
            "vm_provider",
            "connection",
            "agent_installed",
            "max_sessions_per_server",
            "max_users_per_server",
            "reusable",
            "computer_record",
            "dns",
            "agent_cores_override",
            "agent_gpus_override",
            "agent_memory_override_mib",
            "nginx_certificate",
            "nginx_key",
        }
    ),
    "vm_provider": frozenset({"provider", "settings", "startup_script", "ssh_public_key"}),
}
"""Kind of document -> the fields that shape its servers. Counts, schedules and timings do not; nor do other kinds."""


def reshapes(kind: str, before: Model, after: Model) -> bool:
    """Whether this change makes servers differ. Both models carry their secrets.

    A new secret in a provider's settings does not: it is the key to the account, and rotating it changes no VM.
    """
    return _shape(kind, before) != _shape(kind, after)


def _shape(kind: str, model: Model) -> dict[str, Any]:
    shape = {name: getattr(model, name, None) for name in SHAPE_FIELDS.get(kind, ())}
    if isinstance(model, VMProviderConfig):
        shape["settings"] = _without_secrets(model.settings)
    return shape


def _without_secrets(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return None
    if isinstance(value, Mapping):
        return {key: _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    return value
