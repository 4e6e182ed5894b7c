"""Opening the installation's database for a command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starter.cli.exit_codes import ExitCode
from starter.cli.failures import CommandFailed

if TYPE_CHECKING:
    from poolwright.store.engine import Store
    from starter.settings import Settings


def read_settings() -> "Settings":
    """The installation's settings, from the environment (where `--data-directory` has been put)."""
    from pydantic import ValidationError

    from starter.settings import load_settings

    try:
        return load_settings()
    except ValidationError as error:
        wrong = [f"POOLWRIGHT_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors(include_input=False)]
        raise CommandFailed(f"an environment variable cannot be used: {'; '.join(wrong)}") from None


@contextmanager
def open_database(*, create: bool = False) -> "Iterator[Store]":
    """The store, closed afterwards. `create`: make and migrate it; otherwise it must exist and be up to date.

    Raises `CommandFailed`, `DatabaseOutdated`, `KeyProblem` or `DatabaseURLError`.
    """
    settings = read_settings()
    if not create:
        _refuse_missing(settings)
    from poolwright.store.installation import check_revision, upgrade

    store = settings.open_store()
    try:
        if create:
            upgrade(store)
        else:
            check_revision(store)
        yield store
    finally:
        store.close()


def _refuse_missing(settings: "Settings") -> None:
    # Making an empty one in whatever directory the command was run in would look as if all servers were lost.
    if settings.database_url is None and not (settings.data_directory / "poolwright.db").exists():
        raise CommandFailed(
            f"there is no database in {settings.data_directory.absolute()}: run `poolwright up` or "
            "`poolwright database upgrade` there, or name another --data-directory (POOLWRIGHT_DATA_DIRECTORY)",
            ExitCode.NOT_FOUND,
        )
