"""YAML text to plain values, with the line of every key: the YAML library's own nodes know where they stand."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

import yaml

from poolwright.store.documents import SECRET_PLACEHOLDER, kinds
from starter.configuration.problems import Path, Problem, key_text, shown
from starter.configuration.sources import Source

_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_PLAIN_TAGS: Final = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null"))
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_QUOTED: Final = re.compile(r"""'[^']{2,}'|"[^"]{2,}\"""")


class _Loader(yaml.SafeLoader):
    """Reads dates as text: no key of ours takes a date, and a name may look like one."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands."""

    line: int
    """Line of its key, from 1."""
    text_line: int | None = None
    """Block of text: the line on which its first line stands."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One document as a file has it."""

    source: Source
    kind: str
    name: str
    body: Mapping[str, Any]
    places: Mapping[Path, Place]

    def place(self, path: Path) -> Place:
        """Where this value stands, or else the nearest one around it."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def problem(self, path: Path, what: str, remedy: str, value: str | None = None) -> Problem:
        """A problem with this value of this document."""
        return Problem(
            file=self.source.name,
            line=self.place(path).line,
            kind=self.kind,
            name=self.name,
            key=key_text(path),
            value=value,
            what=what,
            remedy=remedy,
        )


@dataclass(slots=True)
class ReadDocuments:
    """All documents of all files, and what keeps others from being read."""

    documents: list[Declared] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    complete: bool = True
    """False: a file breaks off at a mistake, so what it declares after that is unknown."""


def read_documents(sources: list[Source]) -> ReadDocuments:
    """Read every document of every source."""
    read = ReadDocuments()
    for source in sources:
        try:
            # What YAML forbids is said here already.
            loader = _Loader(source.text)
            while loader.check_node():
                _read_document(source, loader, read)
        except yaml.MarkedYAMLError as error:
            read.complete = False
            read.problems.append(_syntax_problem(source, error))
        except RecursionError:
            read.complete = False
            what = "is nested too deeply to be read"
            read.problems.append(Problem(file=source.name, what=what, remedy="Look for brackets that nobody closes."))
        except yaml.YAMLError:
            read.complete = False
            read.problems.append(
                Problem(
                    file=source.name, what="holds a character that YAML forbids", remedy="Remove control characters."
                )
            )
    _refuse_repeated_names(read)
    return read


def _read_document(source: Source, loader: _Loader, read: ReadDocuments) -> None:
    node = loader.get_node()
    if node is None or (isinstance(node, yaml.ScalarNode) and node.value == ""):
        return
    reader = _NodeReader(source, loader)
    body = reader.value(node, (), _line(node))
    kind = body.get("kind") if isinstance(body, Mapping) else None
    name = body.get("name") if isinstance(body, Mapping) else None
    document = _identity_problem(source, _line(node), reader.places, body)
    for problem in (document, *reader.problems):
        if problem is not None:
            read.problems.append(
                problem.model_copy(
                    update={
                        "kind": kind if isinstance(kind, str) else None,
                        "name": name if isinstance(name, str) else None,
                    }
                )
            )
    if document is None:
        assert isinstance(kind, str)
        assert isinstance(name, str)
        read.documents.append(Declared(source, kind, name, body, reader.places))


def _identity_problem(source: Source, line: int, places: Mapping[Path, Place], body: Any) -> Problem | None:
    if not isinstance(body, Mapping):
        return Problem(
            file=source.name,
            line=line,
            what="this document is no mapping of keys to values",
            remedy="Begin it with `kind:` and `name:`, and separate documents by a line `---`.",
        )
    known = ", ".join(kinds())
    for key, example in (("kind", f"Write one of {known}."), ("name", "Write a name, such as `name: demo`.")):
        value = body.get(key)
        if not isinstance(value, str):
            what = f"{key} is missing" if value is None else "must be text"
            place = places.get((key,), Place(line))
            text = None if value is None else shown(value)
            return Problem(file=source.name, line=place.line, key=key, value=text, what=what, remedy=example)
    kind = str(body["kind"])
    if kind in kinds():
        return None
    close = get_close_matches(kind, kinds(), n=1)
    return Problem(
        file=source.name,
        line=places[("kind",)].line,
        key="kind",
        value=shown(kind),
        what="is no kind of document",
        remedy=f"Did you mean {close[0]}?" if close else f"The kinds are {known}.",
    )


class _NodeReader:
    """Turns one document's nodes into values."""

    def __init__(self, source: Source, loader: _Loader) -> None:
        self._source = source
        self._loader = loader
        self._around: list[yaml.Node] = []
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path, line: int) -> Any:
        """The node's value; `line` is that of its key."""
        self.places[path] = Place(line, _text_line(node))
        if any(node is outer for outer in self._around):
            self._problem(path, "holds itself, by an alias", "Write the value out.")
            return None
        self._around.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*path, index), _line(item)) for index, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._around.pop()

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[Any, Any]:
        # Before merge keys are filled in: a key may well override one that is merged.
        for first, again in _repeated_keys(node):
            self.places[(*path, again.value)] = Place(_line(again))
            self._problem((*path, again.value), f"is given twice, first on line {_line(first)}", "Keep one of the two.")
        self._loader.flatten_mapping(node)
        values: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is not None:
                values[key] = self.value(value_node, (*path, key), _line(key_node))
        return values

    def _key(self, node: yaml.Node, path: Path) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            self._problem(path, f"has a list or a mapping as a key, on line {_line(node)}", "Use a word as the key.")
            return None
        key = self._scalar(node, path)
        if key == SECRET_PLACEHOLDER:
            # Stored, it would be taken for the place of a sealed secret: what it names would be filled in and shown.
            self.places[(*path, key)] = Place(_line(node))
            self._problem((*path, key), "is what sealed secrets are stored under", "Use another word as the key.")
            return None
        # YAML reads a bare `on` or `yes` as true; a clock time such as 9:00 as a number, which schedules understand.
        return node.value if key is None or isinstance(key, bool | float) else key

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        if node.tag not in _PLAIN_TAGS:
            self._problem(path, "has a YAML tag that is not known here", "Remove the tag, or put the value in quotes.")
            return None
        if _UNSTORABLE.search(node.value):
            self._problem(path, "holds NUL or half of a character, which no database keeps", "Write it without.")
            return _UNSTORABLE.sub("", node.value)
        try:
            value = self._loader.construct_object(node)
        except (ValueError, yaml.YAMLError):
            self._problem(path, "cannot be read as what its YAML tag says", "Remove the tag.")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._problem(path, "is not a finite number", "Write a number.")
            return None
        return value

    def _problem(self, path: Path, what: str, remedy: str) -> None:
        place = self.places.get(path)
        self.problems.append(
            Problem(
                file=self._source.name,
                line=place.line if place else None,
                key=key_text(path),
                what=what,
                remedy=remedy,
            )
        )


