"""What a config override may change, and what it may not."""

from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from pydantic import SecretStr, ValidationError

from poolwright.domain.base import Model
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.override_secrets import SecretKeys, revealed
from poolwright.providers.overrides import overridden

REQUEST = {
    "name": "pw-a",
    "tags": {"owner": "poolwright/c/a", "team": "vdi"},
    "disk": {"size": 80},
    "zones": ["a", "b"],
}

SECRETS = SecretKeys("password", "key")
PLANTED = "never-shown"


class Free(Model):
    config_override: Annotated[Mapping[str, Any], SECRETS]


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


class TestSecrets:
    """What stands under the keys that a provider calls secret."""

    @pytest.mark.parametrize(
        "override",
        [{"password": PLANTED}, {"profile": {"passWord": PLANTED}}, {"disks": [{"size": 1}, {"key": PLANTED}]}],
    )
    def test_they_are_hidden_at_any_depth_until_the_request_is_made(self, override: dict[str, Any]) -> None:
        free = Free(config_override=override)
        assert PLANTED not in f"{free!r}{free.model_dump_json()}"
        assert overridden({}, free.config_override) == override
        assert Free(config_override=free.config_override) == free
        assert PLANTED not in str(SECRETS.masked(override))

    def test_nothing_else_is_hidden(self) -> None:
        override = {"size": 2, "profile": {"name": "a"}, "zones": ["a", {"b": None}], "password": None}
        assert Free(config_override=override).config_override == override
        assert SECRETS.masked(override) == override
        assert list(SECRETS.places(override)) == []

    @pytest.mark.parametrize("secret", [12345678, True, {"a": 1}, [1]])
    def test_they_have_to_be_text(self, secret: object) -> None:
        with pytest.raises(ValidationError, match="password is a secret and must be text; put it in quotes"):
            Free(config_override={"password": secret})

    def test_their_places_are_known_whatever_stands_there(self) -> None:
        override = {"password": 5, "disks": [{}, {"key": PLANTED}]}
        assert list(SECRETS.places(override)) == [(("password",), 5), (("disks", 1, "key"), PLANTED)]

    def test_they_are_revealed_as_text(self) -> None:
        assert revealed({"a": [SecretStr("b"), 1], "c": ("d",)}) == {"a": ["b", 1], "c": ["d"]}
