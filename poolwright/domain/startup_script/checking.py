"""Finds every problem of a startup script at once, each with its place and a way out."""

import re
from collections.abc import Iterator, Mapping, Set
from difflib import get_close_matches
from typing import Final

from poolwright.domain.base import Model
from poolwright.domain.startup_script.quoting import FILTERS
from poolwright.domain.startup_script.scanner import StrayBrace, TagUse, scan
from poolwright.domain.startup_script.tags import TAGS, Tag

_LONGEST_SHOWN: Final = 40
_BEYOND_A_NAME: Final = re.compile(r"([^\W\d]\w*)([!.\[])")
_FILTER_NAMES: Final = ", ".join(FILTERS)


class Problem(Model):
    """Something that keeps a startup script from being used. Its message quotes names only, never the script's text,
    which may hold secrets of the author."""

    line: int
    """Line of the brace, from 1."""
    column: int
    """Column of the brace in characters, from 1."""
    message: str

    def __str__(self) -> str:
        """`line 3, column 7: ...`."""
        return f"line {self.line}, column {self.column}: {self.message}"


def check(script: str, available: Mapping[str, bool] | Set[str], pool_type: str) -> tuple[Problem, ...]:
    """Every problem of `script`, in the order of the text; empty when the script can be rendered. Never raises.

    `available` names the tags that have a value in this configuration (as a mapping: those that map to true).
    `pool_type` is `server` or `docker_agent`.
    """
    names = _available_names(available)
    problems: list[Problem] = []
    for piece in scan(script):
        match piece:
            case TagUse(line=line, column=column):
                messages = _tag_messages(piece, names, pool_type)
                problems.extend(Problem(line=line, column=column, message=message) for message in messages)
            case StrayBrace(line=line, column=column):
                problems.append(Problem(line=line, column=column, message=_stray_brace_message(piece.source)))
    return tuple(problems)


def _available_names(available: Mapping[str, bool] | Set[str]) -> Set[str]:
    if isinstance(available, Mapping):
        return {name for name, has_value in available.items() if has_value}
    return available


def _tag_messages(use: TagUse, available: Set[str], pool_type: str) -> Iterator[str]:
    tag = TAGS.get(use.name)
    if tag is None:
        yield _unknown_tag_message(use, pool_type)
        return
    if pool_type not in tag.pool_types:
        yield _wrong_pool_type_message(tag, pool_type)
    elif tag.name not in available and tag.text_without_value is None:
        yield f"{{{tag.name}}} has no value in this configuration. {tag.value_source}"
    if use.filter is not None and use.filter not in FILTERS:
        yield _unknown_filter_message(tag, use.filter)


def _unknown_tag_message(use: TagUse, pool_type: str) -> str:
    name = use.name if len(use.name) <= _LONGEST_SHOWN else use.name[:_LONGEST_SHOWN] + "..."
    for_this_pool = [tag.name for tag in TAGS.values() if pool_type in tag.pool_types]
    close = get_close_matches(name.lower(), TAGS)
    if close:
        hint = "Did you mean " + " or ".join(f"{{{match}}}" for match in close) + "?"
    elif use.after_dollar:
        hint = "It looks like a variable of the script."
    else:
        hint = f"The tags of a {pool_type} pool are {', '.join(for_this_pool)}."
    dollar = "$" if use.after_dollar else ""
    rest = "" if use.filter is None else ":..."
    return f"{{{name}}} is not a tag. {hint} To keep it as text, double its braces: {dollar}{{{{{name}{rest}}}}}."


def _wrong_pool_type_message(tag: Tag, pool_type: str) -> str:
    fitting = " or ".join(sorted(tag.pool_types))
    return (
        f"{{{tag.name}}} is only for pools of type {fitting}, and this pool is of type {pool_type}. "
        f"Take it out, or use this script with a pool of type {fitting}."
    )


def _unknown_filter_message(tag: Tag, filter_name: str) -> str:
    if filter_name == "":
        return f"No filter follows the colon. Write {{{tag.name}}}, or a filter after the colon: {_FILTER_NAMES}."
    named = f" {filter_name!r}" if filter_name.isidentifier() and len(filter_name) <= _LONGEST_SHOWN else ""
    return (
        f"Unknown filter{named} after {tag.name}. The filters are {_FILTER_NAMES}, as in {{{tag.name}:sh}}. "
        "To keep it as text, double its braces."
    )


def _stray_brace_message(source: str) -> str:
    if source == "{":
        return "This { is not doubled and opens no tag. Write {{ for a literal brace; a tag stands on one line."
    if source == "}":
        return "This } is not doubled and closes no tag. Write }} for a literal brace."
    content = source[1:-1]
    if content.strip() == "":
        return "These braces name no tag. Write {{ and }} for literal braces."
    if content.strip() in TAGS:
        name = content.strip()
        return f"A tag has no spaces inside its braces. Write {{{name}}}, or double the braces for literal ones."
    if content.isdecimal() and len(content) <= _LONGEST_SHOWN:
        return f"Tags have names, not numbers. To keep it as text, double its braces: {{{{{content}}}}}."
    beyond = _BEYOND_A_NAME.match(content)
    if beyond and beyond[1] in TAGS:
        return _beyond_a_name_message(beyond[1], beyond[2])
    return "These braces are not doubled and hold no tag. Write {{ and }} for literal braces."


def _beyond_a_name_message(name: str, sign: str) -> str:
    if sign == "!":
        return f"A tag takes no conversion. To quote its value write {{{name}:sh}}; the filters are {_FILTER_NAMES}."
    return f"A tag's value is plain text without attributes or items. Write {{{name}}}, or double the braces."
