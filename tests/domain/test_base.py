"""What every model has from its base."""

import subprocess
import sys

import pytest
from pydantic import Field, ValidationError, create_model

from poolwright.domain.base import Model, docstrings


class Room(Model):
    """A room."""

    size_square_metres: int
    """How large it is,
    walls not counted."""
    name: str = "room"
    windows: int = Field(default=0, description="Said by the field itself.")
    """Not heard."""


class Kitchen(Room):
    """A room with a stove."""

    name: str = "kitchen"
    stove: Room | None = None
    """Where the stove is."""


class TestModel:
    def test_it_is_frozen(self) -> None:
        with pytest.raises(ValidationError):
            Room(size_square_metres=1).name = "hall"  # type: ignore[misc]  # that is what is tried

    def test_it_takes_no_unknown_key(self) -> None:
        with pytest.raises(ValidationError):
            Room.model_validate({"size_square_metres": 1, "doors": 2})


class TestDocstrings:
    def test_those_below_fields_are_found_and_others_left_out(self) -> None:
        assert docstrings(Room) == {
            "size_square_metres": "How large it is,\nwalls not counted.",
            "windows": "Not heard.",
        }

    def test_they_are_inherited_unless_the_field_is_declared_again(self) -> None:
        class Hall(Room):
            size_square_metres: int = 100

        assert docstrings(Hall) == {"windows": "Not heard."}
        assert docstrings(Kitchen) == {**docstrings(Room), "stove": "Where the stove is."}

    def test_a_model_that_no_source_tells_of_has_those_it_inherits(self) -> None:
        assert docstrings(create_model("Attic", __base__=Room, ladder=(bool, False))) == docstrings(Room)

    def test_the_json_schema_has_them_as_descriptions(self) -> None:
        schema = Kitchen.model_json_schema()
        descriptions = {
            name: {field: one.get("description") for field, one in of["properties"].items()}
            for name, of in {"Kitchen": schema, **schema["$defs"]}.items()
        }
        of_a_room = {
            "size_square_metres": "How large it is,\nwalls not counted.",
            "name": None,
            "windows": "Said by the field itself.",
        }
        assert descriptions == {"Room": of_a_room, "Kitchen": {**of_a_room, "stove": "Where the stove is."}}

    def test_no_source_is_read_until_somebody_asks(self) -> None:
        code = "import sys, poolwright.domain.resources, linecache; print(list(linecache.cache))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"
