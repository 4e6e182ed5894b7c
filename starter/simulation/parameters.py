"""What people write on the command line, as what a simulation is given."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from poolwright.domain.simulation import BootFailures, Conditions, ShapedDemand, read_trace
from poolwright.domain.simulation.durations import parse_duration
from poolwright.domain.simulation.shapes import shape_named
from poolwright.domain.wall_clock import zone_named
from starter.simulation.comparing import Alternative, Demand, demand_of_shape, demand_of_trace
from starter.simulation.reading import Change

Value = TypeVar("Value")


class UnusableParameter(ValueError):
    """A parameter cannot be used. The message is a sentence with the way out."""


class UnreadableTrace(ValueError):
    """The trace cannot be read, or has problems."""


def changes(vary: str | None) -> Sequence[Change]:
    """`minimum_available_sessions=0,5,20` as three changes. Raises `UnusableParameter`."""
    import yaml

    if vary is None:
        return ()
    key, equals, values = vary.partition("=")
    if not equals or not values.strip():
        raise UnusableParameter(f"--vary {vary!r} names no values: write it as minimum_available_sessions=0,5,20")
    try:
        return [Change(key.strip(), yaml.safe_load(value)) for value in values.split(",")]
    except yaml.YAMLError:
        raise UnusableParameter(f"the values of --vary {vary!r} cannot be read: write them as in a YAML file") from None


def zone_name(timezone: str | None, compared: Sequence[Alternative]) -> str:
    """The zone that is asked for, or that of the first schedule, or UTC. Raises `UnusableParameter`."""
    if timezone is not None:
        try:
            return zone_named(timezone).key
        except ValueError as error:
            raise UnusableParameter(f"--timezone: {error}") from None
    zones = (
        schedule.timezone
        for alternative in compared
        for autoscale in alternative.configuration.autoscales
        for schedule in autoscale.schedules
    )
    return next(zones, "UTC")


def trace(file: Path, zone: str) -> Demand:
    """The demand of a CSV file. Raises `UnreadableTrace`."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return demand_of_trace(read_trace(lines, str(file), zone_named(zone)), file.name)
    except OSError as error:
        raise UnreadableTrace(f"the trace {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableTrace(f"the trace {file} is not UTF-8 text: save it with this encoding") from None
    except ValueError as error:
        raise UnreadableTrace(str(error)) from None


def shaped(values: Mapping[str, Any]) -> Demand:
    """The demand of a shape, by the fields of `ShapedDemand`. Raises `UnusableParameter`."""
    try:
        shape_named(values["shape"])
        return demand_of_shape(ShapedDemand.model_validate(values))
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        option = str(wrong["loc"][0]).replace("_", "-")
        raise UnusableParameter(f"--{option}: {wrong['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:
        raise UnusableParameter(f"--shape: {error}") from None
    except OverflowError:
        raise UnusableParameter("--from and --days reach beyond the calendar, which has the years 1 to 9999") from None


def conditions(
    compared: Sequence[Alternative],
    *,
    boot: Sequence[str] = (),
    price: Sequence[str] = (),
    failures: float = 0,
    fail_after_seconds: float | None = None,
    delete_seconds: float = 30,
) -> Conditions:
    """The conditions; what names a VM provider config must name one of an alternative. Raises `UnusableParameter`."""
    for option, seconds in (("--delete-seconds", delete_seconds), ("--fail-after", fail_after_seconds)):
        if seconds is not None and not isfinite(seconds):
            raise UnusableParameter(f"{option} {seconds:g} is no time; write a number of seconds, such as 30")
    providers = sorted({provider.name for one in compared for provider in one.configuration.vm_providers})
    boots = _by_provider("--boot", boot, providers, parse_duration)
    prices = _by_provider("--price", price, providers, _price)
    return Conditions(
        boot=boots.get(None, Conditions().boot),
        boot_by_provider={name: boots[name] for name in providers if name in boots},
        failures=BootFailures(share=failures, after_seconds=fail_after_seconds),
        delete_seconds=delete_seconds,
        prices_per_hour={
            name: prices[name if name in prices else None] for name in providers if name in prices or None in prices
        },
    )


def _by_provider(
    option: str, texts: Sequence[str], providers: Sequence[str], read: Callable[[str], Value]
) -> Mapping[str | None, Value]:
    """VM provider config -> value; None -> the value for those that are not named."""
    found: dict[str | None, Value] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        # The equals sign of lognormal:p50=90 is not one that follows a name.
        is_named = bool(equals) and ":" not in name
        if is_named and name not in providers:
            known = ", ".join(providers) or "none"
            raise UnusableParameter(f"{option} {text}: there is no vm_provider {name!r}; the files declare {known}")
        try:
            found[name if is_named else None] = read(rest if is_named else text)
        except ValueError as error:
            raise UnusableParameter(f"{option}: {error}") from None
    return found


def _price(text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        price = -1.0
    if not isfinite(price) or price < 0:
        raise ValueError(f"{text!r} is no price; write a number that is not below 0, such as 0.12")
    return price
