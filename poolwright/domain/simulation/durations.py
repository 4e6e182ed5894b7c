"""How long something takes, as a distribution: fixed, uniform, normal, lognormal, or a list of what was measured."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Annotated, Final, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from poolwright.domain.base import Model

_STANDARD: Final = NormalDist()
_Z95: Final = _STANDARD.inv_cdf(0.95)

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Fixed(Model):
    """Always the same."""

    shape: Literal["fixed"] = "fixed"
    seconds: Seconds

    def at(self, _quantile: float) -> float:
        """Seconds that this share of all stays below."""
        return self.seconds


class Uniform(Model):
    """Anything between two bounds, equally likely."""

    shape: Literal["uniform"] = "uniform"
    low: Seconds
    high: Seconds

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high ({self.high:g}) is below low ({self.low:g}): exchange them")
        return self

    def at(self, quantile: float) -> float:
        """Seconds that this share of all stays below."""
        return self.low + (self.high - self.low) * quantile


class _Percentiles(Model):
    p50: Seconds
    """Half of all stay below."""
    p95: Seconds
    """19 of 20 stay below."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.p95 < self.p50:
            raise ValueError(f"p95 ({self.p95:g}) is below p50 ({self.p50:g}): 19 of 20 cannot be below what half are")
        return self


class Normal(_Percentiles):
    """Spread evenly around the median; never below 0."""

    shape: Literal["normal"] = "normal"

    def at(self, quantile: float) -> float:
        """Seconds that this share of all stays below."""
        return max(0.0, self.p50 + (self.p95 - self.p50) / _Z95 * _STANDARD.inv_cdf(quantile))


class Lognormal(_Percentiles):
    """Mostly near the median, with a long tail of slow ones: what boot times usually look like."""

    shape: Literal["lognormal"] = "lognormal"

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.p50 <= 0:
            raise ValueError("p50 must be above 0 in a lognormal distribution: use fixed:0 for no time at all")
        return self

    def at(self, quantile: float) -> float:
        """Seconds that this share of all stays below."""
        return self.p50 * math.exp(math.log(self.p95 / self.p50) / _Z95 * _STANDARD.inv_cdf(quantile))


class Empirical(Model):
    """One of the times that were measured, each equally likely."""

    shape: Literal["empirical"] = "empirical"
    seconds: tuple[Seconds, ...] = Field(min_length=1)
    """Kept in order, whatever the order in which they are given."""

    @field_validator("seconds")
    @classmethod
    def _in_order(cls, seconds: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(seconds))

    def at(self, quantile: float) -> float:
        """Seconds that this share of all stays below."""
        return self.seconds[min(int(quantile * len(self.seconds)), len(self.seconds) - 1)]


Duration = Annotated[Fixed | Uniform | Normal | Lognormal | Empirical, Field(discriminator="shape")]
"""Any of them, told apart by `shape`."""

_DURATION: Final[TypeAdapter[Fixed | Uniform | Normal | Lognormal | Empirical]] = TypeAdapter(Duration)

_FORMS: Final = (
    "fixed:60, uniform:low=60,high=120, normal:p50=90,p95=120, lognormal:p50=90,p95=240, empirical:70,85,300"
)


def parse_duration(text: str) -> Fixed | Uniform | Normal | Lognormal | Empirical:
    """Read `lognormal:p50=90,p95=240`, `uniform:60-120`, `fixed:60`, a plain `60` or `empirical:70,85,300`; in seconds.

    Raises ValueError with the way out.
    """
    shape, colon, rest = text.strip().partition(":")
    if not colon:
        shape, rest = "fixed", shape
    try:
        return _DURATION.validate_python({"shape": shape.strip(), **_parameters(shape.strip(), rest)})
    except ValidationError as error:
        raise ValueError(f"{text!r} cannot be used: {_first_problem(error)}. Write seconds as in {_FORMS}.") from None


def _parameters(shape: str, rest: str) -> Mapping[str, object]:
    parts = [part.strip() for part in rest.split(",")]
    if shape == "fixed" and "=" not in rest:
        return {"seconds": rest.strip()}
    if shape == "empirical":
        return {"seconds": [part for part in parts if part]}
    if shape == "uniform" and "=" not in rest:
        low, _, high = rest.partition("-")
        return {"low": low.strip(), "high": high.strip()}
    return {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in parts)}


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"].startswith("union_tag"):
        return "it names no distribution"
    # The first part of the place is the distribution itself, which the text shows already.
    place = ".".join(str(part) for part in first["loc"][1:])
    said = first["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said
