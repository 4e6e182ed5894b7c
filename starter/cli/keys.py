"""`api-key create|list|revoke` and `secrets rotate`."""

from typing import TYPE_CHECKING, Annotated

import typer

from starter.cli import completion
from starter.cli.database import open_database, read_settings
from starter.cli.exit_codes import ExitCode
from starter.cli.failures import CommandFailed
from starter.cli.output import Output, OutputFormat, emit, moment, note, print_table
from starter.cli.texts import of_at_most

if TYPE_CHECKING:
    from poolwright.store.api_keys import APIKey

api_key = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Keys of the session API.")
secrets = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The key that seals stored secrets.")


@api_key.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call the key.", show_default=False, callback=of_at_most(63))],
    role: Annotated[
        str, typer.Option(help="read: look; broker: request and end sessions too; admin: everything.")
    ] = "broker",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Make an API key. Its secret is printed this once and cannot be had again.

    \b
    Example:
      poolwright api-key create portal --role broker
    """
    from poolwright.store.api_keys import Role, create_key

    if role not in list(Role):
        raise typer.BadParameter(f"{role!r} is none of {', '.join(Role)}", param_hint="--role")
    with open_database() as store, store.write() as tx:
        key, secret = create_key(tx, name, Role(role), store.clock())
    text = secret.get_secret_value()
    emit(output, key.model_dump(mode="json") | {"secret": text}, lambda: typer.echo(text))
    note(f"This is the secret of {name} ({role}). Keep it: it is not shown again.")


@api_key.command("list")
def list_keys(output: Output = OutputFormat.TABLE) -> None:
    """List API keys, revoked ones too. Secrets are not known any more.

    \b
    Example:
      poolwright api-key list
    """
    from poolwright.store import api_keys

    with open_database() as store, store.read() as tx:
        found = api_keys.list_keys(tx)
    rows = [(key.name, key.role, moment(key.created_at), moment(key.revoked_at)) for key in found]
    data = [key.model_dump(mode="json") for key in found]
    emit(output, data, lambda: print_table(("name", "role", "created", "revoked"), rows, "There is no API key."))


@api_key.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Name of the key.", autocompletion=completion.keys, show_default=False)],
) -> None:
    """Make an API key useless, at once and for good.

    \b
    Example:
      poolwright api-key revoke portal
    """
    from poolwright.store.api_keys import APIKeyProblem, revoke_key

    try:
        with open_database() as store, store.write() as tx:
            key: APIKey = revoke_key(tx, name, store.clock())
    except APIKeyProblem as problem:
        raise CommandFailed(str(problem), ExitCode.NOT_FOUND) from None
    note(f"Revoked {key.name}.")


@secrets.command()
def rotate() -> None:
    """Make a new key and seal every stored secret with it. It can be repeated if it breaks off at any point.

    Programs that run follow the key file; those that hold the key in POOLWRIGHT_KEY need the new one and a restart.

    \b
    Example:
      poolwright secrets rotate
    """
    import os

    from starter.key_rotation import rotate_key

    settings = read_settings()
    if os.environ.get("POOLWRIGHT_KEY"):
        raise CommandFailed(
            "the key comes from POOLWRIGHT_KEY, which this command cannot change: put the ring into a file named by "
            "POOLWRIGHT_KEY_FILE, one key a line, and rotate that",
            ExitCode.REFUSED,
        )
    with open_database() as store:
        count = rotate_key(store, settings.secrets_key_file())
    note(f"Sealed {count} secret(s) with a new key.")
