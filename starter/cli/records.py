"""`dns check` and `directory check`: whether what stands beside a VM can be written and removed again."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from starter.cli import completion
from starter.cli.database import open_database
from starter.cli.exit_codes import ExitCode
from starter.cli.failures import CommandFailed
from starter.cli.findings import report_findings
from starter.cli.output import Output, OutputFormat, note

if TYPE_CHECKING:
    from poolwright.domain.findings import Finding
    from poolwright.store.engine import Store

dns = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="DNS providers that servers get names from.")
directory = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Active Directories that servers get computer records in."
)


@dns.command("check")
def check_dns(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of the DNS provider config.",
            autocompletion=completion.documents_of("dns_provider"),
            show_default=False,
        ),
    ],
    base_domain: Annotated[
        list[str] | None,
        typer.Option(
            help="Base domain to check (repeatable). Left out: those of the autoscale configs that name the config.",
            show_default=False,
        ),
    ] = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Ask a DNS provider whether records can be written, removed and listed: all problems at once. Nothing is changed.

    \b
    Examples:
      poolwright dns check campus
      poolwright dns check campus --base-domain vdi.example.org
    """
    with open_database() as store:
        domains = base_domain or _base_domains(store, name)
        findings = _findings(lambda: _dns_findings(store, name, domains))
    report_findings(name, findings, output)


@directory.command("check")
def check_directory(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of the LDAP config.", autocompletion=completion.documents_of("ldap"), show_default=False
        ),
    ],
    ou_dn: Annotated[
        list[str] | None,
        typer.Option(
            help="OU to check (repeatable). Left out: those of the autoscale configs that name the config.",
            show_default=False,
        ),
    ] = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Ask every domain controller whether computer records can be kept: all problems at once. Nothing is changed.

    Address, certificate, logon, clock, each OU with the rights there, and the domain's DNS records.

    \b
    Examples:
      poolwright directory check corp
      poolwright directory check corp --ou-dn OU=Desktops,DC=corp,DC=example
    """
    with open_database() as store:
        findings = _findings(lambda: _directory_findings(store, name, ou_dn or _ou_dns(store, name)))
    report_findings(name, findings, output)


def _findings(ask: "Callable[[], Iterator[Finding]]") -> "Sequence[Finding]":
    """What the check says; an error in place of an answer is a finding too."""
    from poolwright.directory.errors import DirectoryError
    from poolwright.dns.errors import DNSError
    from poolwright.domain.findings import Finding

    try:
        return list(dict.fromkeys(ask()))
    except DirectoryError as error:
        problem = f"{type(error).__name__}: {error.problem}"
        return [Finding(setting="settings", problem=problem, remedy=error.remedy)]
    except DNSError as error:
        return [Finding(setting="settings", problem=f"{type(error).__name__}: {error}", remedy="See docs/dns.md.")]


def _base_domains(store: "Store", name: str) -> list[str]:
    from poolwright.store import documents, sweeps

    with store.read() as tx:
        documents.get_row(tx, "dns_provider", name)
        used = sweeps.users(tx, "dns_provider", name)
    found = sorted({autoscale.dns.base_domain for autoscale in used if autoscale.dns is not None})
    if not found:
        raise CommandFailed(
            f"no autoscale config names the dns_provider {name!r}: say with --base-domain below which name records "
            "are to be",
            ExitCode.USAGE,
        )
    return found


def _ou_dns(store: "Store", name: str) -> list[str]:
    from poolwright.domain.autoscale import ServerAutoscale
    from poolwright.store import documents, sweeps

    with store.read() as tx:
        documents.get_row(tx, "ldap", name)
        used = sweeps.users(tx, "ldap", name)
    records = (autoscale.computer_record for autoscale in used if isinstance(autoscale, ServerAutoscale))
    found = sorted({record.ou_dn for record in records if record is not None})
    if not found:
        note("No autoscale config names it, so no OU is checked; --ou-dn names one.")
    return found


def _dns_findings(store: "Store", name: str, base_domains: Sequence[str]) -> "Iterator[Finding]":
    from poolwright.dns.registry import open_dns_provider
    from poolwright.domain.resources import DNSProviderConfig
    from poolwright.store import documents
    from poolwright.store.check_in_tokens import controller_id

    with store.read() as tx:
        config = documents.load(tx, "dns_provider", name)
        controller = controller_id(tx)
    assert isinstance(config, DNSProviderConfig)
    provider = open_dns_provider(config.provider, config.settings, controller)
    note(f"Asking {name}...")
    for base_domain in base_domains:
        yield from provider.check(base_domain)


def _directory_findings(store: "Store", name: str, ou_dns: Sequence[str]) -> "Iterator[Finding]":
    from poolwright.directory import open_directory
    from poolwright.domain.resources import LDAPConfig
    from poolwright.store import documents
    from poolwright.store.check_in_tokens import controller_id

    with store.read() as tx:
        config = documents.load(tx, "ldap", name)
        controller = controller_id(tx)
    assert isinstance(config, LDAPConfig)
    opened = open_directory(config, controller)
    note(f"Asking {', '.join(config.urls)}...")
    yield from opened.check(ou_dns)