def _repeated_keys(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.ScalarNode]]:
    seen: dict[str, yaml.Node] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                yield seen[key.value], key
            seen.setdefault(key.value, key)


def _text_line(node: yaml.Node) -> int | None:
    block = isinstance(node, yaml.ScalarNode) and node.style == "|"
    return node.start_mark.line + 2 if block else None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax_problem(source: Source, error: yaml.MarkedYAMLError) -> Problem:
    # The library quotes the text around the mistake, which may be a password: only its own words are passed on.
    said = _QUOTED.sub("...", error.problem or "cannot be read")
    mark = error.problem_mark or error.context_mark
    column = f" (column {mark.column + 1})" if mark else ""
    if "undefined alias" in said:
        remedy = "A value that begins with * needs quotes."
    elif "cannot start any token" in said:
        remedy = "Indent with spaces, and put a value that begins with a special character in quotes."
    else:
        remedy = "Check the indentation, and put values with special characters in quotes."
    return Problem(file=source.name, line=mark.line + 1 if mark else None, what=f"{said}{column}", remedy=remedy)


def _refuse_repeated_names(read: ReadDocuments) -> None:
    first: dict[tuple[str, str], Declared] = {}
    for document in list(read.documents):
        earlier = first.setdefault((document.kind, document.name), document)
        if earlier is not document:
            where = f"{earlier.source.name}, line {earlier.place(('name',)).line}"
            read.problems.append(
                document.problem(
                    ("name",),
                    f"another {document.kind} has this name, in {where}",
                    "Rename one of them, or remove it.",
                    shown(document.name),
                )
            )
            read.documents.remove(document)
