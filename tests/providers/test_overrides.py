"""What a config override may change, and what it may not."""

import pytest

from poolwright.providers.errors import InvalidSettings
from poolwright.providers.overrides import overridden

REQUEST = {
    "name": "pw-a",
    "tags": {"owner": "poolwright/c/a", "team": "vdi"},
    "disk": {"size": 80},
    "zones": ["a", "b"],
}


class TestMerge:
    """As RFC 7396 says."""

    def test_values_are_replaced_objects_merged_and_lists_replaced_whole(self) -> None:
        made = overridden(REQUEST, {"disk": {"type": "gp3"}, "zones": ["c"], "spot": True})
        assert made == {**REQUEST, "disk": {"size": 80, "type": "gp3"}, "zones": ["c"], "spot": True}

    def test_null_removes(self) -> None:
        assert "zones" not in overridden(REQUEST, {"zones": None})

    def test_neither_request_nor_override_is_changed(self) -> None:
        override = {"disk": {"labels": {"a": "b"}}}
        overridden(REQUEST, override)["disk"]["labels"]["a"] = "c"
        assert REQUEST["disk"] == {"size": 80}
        assert override == {"disk": {"labels": {"a": "b"}}}


class TestProtected:
    @pytest.mark.parametrize(
        "override", [{"tags": {"owner": "me"}}, {"tags": {"owner": None}}, {"tags": None}, {"tags": "none"}]
    )
    def test_what_a_vm_is_known_by_stays(self, override: dict[str, object]) -> None:
        with pytest.raises(InvalidSettings, match=r"changes tags\.owner"):
            overridden(REQUEST, override, protected=[("name",), ("tags", "owner")])

    def test_the_same_value_again_is_no_change(self) -> None:
        made = overridden(REQUEST, {"name": "pw-a", "tags": {"team": "ops"}}, protected=[("name",), ("tags", "owner")])
        assert made["tags"] == {"owner": "poolwright/c/a", "team": "ops"}
