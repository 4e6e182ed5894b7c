"""What is wrong with a configuration, each time with its place and its way out."""

import json
from collections.abc import Sequence
from typing import Any, Final

from poolwright.domain.base import Model

Path = tuple[str | int, ...]
"""Keys and positions from a document's top down to one of its values."""

HIDDEN: Final = "(secret)"
_LONGEST_SHOWN: Final = 60


class Problem(Model):
    """One thing that is wrong. No text of it ever holds a secret."""

    file: str | None = None
    """None: in what is stored, not in a file."""
    line: int | None = None
    """From 1."""
    kind: str | None = None
    name: str | None = None
    key: str | None = None
    """Path of keys, as in `schedules[0].start`."""
    value: str | None = None
    """As written, cut when it is long; `(secret)` for a secret."""
    what: str
    remedy: str

    def __str__(self) -> str:
        """`local.yaml:12: autoscale 'demo', max_instances: -1: must be 0 or more. Write ...`"""
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        document = f"{self.kind or 'document'} {self.name!r}" if self.name else self.kind
        subject = ", ".join(part for part in (document, self.key) if part)
        start = ": ".join(part for part in (place, subject, self.value) if part)
        stop = "" if self.what.endswith((".", "?", "!")) else "."
        sentence = f"{self.what}{stop} {self.remedy}".strip()
        return f"{start}: {sentence}" if start else sentence


class ConfigurationRefused(Exception):
    """The configuration has problems. Nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem was found" if len(self.problems) == 1 else f"{len(self.problems)} problems were found"
        super().__init__("\n  ".join((f"{count}; nothing was changed:", *map(str, self.problems))))


def key_text(path: Path) -> str | None:
    """`schedules[0].start` for a path; None for the document itself."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text or None


def shown(value: Any) -> str | None:
    """A value as a person may read it in one line; None for what has no short form, such as a mapping."""
    if value is None:
        return "null"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, float):
        text = f"{value:g}"
    elif isinstance(value, bool | int):
        text = json.dumps(value)
    elif isinstance(value, list | tuple) and not any(isinstance(item, dict | list) for item in value):
        text = json.dumps([item if isinstance(item, str | int | float) else str(item) for item in value])
    else:
        return None
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
