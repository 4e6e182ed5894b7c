"""The texts that a configuration is read from: files, directories of files, and standard input."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from poolwright.domain.base import Model
from starter.configuration.problems import Problem

STANDARD_INPUT: Final = Path("-")
_SUFFIXES: Final = (".yaml", ".yml")


class Source(Model):
    """One YAML text."""

    name: str
    """As problems show it."""
    directory: Path
    """What paths in it are relative to."""
    text: str

    def file(self, name: str) -> Path:
        """The file that a path in the text leads to; `~` stands for a person's home. It need not exist."""
        try:
            path = Path(name).expanduser()
        except RuntimeError:
            # There is no such person, and so no such file: whoever reads it says so.
            path = Path(name)
        return self.directory / path


def read_sources(
    paths: Iterable[Path], standard_input: Callable[[], str] | None = None
) -> tuple[list[Source], list[Problem]]:
    """The texts at these paths, and what could not be read.

    A directory stands for every `.yaml` and `.yml` file below it, `-` for standard input.
    """
    sources: list[Source] = []
    problems: list[Problem] = []
    for path in _files(paths):
        piped = path == STANDARD_INPUT
        name = "standard input" if piped else str(path)
        try:
            text = (standard_input or _standard_input)() if piped else path.read_text(encoding="utf-8")
            sources.append(Source(name=name, directory=path.parent, text=text))
        except OSError as error:
            problems.append(
                Problem(file=name, what=f"cannot be read: {error.strerror}", remedy="Check the path and its rights.")
            )
        except UnicodeDecodeError:
            problems.append(Problem(file=name, what="is not UTF-8 text", remedy="Save it with this encoding."))
    if not sources and not problems:
        named = ", ".join(map(str, paths)) or "nothing"
        problems.append(
            Problem(what=f"no YAML file was found in {named}", remedy="Name files that end in .yaml or .yml.")
        )
    return sources, problems


def _standard_input() -> str:
    # Whatever encoding the terminal has: a file that is piped in is UTF-8 too.
    return sys.stdin.buffer.read().decode("utf-8")


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        found = [path]
        if path != STANDARD_INPUT and path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
        for file in found:
            # A file that is named twice, once by its directory, would be called a duplicate of itself.
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file
