"""`provider list|check|preview`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starter.cli import completion
from starter.cli.database import open_database
from starter.cli.findings import report_findings
from starter.cli.output import Output, OutputFormat, emit, note, print_table

if TYPE_CHECKING:
    from poolwright.domain.findings import Finding
    from poolwright.domain.resources import VMProviderConfig
    from poolwright.providers.base import Provider
    from poolwright.store.engine import Store

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="VM providers and the configs that use them.")

Name = Annotated[
    str,
    typer.Argument(
        help="Name of the VM provider config.",
        autocompletion=completion.documents_of("vm_provider"),
        show_default=False,
    ),
]


@app.command("list")
def list_providers(output: Output = OutputFormat.TABLE) -> None:
    """List the VM providers that exist, with the configs that use them and how full those are.

    \b
    Example:
      poolwright provider list
    """
    from poolwright.providers import registry
    from poolwright.store import documents, ledger

    with open_database() as store, store.read() as tx:
        configs = [(row, ledger.provider_usage(tx, row.name)) for row in documents.rows(tx, "vm_provider")]
    data = [
        {
            "provider": kind,
            "configs": [
                {"name": row.name, "in_use": usage.in_use, "max_instances": usage.max_instances}
                for row, usage in configs
                if row.body["provider"] == kind
            ],
        }
        for kind in registry.kinds()
    ]
    rows = [
        (
            kind,
            ", ".join(
                f"{row.name} ({usage.in_use} of {usage.max_instances})"
                for row, usage in configs
                if row.body["provider"] == kind
            ),
        )
        for kind in registry.kinds()
    ]
    emit(output, data, lambda: print_table(("provider", "configs (slots in use)"), rows, "There is no provider."))


@app.command()
def check(name: Name, output: Output = OutputFormat.TABLE) -> None:
    """Ask a provider whether its credentials work and everything named in its settings exists: all problems at once.

    \b
    Example:
      poolwright provider check local
    """
    with open_database() as store:
        findings = list(_findings(store, name))
    report_findings(name, findings, output)


@app.command()
def preview(
    name: Name,
    place: Annotated[
        str | None, typer.Option(help="Show the request for this place rather than the first.", show_default=False)
    ] = None,
    output: Output = OutputFormat.JSON,
) -> None:
    """Show the exact request that a VM would be made with, config_override included. Nothing is asked and nothing made.

    The server is an invented one. Its startup script is shown as it was declared, with its tags not filled in; secrets
    of the settings are masked.

    \b
    Example:
      poolwright provider preview cloud --place eu-west-1b
    """
    with open_database() as store:
        data = _preview(store, name, place)
    if output is OutputFormat.TABLE:
        output = OutputFormat.JSON
    emit(output, data, lambda: None)


def _preview(store: "Store", name: str, place: str | None) -> "dict[str, Any]":
    from pydantic import SecretStr

    from poolwright.domain.identities import OwnerMark
    from poolwright.providers.base import VMSpec

    config, controller = _configured(store, name)
    provider = _opened(config, controller)
    places, numbers = provider.places(), provider.capabilities().numbers
    spec = VMSpec(
        mark=OwnerMark(controller_id=controller, server_id="preview"),
        token="preview",  # noqa: S106 (it only has to be some token)
        hostname="preview",
        startup_script=SecretStr(config.startup_script),
        place=place or next(iter(places), None),
        number=None if numbers is None else numbers[0],
    )
    return provider.preview(spec).model_dump(mode="json")


def _findings(store: "Store", name: str) -> "Iterator[Finding]":
    from poolwright.domain.findings import Finding
    from poolwright.providers.errors import ProviderError

    config, controller = _configured(store, name)
    note(f"Asking {config.provider}...")
    try:
        yield from _opened(config, controller).check()
    except ProviderError as error:
        yield Finding(setting="settings", problem=f"{type(error).__name__}: {error}", remedy="See the provider's page.")


def _configured(store: "Store", name: str) -> "tuple[VMProviderConfig, str]":
    """The config, secrets included, and the id of this installation."""
    from poolwright.domain.resources import VMProviderConfig
    from poolwright.store import documents
    from poolwright.store.check_in_tokens import controller_id

    with store.read() as tx:
        config = documents.load(tx, "vm_provider", name)
        controller = controller_id(tx)
    assert isinstance(config, VMProviderConfig)
    return config, controller


def _opened(config: "VMProviderConfig", controller: str) -> "Provider":
    from poolwright.providers.registry import open_provider

    return open_provider(config.provider, config.settings, controller)
