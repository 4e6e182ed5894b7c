"""`provider list|check`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from starter.cli import completion
from starter.cli.database import open_database
from starter.cli.findings import report_findings
from starter.cli.output import Output, OutputFormat, emit, note, print_table

if TYPE_CHECKING:
    from poolwright.domain.findings import Finding
    from poolwright.store.engine import Store

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="VM providers and the configs that use them.")


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
def check(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of the VM provider config.",
            autocompletion=completion.documents_of("vm_provider"),
            show_default=False,
        ),
    ],
    output: Output = OutputFormat.TABLE,
) -> None:
    """Ask a provider whether its credentials work and everything named in its settings exists: all problems at once.

    \b
    Example:
      poolwright provider check local
    """
    with open_database() as store:
        findings = list(_findings(store, name))
    report_findings(name, findings, output)


def _findings(store: "Store", name: str) -> "Iterator[Finding]":
    from poolwright.domain.findings import Finding
    from poolwright.domain.resources import VMProviderConfig
    from poolwright.providers.errors import ProviderError
    from poolwright.providers.registry import open_provider
    from poolwright.store import documents
    from poolwright.store.check_in_tokens import controller_id

    with store.read() as tx:
        config = documents.load(tx, "vm_provider", name)
        controller = controller_id(tx)
    assert isinstance(config, VMProviderConfig)
    note(f"Asking {config.provider}...")
    try:
        yield from open_provider(config.provider, config.settings, controller).check()
    except ProviderError as error:
        yield Finding(setting="settings", problem=f"{type(error).__name__}: {error}", remedy="See the provider's page.")
