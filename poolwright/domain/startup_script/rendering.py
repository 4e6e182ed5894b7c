"""Makes the startup script of one server."""

from collections.abc import Mapping

from pydantic import SecretStr

from poolwright.domain.startup_script.checking import Problem, check
from poolwright.domain.startup_script.quoting import FILTERS, quoted
from poolwright.domain.startup_script.scanner import Piece, StrayBrace, TagUse, Text, scan
from poolwright.domain.startup_script.tags import TAGS


class ScriptProblems(Exception):
    """A startup script cannot be rendered. Says why in full, and shows no value."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join((f"The startup script has {count}:", *map(str, problems))))
        self.problems = problems


def render(script: str, values: Mapping[str, str | SecretStr | None], pool_type: str) -> SecretStr:
    """The final text, secret because it holds a token and perhaps passwords. The same input gives the same text.

    `values` maps tag names to their values; None and the empty text both count as no value. Raises ScriptProblems
    exactly when `check` finds problems with the same values, so a missing value never ends up in a script as `None` or
    as nothing. Only `server_external_fqdn` becomes the text `None`; see the package's introduction.
    """
    texts = plain_texts(values)
    problems = check(script, texts.keys(), pool_type)
    if problems:
        raise ScriptProblems(problems)
    return SecretStr(filled(script, texts))


def plain_texts(values: Mapping[str, str | SecretStr | None]) -> dict[str, str]:
    """What each tag with a value is replaced by, before quoting."""
    texts = {tag.name: tag.text_without_value for tag in TAGS.values()}
    for name, value in values.items():
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text:
            texts[name] = text
    return {name: text for name, text in texts.items() if text is not None}


def filled(script: str, texts: Mapping[str, str]) -> str:
    """`script` with its tags replaced; whatever `check` would refuse stays as it is written."""
    return "".join(_filled_piece(piece, texts) for piece in scan(script))


def _filled_piece(piece: Piece, texts: Mapping[str, str]) -> str:
    match piece:
        case Text(text=text):
            return text
        case StrayBrace(source=source):
            return source
        case TagUse(name=name, filter=filter_name, source=source):
            if name in texts and (filter_name is None or filter_name in FILTERS):
                return quoted(texts[name], filter_name)
            return source
