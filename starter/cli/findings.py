"""What a live check found, printed alike for every kind of config."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from starter.cli.exit_codes import ExitCode
from starter.cli.output import OutputFormat, emit, print_table

if TYPE_CHECKING:
    from poolwright.domain.findings import Finding


def report_findings(name: str, findings: "Sequence[Finding]", output: OutputFormat) -> None:
    """Print all findings at once, or that the config is fine. Ends the command as failed if there are any."""
    data = [finding.model_dump(mode="json") for finding in findings]
    rows = [(finding.setting, finding.problem, finding.remedy) for finding in findings]
    emit(output, data, lambda: print_table(("setting", "problem", "remedy"), rows, f"{name} is fine."))
    if findings:
        raise typer.Exit(ExitCode.FAILED)
