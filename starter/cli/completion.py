"""Completing names in the shell, straight from the database file: a key press must not wait for the whole program."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import typer

_DOCUMENTS: Final = "SELECT name FROM documents WHERE kind = ? ORDER BY name"
_SWEPT: Final = (
    "SELECT DISTINCT name FROM documents WHERE kind IN ('vm_provider', 'dns_provider', 'ldap') ORDER BY name"
)
_SERVERS: Final = "SELECT hostname FROM servers WHERE state != 'deleted' ORDER BY hostname"
_SESSIONS: Final = "SELECT id FROM sessions WHERE state != 'ended' ORDER BY requested_at"
_KEYS: Final = "SELECT name FROM api_keys WHERE revoked_at IS NULL ORDER BY name"
_KINDS: Final = (
    "zone",
    "vm_provider",
    "dns_provider",
    "ldap",
    "pool",
    "workspace",
    "autoscale",
    "staging",
    "static_server",
)

Complete = Callable[[typer.Context, str], list[str]]


def kinds(incomplete: str) -> list[str]:
    """Kinds of document."""
    return [kind for kind in _KINDS if kind.startswith(incomplete)]


def documents_of(kind: str) -> Complete:
    """Names of documents of one kind."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        return _matching(context, incomplete, _DOCUMENTS, kind)

    return complete


def swept_documents(context: typer.Context, incomplete: str) -> list[str]:
    """Names of configs that have a sweep."""
    return _matching(context, incomplete, _SWEPT)


def named_documents(context: typer.Context, incomplete: str) -> list[str]:
    """Names of documents of the kind that the command line names before."""
    return _matching(context, incomplete, _DOCUMENTS, str(context.params.get("kind")))


def servers(context: typer.Context, incomplete: str) -> list[str]:
    """Host names of servers that are not deleted."""
    return _matching(context, incomplete, _SERVERS)


def sessions(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of sessions that have not ended."""
    return _matching(context, incomplete, _SESSIONS)


def keys(context: typer.Context, incomplete: str) -> list[str]:
    """Names of API keys that are not revoked."""
    return _matching(context, incomplete, _KEYS)


def _matching(context: typer.Context, incomplete: str, query: str, *values: str) -> list[str]:
    return [name for name in _names(context, query, values) if name.startswith(incomplete)]


def _names(context: typer.Context, query: str, values: tuple[str, ...]) -> Iterator[str]:
    file = _database_file(context)
    if file is None or not file.exists():
        return
    try:
        # Read-only: a completion must never create or change anything.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)) as connection:
            yield from (row[0] for row in connection.execute(query, values))
    except sqlite3.Error:
        return


def _database_file(context: typer.Context) -> Path | None:
    url = os.environ.get("POOLWRIGHT_DATABASE_URL")
    if url:
        return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None
    given = context.find_root().params.get("data_directory")
    return Path(given or os.environ.get("POOLWRIGHT_DATA_DIRECTORY") or ".poolwright") / "poolwright.db"
