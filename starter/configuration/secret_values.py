"""Where secrets come from: the file itself, an environment variable, another file, or what is stored already."""

import os
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import SecretStr

from poolwright.domain.base import Model
from starter.configuration.problems import HIDDEN, Path, Problem
from starter.configuration.yaml_documents import Declared

ENVIRONMENT: Final = "env:"
FILE: Final = "file:"
STORED: Final = "stored:"

_UNKNOWN: Final = SecretStr("**********")
"""Stands for a secret that could not be had, so that the document's other problems are found too."""


class StoredSecret(Model):
    """A secret of the stored document."""

    value: SecretStr | None
    """None: it was sealed with a key that is gone."""


Stored = Callable[[Path], StoredSecret | None]
"""The stored document's secret at a path, or None when there is none."""


def resolve_secret(
    declared: Declared, path: Path, text: str, stored: Stored, environment: Mapping[str, str] = os.environ
) -> tuple[SecretStr, Problem | None]:
    """The secret that this text stands for, and what is wrong with it."""
    if text.startswith(ENVIRONMENT):
        return _from_environment(declared, path, text.removeprefix(ENVIRONMENT).strip(), environment)
    if text.startswith(FILE):
        return _from_file(declared, path, text.removeprefix(FILE).strip())
    if text.strip() == STORED:
        return _from_store(declared, path, stored(path))
    return SecretStr(text), None


def _from_environment(
    declared: Declared, path: Path, name: str, environment: Mapping[str, str]
) -> tuple[SecretStr, Problem | None]:
    if value := environment.get(name):
        return SecretStr(value), None
    state = "not set" if name not in environment else "empty"
    return _UNKNOWN, declared.problem(
        path,
        f"the environment variable {name or '(no name)'} is {state}",
        "Set it where you run this command, or write the secret in another way: file:PATH or stored:",
        f"{ENVIRONMENT}{name}",
    )


def _from_file(declared: Declared, path: Path, name: str) -> tuple[SecretStr, Problem | None]:
    file = declared.source.file(name)
    remedy = "Paths are relative to the YAML file; name a file that you can read."
    try:
        value = file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        what = f"the file {file} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        what = f"the file {file} is not UTF-8 text"
    else:
        if value:
            return SecretStr(value), None
        what = f"the file {file} is empty"
    return _UNKNOWN, declared.problem(path, what, remedy, f"{FILE}{name}")


def _from_store(declared: Declared, path: Path, stored: StoredSecret | None) -> tuple[SecretStr, Problem | None]:
    if stored is not None and stored.value is not None:
        return stored.value, None
    remedy = "Write the secret itself, env:NAME or file:PATH."
    if stored is None:
        return _UNKNOWN, declared.problem(path, "nothing is stored here that could be kept", remedy, STORED)
    return _UNKNOWN, declared.problem(path, "the stored value was sealed with a key that is gone", remedy, STORED)


def hide(text: str, secrets: list[SecretStr]) -> str:
    """The text with every secret of some length replaced, for messages that others wrote."""
    shortest = 4
    values = sorted((secret.get_secret_value() for secret in secrets), key=len, reverse=True)
    for value in values:
        if len(value) >= shortest:
            text = text.replace(value, HIDDEN)
    return text
