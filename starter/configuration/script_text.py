"""The text of a startup script by itself: what is wrong with it whoever uses it, and on which line of which file."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from poolwright.domain.resources import PoolType
from poolwright.domain.startup_script import TAGS, check
from poolwright.domain.startup_script import Problem as ScriptProblem
from starter.configuration.problems import Path, Problem
from starter.configuration.yaml_documents import Declared


def hopeless_problems(script: str) -> tuple[ScriptProblem, ...]:
    """What no configuration could mend: stray braces and names that are no tags."""
    first, *others = (check(script, TAGS.keys(), pool_type) for pool_type in PoolType)
    return tuple(problem for problem in first if all(_places(other) >= _places((problem,)) for other in others))


def located(declared: Declared, script: str, file: FilePath | None) -> list[Problem]:
    """`hopeless_problems` of a declared script with their places."""
    path = script_path(file)
    return [
        declared.problem(path, sentence(declared.name, (), problem), "").model_copy(
            update=exact_place(declared, file, problem)
        )
        for problem in hopeless_problems(script)
    ]


def script_path(file: FilePath | None) -> Path:
    """The key that brought the startup script."""
    return ("startup_script",) if file is None else ("startup_script_file",)


def sentence(provider: str, autoscales: Sequence[str], problem: ScriptProblem) -> str:
    """The problem in words, with the autoscale configs that it is a problem of."""
    users = f" with autoscale {' and '.join(map(repr, autoscales))}" if autoscales else ""
    place = f"line {problem.line}, column {problem.column}"
    return f"{place} of the startup script of vm_provider {provider!r}{users}: {problem.message}"


def exact_place(declared: Declared, file: FilePath | None, problem: ScriptProblem) -> Mapping[str, Any]:
    """`file` and `line` of the mistake in the script itself, as far as they can be told."""
    if file is not None:
        return {"file": str(file), "line": problem.line}
    text_line = declared.place(script_path(None)).text_line
    return {} if text_line is None else {"line": text_line + problem.line - 1}


def _places(problems: Iterable[ScriptProblem]) -> set[tuple[int, int]]:
    return {(problem.line, problem.column) for problem in problems}
