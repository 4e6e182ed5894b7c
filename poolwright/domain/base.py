"""The base of every model: frozen, unknown keys are an error, and docstrings below fields are their descriptions."""

import ast
import inspect
from functools import cache
from itertools import pairwise
from textwrap import dedent

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Model(BaseModel):
    """Frozen pydantic model that forbids unknown keys. Durations and sizes carry their unit in the field's name."""

    # pydantic quotes all of what it refuses: a token that stands beside a key that is misspelt, too.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        """As pydantic makes it, with the docstrings below fields as their descriptions."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, docstring in docstrings(cls).items():
            properties[name].setdefault("description", docstring)
        return schema


def docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Field -> the docstring below it; fields without one are left out."""
    # Not by pydantic's `use_attribute_docstrings`: it reads the source of every model whenever a program starts, and
    # takes half the time of importing them.
    found: dict[str, str | None] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, Model):
            found |= _written_in(cls)
    return {name: text for name, text in found.items() if text is not None and name in model.model_fields}


@cache
def _written_in(cls: type) -> dict[str, str | None]:
    try:
        definition = ast.parse(dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError):  # made by a program, or come without its source
        return {}
    assert isinstance(definition, ast.ClassDef)
    return {
        statement.target.id: _text_of(following)
        for statement, following in pairwise([*definition.body, ast.Pass()])
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }


def _text_of(statement: ast.stmt) -> str | None:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return inspect.cleandoc(text)
        case _:
            return None
