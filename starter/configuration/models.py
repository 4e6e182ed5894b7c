"""Which model checks a document, and which its `settings`."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from poolwright.dns import registry as dns_registry
from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.base import Model
from poolwright.domain.resources import PoolType
from poolwright.providers import registry
from poolwright.store.documents import Document

_AUTOSCALES: Final[Mapping[PoolType, type[Model]]] = {
    PoolType.SERVER: ServerAutoscale,
    PoolType.DOCKER_AGENT: DockerAgentAutoscale,
}
_MODELS: Final[Mapping[str, type[Model]]] = {model.model_fields["kind"].default: model for model in get_args(Document)}


def document_model(kind: str, body: Mapping[str, Any]) -> type[Model] | None:
    """The model of this kind of document; None for an autoscale config whose `type` does not say which of the two."""
    if kind != "autoscale":
        return _MODELS[kind]
    return _AUTOSCALES[PoolType(body["type"])] if body.get("type") in tuple(PoolType) else None


def settings_model(kind: str, provider: str) -> type[Model] | None:
    """The model of this provider's settings; None where no model is known, so that any of them may be a secret.

    Raises `UnknownProvider` or `UnknownDNSProvider` for one that does not exist.
    """
    return registry.settings_model(provider) if kind == "vm_provider" else dns_registry.settings_model(provider)
