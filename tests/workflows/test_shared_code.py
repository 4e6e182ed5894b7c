"""All runs in a worker share the workflows' modules: nothing in them may pass from one server's life to another's."""

import pkgutil
from importlib import import_module
from typing import Any

import pytest

import workflows
from workflows.registry import ALL_WORKFLOWS

CHANGEABLE = (list, dict, set, bytearray)
MODULES = [module.name for module in pkgutil.iter_modules(workflows.__path__, "workflows.")]


def kept_in(holder: object) -> dict[str, Any]:
    """What a module or class holds by names of its own."""
    return {name: value for name, value in vars(holder).items() if not name.startswith("__")}


class TestSharedCode:
    @pytest.mark.parametrize("name", MODULES)
    def test_a_module_keeps_nothing_that_a_run_could_change(self, name: str) -> None:
        module = import_module(name)
        own_classes = [one for one in kept_in(module).values() if isinstance(one, type) and one.__module__ == name]
        for holder in (module, *own_classes):
            kept = {key for key, value in kept_in(holder).items() if isinstance(value, CHANGEABLE)}
            assert not kept - {"ALL_WORKFLOWS"}, f"{holder} keeps {kept}"

    def test_every_workflow_is_in_one_of_them(self) -> None:
        assert {one.__module__ for one in ALL_WORKFLOWS} <= set(MODULES)
