"""What would change: field by field, in words that show no secret."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from pydantic import SecretStr

from poolwright.domain.base import Model
from starter.configuration.problems import HIDDEN, Path, key_text, shown
from starter.configuration.stored import StoredDocument


class ChangeKind(StrEnum):
    """What happens to a document."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"


class FieldChange(Model):
    """One value that differs. None: the key is not there."""

    key: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """`max_instances: 4 -> 6`."""
        if HIDDEN in (self.before, self.after):
            return f"{self.key}: {self._secret_text()}"
        if self.before is None:
            return f"{self.key}: {self.after}"
        return f"{self.key}: {self.before} -> {self.after or '(not set)'}"

    def _secret_text(self) -> str:
        if self.before is None:
            return HIDDEN
        return "(secret removed)" if self.after is None else "(secret changed)"


class Change(Model):
    """What applying does to one document."""

    kind: str
    name: str
    change: ChangeKind
    fields: tuple[FieldChange, ...] = ()
    reshapes: bool = False
    """Servers made before this differ from the next one: they are drifted until they are replaced."""


def field_changes(before: StoredDocument | None, after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Every value that differs between what is stored and what is to be stored."""
    old = dict(_leaves(before.body, ())) if before else {}
    new = dict(_leaves(after, ()))
    unreadable = before.unreadable if before else frozenset()
    paths = [*new, *(path for path in old if path not in new)]
    return tuple(
        _field_change(path, old, new)
        for path in paths
        if path in unreadable or path not in old or path not in new or not _same(old[path], new[path])
    )


def _same(one: Any, other: Any) -> bool:
    # 1 and true are equal in Python, but not to whoever wrote them.
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            if path or key not in ("kind", "name"):
                yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def _field_change(path: Path, old: Mapping[Path, Any], new: Mapping[Path, Any]) -> FieldChange:
    # What is a secret on one side was one all along, whatever it was stored as.
    is_secret = any(isinstance(values.get(path), SecretStr) for values in (old, new))
    before, after = (
        None if path not in values else HIDDEN if is_secret else _text(values[path]) for values in (old, new)
    )
    if isinstance(old.get(path), str) and isinstance(new.get(path), str) and "lines" in f"{before}{after}":
        after = f"{after}, {_changed_lines(old[path], new[path])} of them changed"
    return FieldChange(key=key_text(path) or "", before=before, after=after)


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, str) and "\n" in value:
        # Scripts and certificates: their text is for export, and a script may well hold a secret of its author.
        return f"{len(value.splitlines())} lines"
    return shown(value) or ("{}" if isinstance(value, Mapping) else "[]")


def _changed_lines(before: str, after: str) -> int:
    matcher = SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    return sum(max(j2 - j1, i2 - i1) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal")
