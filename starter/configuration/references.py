"""Which documents name which, and names that lead nowhere."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from poolwright.store.documents import Document
from starter.configuration.problems import Path, shown
from starter.configuration.whole import Finding, Subject, Whole

_EACH: Final = -1
"""Stands in a path for every position of a list."""
_TARGETS: Final[Mapping[str, tuple[tuple[Path, str], ...]]] = {
    "autoscale": (
        (("pool",), "pool"),
        (("zone",), "zone"),
        (("vm_provider",), "vm_provider"),
        (("fallback_vm_providers", _EACH), "vm_provider"),
        (("dns", "provider"), "dns_provider"),
        (("computer_record", "ldap"), "ldap"),
    ),
    "staging": (
        (("workspace",), "workspace"),
        (("zone",), "zone"),
        (("pool",), "pool"),
        (("autoscale",), "autoscale"),
    ),
    "workspace": ((("zone",), "zone"),),
    "static_server": ((("pool",), "pool"), (("zone",), "zone")),
}
"""Kind -> (path of a name in its documents; kind of what is named)."""
_WITH_ARTICLE: Final = {"autoscale": "an autoscale config", "ldap": "an ldap config"}


class Reference(NamedTuple):
    """A document that another one names."""

    path: Path
    kind: str
    name: str


def references(kind: str, body: Mapping[str, Any]) -> Iterator[Reference]:
    """Every document that a document with this body names, as far as the body can be read."""
    for path, target in _TARGETS.get(kind, ()):
        for found, name in _values(body, path, ()):
            if isinstance(name, str):
                yield Reference(found, target, name)


def _values(value: Any, path: Path, done: Path) -> Iterator[tuple[Path, Any]]:
    if not path:
        yield done, value
    elif path[0] == _EACH:
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _values(item, path[1:], (*done, index))
    elif isinstance(value, Mapping):
        yield from _values(value.get(path[0]), path[1:], (*done, path[0]))


def references_of(document: Document) -> Iterator[Reference]:
    """Every document that this one names."""
    return references(document.kind, document.model_dump(mode="json"))


def dangling(whole: Whole) -> Iterator[Finding]:
    """Names in the declared documents that nothing bears, neither stored nor declared."""
    for declared in whole.declared.values():
        for reference in references(declared.kind, declared.body):
            if not whole.exists(reference.kind, reference.name):
                yield Finding(
                    subjects=(Subject(declared.kind, declared.name, reference.path),),
                    what=f"there is no {reference.kind} of this name",
                    remedy=_remedy(reference, whole.names(reference.kind)),
                    value=shown(reference.name),
                )


def _remedy(reference: Reference, names: list[str]) -> str:
    if close := get_close_matches(reference.name, names, n=1):
        return f"Did you mean {close[0]}?"
    if names:
        return f"Declare it, or name one that exists: {', '.join(names)}."
    return f"Declare {_WITH_ARTICLE.get(reference.kind, f'a {reference.kind}')} of this name first."
