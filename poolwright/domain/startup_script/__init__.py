"""Startup scripts: text with `{tag}` tags, checked when a configuration is applied and rendered once for each server.

The brace rules are those of Python's `str.format`, so that scripts written for other products run unchanged: `{tag}` is
replaced by its value, `{{` and `}}` stand for one literal brace each. Braces in comments count like any other.

Two things differ from `str.format`, both on purpose. A tag is only a name: attributes, items, positions and conversions
are refused. And what follows a colon is one of our quoting filters, as in `{connection_password:sh}`.

A value is put in exactly as it is unless a filter quotes it, and braces in a value mean nothing. A tag without a value
is a problem and never an empty text, with one exception: `{server_external_fqdn}` becomes the text `None` when the
server gets no DNS record, because existing scripts test for that text.
"""

from poolwright.domain.startup_script.checking import Problem, check
from poolwright.domain.startup_script.quoting import FILTERS
from poolwright.domain.startup_script.rendering import ScriptProblems, render
from poolwright.domain.startup_script.shell import Shell, shell_of
from poolwright.domain.startup_script.size import SizeProblem, estimated_size, estimated_size_problem, size_problem
from poolwright.domain.startup_script.tags import TAGS, Tag

__all__ = [
    "FILTERS",
    "TAGS",
    "Problem",
    "ScriptProblems",
    "Shell",
    "SizeProblem",
    "Tag",
    "check",
    "estimated_size",
    "estimated_size_problem",
    "render",
    "shell_of",
    "size_problem",
]
