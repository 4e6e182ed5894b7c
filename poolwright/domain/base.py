"""The base of every model: frozen, and unknown keys are an error."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen pydantic model that forbids unknown keys. Durations and sizes carry their unit in the field's name."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
