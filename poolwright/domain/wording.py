"""Numbers, lists and moments as parts of English sentences.

Moments are absolute, never "in 30 seconds": the sentence of a decision that stays the same must stay the same.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import floor

from poolwright.domain.servers import Size

_NAMES_SHOWN = 5


def counted(count: float, noun: str, plural: str | None = None) -> str:
    """`1 server`, `2 servers`, `1,000 servers`, `0.5 cores`."""
    word = noun if count == 1 else plural or f"{noun}s"
    return f"{number_text(count)} {word}"


def number_text(number: float) -> str:
    """`1,000`, `0.5`: no needless fraction."""
    return f"{floor(number):,}" if number == floor(number) else f"{number:,.2f}".rstrip("0")


def agree(count: float, singular: str, plural: str) -> str:
    """The verb that goes with the count."""
    return singular if count == 1 else plural


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; of many names the first few and how many more."""
    if len(names) > _NAMES_SHOWN:
        return f"{', '.join(names[:_NAMES_SHOWN])} and {len(names) - _NAMES_SHOWN:,} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def moment(at: datetime) -> str:
    """`2026-03-30 06:00:00 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """The length of time in the largest unit that divides it: `90 seconds`, `2 minutes`, `3 hours`, `14 days`."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            return counted(seconds // length, unit)
    return counted(seconds, "second")


def size_text(size: Size) -> str:
    """`4 cores, 8,192 MiB of memory and 1 GPU`; what is not asked for is left out."""
    parts = []
    if size.cores:
        parts.append(counted(size.cores, "core"))
    if size.memory_mib:
        parts.append(f"{size.memory_mib:,} MiB of memory")
    if size.gpus:
        parts.append(counted(size.gpus, "GPU"))
    return listed(parts) or "nothing"
