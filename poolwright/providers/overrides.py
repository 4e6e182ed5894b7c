"""`config_override`: an admin's changes to the request that a VM is created with, as a JSON merge patch (RFC 7396)."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from json_merge_patch.lib import merge
from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VMSpec
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.override_secrets import revealed

Path = tuple[str, ...]


def overridden(
    request: Mapping[str, Any], override: Mapping[str, Any], *, protected: Sequence[Path] = ()
) -> dict[str, Any]:
    """The request with the override merged over it, both left as they are.

    Keys of the override replace, `null` removes, objects are merged, lists are replaced whole; its secrets are plain
    text in the request. `protected` are the paths of what Poolwright finds the VM by or hands to it (name, owner mark,
    user data). Raises `InvalidSettings` when the override would change one of these.
    """
    merged: dict[str, Any] = merge(copy.deepcopy(dict(request)), revealed(copy.deepcopy(dict(override))))
    for path in protected:
        if _at(merged, path) != _at(request, path):
            raise InvalidSettings(
                f"config_override changes {'.'.join(path)}, by which Poolwright knows or starts its VMs; take it out"
            )
    return merged


def override_findings(controller_id: str, build: Callable[[VMSpec], object]) -> list[Finding]:
    """What `build` refuses of the override when it makes the request for a VM, of which none is made."""
    mark = OwnerMark(controller_id=controller_id, server_id="check")
    try:
        build(VMSpec(mark=mark, token="", hostname="check", startup_script=SecretStr("")))
    except InvalidSettings as error:
        return [Finding(setting="config_override", problem=str(error), remedy="correct it")]
    return []


def _at(value: Any, path: Path) -> Any:
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
